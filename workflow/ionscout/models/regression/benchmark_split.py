"""Learn from one table of conductivities alone, and predict another, from the command line.

    python -m ionscout.models.regression.benchmark_split TRAIN [TEST] [--out FOLDER]

TRAIN and TEST are CSV files in the columns of OBELiX, or folders that hold train.csv and
test.csv. Of TEST only compositions, space groups and cells are looked at before its
scores are computed, and no bundled label is used.
"""

from __future__ import annotations

import argparse
import sys

from ionscout.config import RegressionSettings
from ionscout.errors import IonscoutError
from ionscout.models.regression.registry import CONSTANT, REGRESSORS
from ionscout.models.regression.split import SplitResult, score_split, write_split

N_TREES = 100
SHOWN = ("mae", "mae_bounds_as_values", "roc_auc", "coverage", "interval_spearman")


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line.

    Parameters
    ----------
    arguments : list of str, optional
        In place of those of the command line.

    Returns
    -------
    int
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="benchmark_split", description=__doc__.split("\n")[0])
    parser.add_argument("train", help="folder with train.csv, or the CSV")
    parser.add_argument("test", nargs="?", help="folder with test.csv, or the CSV")
    parser.add_argument("--out", help="folder for metrics.csv and predictions.csv")
    parser.add_argument("--names", nargs="+", default=list(REGRESSORS), choices=list(REGRESSORS))
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of the folds")
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args(arguments)
    try:
        settings = RegressionSettings(names=given.names, n_repeats=given.repeats, n_trees=N_TREES)
        result = score_split(given.train, given.test, settings, seed=given.seed)
    except IonscoutError as error:
        print(error, file=sys.stderr)
        return 1
    _show(result)
    if given.out:
        write_split(result, given.out)
    return 0


def _show(result: SplitResult) -> None:
    rows = result.metrics[result.metrics["metric"].isin(SHOWN)]
    text = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in rows.itertuples()]
    wide = rows.assign(text=text).pivot(index=["scheme", "model"], columns="metric", values="text")
    print(wide[list(SHOWN)].to_string())
    best = result.predictions.loc[result.predictions["is_best"], "model"]
    print(f"best by grouped cross-validation in TRAIN: {best.iloc[0] if len(best) else 'none'}")
    rows = result.predictions[result.predictions["model"] == CONSTANT]
    print(f"{(rows['reason'] != '').sum()} of {len(rows)} predicted rows are fallbacks")
    for note in result.notes:
        print(note)


if __name__ == "__main__":
    sys.exit(main())
