from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import Factory

from ionscout.report import figures_regression as figures
from ionscout.report.blocks import Details, Figure, Table, Text
from ionscout.report.inputs import REGRESSION_METRIC_COLUMNS, ReportInputs, Tables, load_tables
from ionscout.report.sections_regression import show_regression


@pytest.fixture
def tables(tmp_path) -> Tables:
    return load_tables(Factory(tmp_path).write())


def blocks_of(tables: Tables, kind: type) -> list:
    section = show_regression(tables, fast_threshold_s_cm=1e-4, interval_level=0.9)
    return [block for block in section.blocks if isinstance(block, kind)]


def count_markers(svg: str) -> int:
    return sum(
        len(re.findall(r"<use ", group))
        for group in re.findall(r'<g id="PathCollection_\d+">.*?</g>\s*</g>', svg, re.DOTALL)
    )


def make_known(n: int) -> pd.DataFrame:
    values = np.linspace(-9, -2, n)
    return pd.DataFrame(
        {
            "model": "svr",
            "measured": values,
            "is_upper_bound": np.arange(n) % 3 == 0,
            "held_out": values + 1,
            "held_out_low": values - 2,
            "held_out_high": values + 4,
        }
    )


def test_scores_stand_beside_the_constant(tables):
    scores = blocks_of(tables, Table)[0]
    assert scores.headings == (
        "Regressor",
        "Mean absolute error, unseen chemical systems",
        "Distance from the known and error, rank correlation, unseen chemical systems",
    )
    assert [[cell.text for cell in row] for row in scores.rows] == [
        ["svr", "2.05 (2.75)", "0.440"],
        ["pls", "2.05 (2.75)", "0.440"],
    ]


def test_shortlisted_materials_have_predictions_with_intervals(tables):
    predictions = blocks_of(tables, Table)[-1]
    assert predictions.headings == ("Material", "svr", "pls", "Measured")
    rows = {row[0].detail: row for row in predictions.rows}
    assert set(rows) == {"s-cand", "b-0", "b-1"}
    # A measured one is that of the regressor that has not seen it.
    assert (rows["b-0"][1].text, rows["b-0"][1].detail) == ("−8.50", "−12.5 to −4.50")
    assert rows["b-0"][3].text == "−3.00"
    assert rows["b-1"][3].text == "< −9.00"
    assert rows["s-cand"][3].text == "–"


def test_a_fallback_is_in_brackets(tables):
    is_candidate = tables.regressions["material_id"] == "s-cand"
    tables.regressions.loc[is_candidate, "reason"] = "median of the training values; no volume"
    cells = {row[0].detail: row[1].text for row in blocks_of(tables, Table)[-1].rows}
    assert re.fullmatch(r"\(−\d\.\d\d\)", cells["s-cand"])
    assert cells["b-0"] == "−8.50"


def test_orderings_of_one_crystal_are_one_point(tables):
    before = blocks_of(tables, Figure)[0].svg
    twin = tables.regressions[tables.regressions["material_id"] == "b-0"]
    doubled = pd.concat([tables.regressions, twin.assign(material_id="b-0.r2")])
    tables = replace(tables, regressions=doubled)
    assert blocks_of(tables, Figure)[0].svg == before


def test_activation_energies_have_a_figure_of_their_own(tables):
    assert len(blocks_of(tables, Figure)) == 1
    energies = tables.regressions[tables.regressions["model"] == "pls"].assign(
        target="activation_energy_ev"
    )
    both = pd.concat([tables.regressions, energies], ignore_index=True)
    tables = replace(tables, regressions=both)
    labels = [figure.label for figure in blocks_of(tables, Figure)]
    assert labels == [
        "Predicted against measured log₁₀ σ (S/cm), a panel a regressor",
        "Predicted against measured activation energy (eV), a panel a regressor",
    ]


def test_too_few_labels_are_a_sentence(tables):
    tables.regression_metrics[["value", "low", "high"]] = np.nan
    tables.regression_metrics["note"] = "2 measured values of described materials; 4 are needed"
    tables.regressions[["value", "held_out"]] = np.nan
    assert [block.text for block in blocks_of(tables, Text)] == [
        "No conductivity could be predicted: 2 measured values of described materials;"
        " 4 are needed.",
        "No shortlisted material has a predicted conductivity.",
    ]
    assert not blocks_of(tables, Figure) + blocks_of(tables, Table)


def test_the_split_is_read_and_shown_where_there_is_one(tmp_path):
    factory = Factory(tmp_path)
    factory.write()
    factory.settings["regression"]["split"] = {"train": "somewhere", "test": None}
    rows = [
        (model, "sigma_rt_log10", scheme, "mae", error, 1.0, 2.0, 300, "")
        for model, error in (("svr", 1.4), ("constant", 2.1))
        for scheme in ("random", "grouped_paper")
    ]
    factory.save(
        pd.DataFrame(rows, columns=REGRESSION_METRIC_COLUMNS), "regression/split/metrics.csv"
    )
    found = ReportInputs.from_results(tmp_path, campaign=factory.settings)
    tables = load_tables(found)
    split = blocks_of(tables, Table)[-1]
    assert split.headings[1:] == (
        "Mean absolute error, at random",
        "Mean absolute error, unseen papers",
    )
    assert [cell.text for cell in split.rows[0]] == ["svr", "1.40 (2.10)", "1.40 (2.10)"]
    assert blocks_of(tables, Details)[-1].summary == "All scores of the split"


@pytest.mark.parametrize("n", [1, 9])
def test_values_are_circles_and_bounds_arrows(n):
    known = make_known(n)
    svg = figures.draw_regression(known, threshold=-4.0, unit="log σ")
    assert count_markers(svg) == n
    assert svg == figures.draw_regression(known, threshold=-4.0, unit="log σ")
