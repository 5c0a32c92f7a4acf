"""Learning from one table of conductivities alone, and predicting another."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ionscout.config import RegressionSettings
from ionscout.errors import ModelError
from ionscout.models.regression import score_split
from ionscout.models.regression.description import COLUMNS
from ionscout.models.regression.replicated import Replicated
from ionscout.models.regression.table import read_table

PACKAGE = Path(__file__).parents[2] / "workflow"
SIGMA = "Ionic conductivity (S cm-1)"
QUICK = RegressionSettings(
    names=["forest", "pls"], n_trees=8, n_folds=3, n_bootstrap=4, n_inner_folds=2
)
FOREST = QUICK.model_copy(update={"names": ["forest"]})
METALS, HALIDES = ("Y", "In", "Sc", "Er", "Al", "Ga", "Zr", "Mg"), ("Cl", "Br", "I", "F", "S")


def _table(n=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for row in range(n):
        metal, halide = METALS[row % len(METALS)], HALIDES[row % len(HALIDES)]
        lithium = 1 + row % 4
        a = 5 + rng.random()
        rows.append(
            {
                "ID": f"m{row}",
                "Reduced Composition": f"Li{lithium}{metal}{halide}{lithium + 3}",
                "True Composition": f"Li{2 * lithium}{metal}2{halide}{2 * lithium + 6}",
                "Z": 2,
                SIGMA: f"{10.0 ** (-3 - 2 * (halide == 'F') - lithium / 2):.3e}",
                "Space group #": 225,
                **dict.fromkeys(("a", "b", "c"), round(a, 3)),
                **dict.fromkeys(("alpha", "beta", "gamma"), 90),
                "DOI": f"10.0/{row // 2}",
            }
        )
    table = pd.DataFrame(rows)
    table.loc[0, SIGMA] = "<1E-10"
    return table


def _odd_rows():
    odd = _table(8, seed=1)
    odd["ID"] = "same"
    odd["Reduced Composition"] = ["", "no formula", "Li3YCl6", "Li3YCl6", "Li", "S8", "Xx", "LiF"]
    odd["True Composition"] = ""
    odd = odd.astype(object)
    odd.loc[2, ["a", "b", "c", "alpha", "beta", "gamma"]] = ""
    odd.loc[3, "Space group #"] = "999"
    odd.loc[4, "Z"] = "two"
    odd.loc[5, SIGMA] = "unknown"
    odd.loc[6, SIGMA] = "-1"
    return odd


@pytest.fixture
def files(tmp_path):
    _table().iloc[:30].to_csv(tmp_path / "train.csv", index=False)
    test = pd.concat([_table().iloc[28:], _odd_rows()])
    test.to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def test_every_row_is_predicted_and_scored(files):
    result = score_split(files, files, QUICK, seed=0)
    rows = result.predictions
    assert len(rows) == 20 * 3
    assert np.isfinite(rows[["sigma_rt_log10", "low", "high"]]).all().all()
    assert (rows["low"] <= rows["high"]).all()
    of_forest = rows[rows["model"] == "forest"]
    assert of_forest["in_train"].sum() == 2
    is_fallback = of_forest["reason"] != ""
    assert of_forest.loc[is_fallback, "row"].tolist() == [12, 13, 18]
    assert np.ptp(of_forest.loc[is_fallback, "sigma_rt_log10"]) == 0
    scored = result.metrics.query("scheme == 'test' and metric == 'mae'")
    assert (scored["n"] == 18).all()
    assert set(scored["model"]) == {"constant", "forest", "pls"}
    measured = of_forest.dropna(subset="measured")
    by_hand = (measured["sigma_rt_log10"] - measured["measured"]).abs().mean()
    assert scored.set_index("model").loc["forest", "value"] == pytest.approx(by_hand)


def test_the_labels_of_the_test_rows_change_no_prediction(files):
    with_labels = score_split(files, files, QUICK, seed=0).predictions
    test = pd.read_csv(files / "test.csv", dtype=str).drop(columns=SIGMA)
    test.to_csv(files / "test.csv", index=False)
    without = score_split(files, files, QUICK, seed=0)
    columns = ["model", "ID", "sigma_rt_log10", "low", "high", "reason", "is_best"]
    pd.testing.assert_frame_equal(with_labels[columns], without.predictions[columns])
    assert without.predictions["measured"].isna().all()
    assert "test" not in set(without.metrics["scheme"])


def test_each_row_of_the_test_is_predicted_by_itself(files):
    columns = ["sigma_rt_log10", "low", "high", "distance"]
    test = _table(60).iloc[30:].reset_index(drop=True)
    assert test["ID"].is_unique
    test.to_csv(files / "test.csv", index=False)
    whole = score_split(files, files, FOREST, seed=0).predictions.set_index(["model", "ID"])
    some = test.sample(12, random_state=1)
    some.to_csv(files / "test.csv", index=False)
    part = score_split(files, files, FOREST, seed=0).predictions
    assert part["ID"].tolist() == 2 * some["ID"].tolist()
    part = part.set_index(["model", "ID"])
    np.testing.assert_allclose(part[columns], whole.loc[part.index, columns], rtol=1e-9)
    assert whole["sigma_rt_log10"].nunique() > 10


def test_regressors_are_given_the_papers_as_groups(files, monkeypatch):
    fit, given = Replicated.fit, []

    def spy(self, x, y, is_upper_bound=None, groups=None):
        given.append((np.asarray(x).tobytes(), groups))
        return fit(self, x, y, is_upper_bound, groups)

    monkeypatch.setattr(Replicated, "fit", spy)
    score_split(files, files, FOREST, seed=0)
    table = read_table(files, "train")
    assert {x for x, _ in given} > {table.x.tobytes()}
    paper_of = {row.tobytes(): paper for row, paper in zip(table.x, table.papers, strict=True)}
    width = table.x.shape[1]
    for x, groups in given:
        papers = [paper_of[row.tobytes()] for row in np.frombuffer(x).reshape(-1, width)]
        pairs = set(zip(papers, groups, strict=True))
        assert len(pairs) == len(set(papers)) == len(set(groups)) < len(papers)


def test_the_interval_of_a_score_does_not_shrink_by_repeating_papers(files):
    test = _table(60).iloc[30:42]
    widths = []
    for times in (1, 9):
        pd.concat([test] * times).to_csv(files / "test.csv", index=False)
        scores = score_split(files, files, FOREST, seed=0).metrics
        row = scores.query("scheme == 'test' and metric == 'mae' and model == 'forest'").iloc[0]
        widths.append(row["high"] - row["low"])
    assert widths[1] > 0.8 * widths[0]


def test_held_out_rows_are_those_of_the_system_scheme(files):
    train = _table().iloc[:20]
    twice = [train, train.assign(**dict.fromkeys("abc", 9.0))]
    pd.concat(twice).to_csv(files / "train.csv", index=False)
    result = score_split(files, None, FOREST, seed=0)
    rows = result.predictions[result.predictions["model"] == "forest"]
    errors = rows["sigma_rt_log10"] - rows["measured"]
    errors = np.where(rows["is_upper_bound"], np.maximum(errors, 0), errors)
    mae = result.metrics.query("metric == 'mae' and model == 'forest'").set_index("scheme")["value"]
    assert np.abs(errors).mean() == pytest.approx(mae["grouped_system"])
    assert mae["random"] != pytest.approx(mae["grouped_system"])


def test_a_material_unlike_those_learned_from_is_outside(files):
    strange = _table(2).assign(**{"Reduced Composition": "UAs2", "True Composition": "U4As8"})
    test = pd.concat([_table().iloc[10:12], strange, _odd_rows().iloc[:1]])
    test.to_csv(files / "test.csv", index=False)
    rows = score_split(files, files, FOREST, seed=0).predictions
    rows = rows[rows["model"] == "forest"]
    assert rows["in_domain"].tolist()[:4] == [True, True, False, False]
    assert rows["distance"].isna().tolist() == rows["in_domain"].isna().tolist()
    assert rows["distance"].isna().tolist() == [False] * 4 + [True]


def test_one_best_regressor_is_marked_and_is_not_the_constant(files):
    rows = score_split(files, None, QUICK, seed=0).predictions
    best = rows.loc[rows["is_best"], "model"].unique()
    assert len(best) == 1
    assert best[0] in {"forest", "pls"}


def test_conductivities_are_read_with_their_bounds(tmp_path):
    table = _table(6)
    table[SIGMA] = ["<1E-10", "< 2e-8", "1.5e-4", ".001", "≤1e-8", "5."]
    table.to_csv(tmp_path / "a.csv", index=False)
    read = read_table(tmp_path / "a.csv", "train")
    expected = [-10, np.log10(2e-8), np.log10(1.5e-4), -3, -8, np.log10(5)]
    np.testing.assert_allclose(read.y, expected)
    assert read.is_upper_bound.tolist() == [True, True, False, False, True, False]
    assert read.unread == ()


@pytest.mark.parametrize("text", ["2 x 10-4", "2.0×10−4", "2x10^-4", "2E-4"])
def test_powers_of_ten_are_read_as_they_are_typed(tmp_path, text):
    table = _table(2).assign(**{SIGMA: text})
    table.to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_allclose(read_table(tmp_path / "a.csv", "train").y, np.log10(2e-4))


def test_what_cannot_be_read_is_counted_and_said(tmp_path):
    table = _table(8).astype(object)
    table[SIGMA] = [">1e-3", "~1e-5", "1e-4 mS/cm", "1e999", "0", "2 x 104", "", "1e-4"]
    table.loc[:1, "a"] = ["5.50(2)", "5.5 or so"]
    table.loc[2, "Space group #"] = 999
    table.to_csv(tmp_path / "a.csv", index=False)
    read = read_table(tmp_path / "a.csv", "train")
    assert np.isnan(read.y).tolist() == [True] * 7 + [False]
    assert read.x[0, COLUMNS.index("a_ang")] == 5.5
    assert [note.split(" cannot")[0] for note in read.unread] == [
        f"6 of column {SIGMA!r}",
        "1 of column 'Space group #'",
        "1 of column 'a'",
    ]


def test_rows_left_out_are_in_the_notes(files):
    train = pd.read_csv(files / "train.csv", dtype=str)
    train.loc[[1, 4], SIGMA] = [">1e-3", ""]
    train.to_csv(files / "train.csv", index=False)
    result = score_split(files, files, FOREST, seed=0)
    said = "; ".join(result.notes)
    assert "TRAIN: 2 rows without a value or a description are not learned" in said
    assert f"TRAIN: 1 of column {SIGMA!r} cannot be read, such as '>1e-3'" in said
    assert "TEST: 2 rows without a value are not scored" in said
    notes = result.metrics.set_index("scheme")["note"]
    assert notes["test"].str.contains("not scored").all()
    assert notes["grouped_paper"].str.contains("not learned").all()
    alone = score_split(files, None, FOREST, seed=0).predictions
    rows = alone.loc[alone["model"] == "forest", "row"].tolist()
    assert rows == [row for row in range(30) if row not in (1, 4)]
    assert train["ID"].iloc[rows].tolist() == alone.loc[alone["model"] == "forest", "ID"].tolist()


def test_the_cell_is_that_of_the_whole_contents(tmp_path):
    table = _table(2)
    table.loc[1, "True Composition"] = ""
    table.to_csv(tmp_path / "a.csv", index=False)
    x = read_table(tmp_path / "a.csv", "train").x

    n_atoms = x[:, COLUMNS.index("atoms_per_cell")]
    np.testing.assert_allclose(n_atoms, [2 * (1 + 1 + 4), 2 * (2 + 1 + 5)])


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", None])
def test_a_table_that_is_none_is_one_clear_line(tmp_path, content):
    if content is not None:
        (tmp_path / "train.csv").write_text(content)
    with pytest.raises(ModelError, match=r"train\.csv"):
        score_split(tmp_path, None, QUICK, seed=0)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(ModelError, match=r"train\.csv: there is no such file"):
        score_split(tmp_path, None, QUICK, seed=0)


def test_too_few_values_are_one_clear_line(tmp_path):
    _table(3).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(ModelError, match="4 are needed"):
        score_split(tmp_path, None, QUICK, seed=0)


def test_the_command_line_writes_both_tables(files):
    command = [sys.executable, "-m", "ionscout.models.regression.benchmark_split"]
    small = pd.read_csv(files / "train.csv").iloc[:12]
    small.to_csv(files / "small.csv", index=False)
    out = files / "out"
    done = subprocess.run(
        [*command, files / "small.csv", files, "--out", out, "--repeats", "1", "--names", "pls"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "best by grouped cross-validation" in done.stdout
    assert "Warning" not in done.stderr
    assert len(pd.read_csv(out / "predictions.csv")) == 2 * 20
    assert {"model", "metric", "value", "low", "high"} <= set(pd.read_csv(out / "metrics.csv"))
    done = subprocess.run(
        [*command, files / "nothing.csv"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        check=False,
    )
    assert done.returncode == 1
    assert "nothing.csv" in done.stderr
    assert "Traceback" not in done.stderr
