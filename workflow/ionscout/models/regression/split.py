"""Learn from one table of conductivities alone, and predict another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ionscout.config import RegressionSettings
from ionscout.errors import ModelError
from ionscout.models.regression.domain import measure_distance, tabulate_domain
from ionscout.models.regression.labelled import PAPER, SYSTEM, Labelled, group_papers, make_groups
from ionscout.models.regression.registry import BASELINE, CONSTANT, SIGMA, get_regressor
from ionscout.models.regression.replicated import Replicated
from ionscout.models.regression.scores import Measured, Predicted, score
from ionscout.models.regression.table import ConductivityTable, read_table
from ionscout.models.regression.training import cross_validate, predict_or_fall_back
from ionscout.models.regression.validation import METRIC_COLUMNS

TEST = "test"
PREDICTED = ("sigma_rt_log10", "low", "high", "distance")
FAST_THRESHOLD_S_CM = 1e-4


@dataclass(frozen=True)
class SplitResult:
    """What came out of a split.

    Attributes
    ----------
    metrics : DataFrame
        Columns model, target, scheme, metric, value, low, high, n, note; the scheme `test`
        holds the scores on TEST, the others cross-validation in TRAIN.
    predictions : DataFrame
        One row a model and row of TEST (or of TRAIN, held out, without TEST): row, ID,
        model, is_best, sigma_rt_log10, low, high, reason, in_train, measured,
        is_upper_bound, distance, in_domain (from TRAIN, see `measure_distance`; without TEST
        from what was not held out). `row` counts the rows of the table from 0. `is_best` marks the
        regressor with the least grouped mean absolute error in TRAIN.
    notes : tuple of str
        What of the two tables was left out, and what they share, a sentence each.
    """

    metrics: pd.DataFrame
    predictions: pd.DataFrame
    notes: tuple[str, ...] = ()


def score_split(
    train: str | Path,
    test: str | Path | None,
    settings: RegressionSettings,
    *,
    fast_threshold_s_cm: float = FAST_THRESHOLD_S_CM,
    seed: int,
) -> SplitResult:
    """Cross-validate all regressors in TRAIN, and predict TEST.

    Parameters
    ----------
    train, test : path-like
        As `read_table` takes them; without `test`, cross-validation alone.
    settings : RegressionSettings
    fast_threshold_s_cm : float
        For the ROC-AUC.
    seed : int

    Returns
    -------
    SplitResult

    Raises
    ------
    ModelError
        A table cannot be read, or TRAIN has too few values.
    """
    learned = read_table(train, "train")
    asked = None if test is None else read_table(test, "test")
    data = _labelled(learned)
    if data.unusable:
        raise ModelError(f"{train}: {data.unusable}")
    threshold = float(np.log10(fast_threshold_s_cm))
    builders = {CONSTANT: BASELINE, **{name: get_regressor(name) for name in settings.names}}
    estimators = {name: builder.build(settings, seed) for name, builder in builders.items()}
    held_out, metrics = cross_validate(
        estimators, data, settings, target=SIGMA, threshold=threshold, seed=seed
    )
    notes = _note_train(learned)
    metrics = metrics.assign(note=[_join(note, *notes) for note in metrics["note"]])
    if asked is None:
        rows = np.flatnonzero(_is_usable(learned))
        tables = [_held_out_rows(data, rows, held_out[name][SYSTEM]) for name in estimators]
    else:
        level, seen = settings.interval_level, set(learned.keys)
        tables = [_predict(each, data, asked, seen, level) for each in estimators.values()]
        of_test = _note_test(asked, tables[0])
        scores = [_score_test(rows, asked, threshold, seed) for rows in tables]
        scores = _name(scores, estimators).assign(note=_join(*of_test))
        metrics, notes = pd.concat([metrics, scores[METRIC_COLUMNS]]), (*notes, *of_test)
    predictions = _name(tables, estimators)
    predictions["is_best"] = predictions["model"] == _best(metrics)
    return SplitResult(metrics.reset_index(drop=True), predictions, notes)


def write_split(result: SplitResult, folder: str | Path) -> None:
    """Write metrics.csv and predictions.csv.

    Parameters
    ----------
    result : SplitResult
    folder : path-like
        Made where it is not there.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    result.metrics.to_csv(Path(folder) / "metrics.csv", index=False)
    result.predictions.to_csv(Path(folder) / "predictions.csv", index=False)


def _is_usable(table: ConductivityTable) -> np.ndarray:
    return np.isfinite(table.y) & np.array([not why for why in table.reasons], dtype=bool)


def _labelled(table: ConductivityTable) -> Labelled:
    usable = _is_usable(table)
    x = table.x[usable]
    return Labelled(
        names=table.ids[usable],
        x=x,
        y=table.y[usable],
        is_upper_bound=table.is_upper_bound[usable],
        groups=make_groups(x, table.chemical_systems[usable], table.papers[usable]),
    )


def _best(metrics: pd.DataFrame) -> str:
    """Name the regressor with the least mean error over the two grouped schemes."""
    rows = metrics[(metrics["metric"] == "mae") & metrics["scheme"].isin((SYSTEM, PAPER))]
    means = rows[rows["model"] != CONSTANT].groupby("model")["value"].mean()
    return str(means.idxmin()) if means.notna().any() else CONSTANT


def _name(tables: list[pd.DataFrame], names: Iterable[str]) -> pd.DataFrame:
    """Stack tables, each with the name of its model."""
    named = [table.assign(model=name) for name, table in zip(names, tables, strict=True)]
    return pd.concat(named, ignore_index=True)


def _predict(
    estimator: Replicated, data: Labelled, asked: ConductivityTable, seen: set, level: float
) -> pd.DataFrame:
    """Fit to TRAIN, and predict each row of TEST by itself."""
    estimator.fit(data.x, data.y, data.is_upper_bound, data.inner_groups)
    known = predict_or_fall_back(estimator, asked.x, asked.reasons, level)
    rows = pd.DataFrame(
        {
            "row": np.arange(len(asked.ids)),
            "ID": asked.ids,
            "sigma_rt_log10": known["value"],
            "low": known["low"],
            "high": known["high"],
            "reason": known["reason"],
            "in_train": [key is not None and key in seen for key in asked.keys],
            "measured": asked.y,
            "is_upper_bound": asked.is_upper_bound,
        }
    )
    return pd.concat([rows, tabulate_domain(measure_distance(data.x, asked.x))], axis=1)


def _held_out_rows(data: Labelled, rows: np.ndarray, held_out: Predicted) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "row": rows,
            "ID": data.names,
            "sigma_rt_log10": held_out.value.mean(axis=0),
            "low": held_out.low.mean(axis=0),
            "high": held_out.high.mean(axis=0),
            "reason": "",
            "in_train": True,
            "measured": data.y,
            "is_upper_bound": data.is_upper_bound,
        }
    )
    return pd.concat([table, tabulate_domain(held_out.distance.mean(axis=0))], axis=1)


def _score_test(
    rows: pd.DataFrame, asked: ConductivityTable, threshold: float, seed: int
) -> pd.DataFrame:
    """Score all rows of TEST that have a measured value, the fallbacks among them."""
    is_scored = np.isfinite(asked.y)
    rows = rows[is_scored]
    if rows.empty:
        return pd.DataFrame(columns=METRIC_COLUMNS)
    table = score(
        Measured(rows["measured"].to_numpy(), rows["is_upper_bound"].to_numpy()),
        Predicted(*(rows[[c]].to_numpy().T for c in PREDICTED)),
        group_papers(asked.chemical_systems, asked.papers)[is_scored],
        threshold=threshold,
        seed=seed,
    )
    return table.assign(target=SIGMA, scheme=TEST)


def _note_train(table: ConductivityTable) -> tuple[str, ...]:
    n_unused = int((~_is_usable(table)).sum())
    said = [f"{n_unused} rows without a value or a description are not learned"] * (n_unused > 0)
    return tuple(f"TRAIN: {note}" for note in (*said, *table.unread))


def _note_test(table: ConductivityTable, rows: pd.DataFrame) -> tuple[str, ...]:
    is_scored = np.isfinite(table.y)
    n_unscored, n_seen = int((~is_scored).sum()), int(rows.loc[is_scored, "in_train"].sum())
    said = [f"{n_unscored} rows without a value are not scored"] * (n_unscored > 0)
    said += [f"{n_seen} rows share composition and space group with TRAIN"] * (n_seen > 0)
    return tuple(f"TEST: {note}" for note in (*said, *table.unread))


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
