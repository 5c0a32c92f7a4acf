from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import Factory

from ionscout.report.blocks import Bullets, Details, Figure, Table, Text
from ionscout.report.descriptor_names import name_descriptor
from ionscout.report.inputs import COMPARISON_COLUMNS, Tables, load_tables
from ionscout.report.sections_explanation import (
    REST,
    average_attribution,
    show_explanations,
)
from ionscout.report.sections_models import show_models


@pytest.fixture
def tables(tmp_path) -> Tables:
    return load_tables(Factory(tmp_path).write())


def blocks_of(section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def models_of(tables: Tables, kind: type) -> list:
    return blocks_of(show_models(tables, fast_threshold_s_cm=1e-4), kind)


def explanations_of(tables: Tables, kind: type) -> list:
    return blocks_of(show_explanations(tables), kind)


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def without(tables: Tables, *names: str) -> Tables:
    return replace(tables, **{name: getattr(tables, name).head(0) for name in names})


def test_models_have_roc_calibration_and_learning_curves(tables):
    labels = [figure.label.split(",")[0] for figure in models_of(tables, Figure)]
    assert labels == [
        "Predicted probability against measured conductivity",
        "ROC curves",
        "Calibration",
        "Misclassification against materials learned from",
    ]
    roc, calibration, learning = models_of(tables, Figure)[1:]
    assert "logistic: –" in texts_of(roc.svg)  # it has no ROC-AUC of this cross-validation
    assert {"12", "8"} <= set(texts_of(calibration.svg))
    assert "sendek2017" not in texts_of(learning.svg)


def test_leave_one_out_curves_are_not_drawn(tables):
    tables.curves["series"] = "loo"
    assert len(models_of(tables, Figure)) == 1


def test_without_curves_there_are_no_figures_of_them(tables):
    assert len(models_of(without(tables, "curves"), Figure)) == 1


def test_models_are_compared_on_the_same_materials(tables):
    comparison = models_of(tables, Table)[-1]
    assert [row[0].text for row in comparison.rows] == [
        "the choice",
        "logistic",
        "constant baseline",
    ]
    assert "the same 22 materials" in comparison.caption


def test_why_models_were_not_compared_is_said(tables):
    comparison = pd.DataFrame([{"note": "all labels are slow"}], columns=COMPARISON_COLUMNS)
    tables = replace(tables, comparison=comparison)
    assert "The models were not compared: all labels are slow." in [
        block.text for block in models_of(tables, Text)
    ]


def test_one_class_is_explained_and_breaks_nothing(tables):
    tables.metrics[["value", "low", "high"]] = np.nan
    tables.metrics["note"] = "all 23 labels are slow"
    assert models_of(tables, Text)[0].text == "No score could be computed: all 23 labels are slow."
    assert not models_of(tables, Details) + models_of(tables, Bullets)


def test_average_attributions_add_up_over_models_that_read_other_columns():
    rows = [
        ("a", "one", "llb", 0.4),
        ("a", "one", "sbi", -0.2),
        ("a", "two", "sendek.llb", 0.2),
        ("a", "two", "elemental.row_max", 1.0),
        ("b", "one", "llb", 0.6),
        ("b", "one", "sbi", 0.1),
    ]
    table = pd.DataFrame(rows, columns=["material_id", "model", "column", "attribution"])
    averages = average_attribution(table).set_index(["material_id", "column"])
    assert averages.loc[("a", "row_max"), "attribution"] == pytest.approx(0.5)
    assert averages.loc[("a", "row_max"), "low"] == 0
    assert averages.loc[("a", "llb"), "attribution"] == pytest.approx(0.3)
    # The other model says nothing of b, so that it does not count there.
    assert averages.loc[("b", "llb"), "attribution"] == pytest.approx(0.6)
    assert averages.loc["a", "attribution"].sum() == pytest.approx(1.4 / 2)
    assert list(averages.loc["a"].index) == ["row_max", "llb", "sbi"]


def test_each_shortlisted_material_has_its_attribution_and_its_likes(tables):
    figure = explanations_of(tables, Figure)[0]
    texts = texts_of(figure.svg)
    assert {"Li₃YCl₆ (s-cand)", "Li₃N (b-0)", "LiCl (b-1)"} <= set(texts)
    assert "log-odds 0.100, of the mean material −0.400" in texts
    likes = explanations_of(tables, Table)[0]
    assert [row[0].text for row in likes.rows] == ["Li₃YCl₆", "Li₃N", "LiCl"]
    assert [cell.text for cell in likes.rows[0][1:]] == [
        *("Li₇P₃S₁₁", "1.00 × 10⁻³", "2 of 2", "0.500", "3"),
    ]


def test_small_attributions_are_put_together(tables):
    rows = tables.attribution[
        (tables.attribution["material_id"] == "b-0") & (tables.attribution["rank"] == 1)
    ]
    many = [rows.assign(column=f"column_{i}", attribution=0.1 * i) for i in range(1, 21)]
    figure = explanations_of(
        replace(tables, attribution=pd.concat(many, ignore_index=True)), Figure
    )[0]
    texts = texts_of(figure.svg)
    assert REST in texts
    assert len([text for text in texts if text.startswith("column ")]) == 8


def test_coefficients_stand_beside_the_published(tables):
    table = explanations_of(tables, Table)[1]
    assert "Published, standardised" in table.headings
    assert [(cell.text, cell.detail) for cell in table.rows[0]] == [
        *(("Li–Li bonds per Li", "llb"), ("0.184", ""), ("0.770", "")),
        ("0.200", "0.100 to 0.500"),
    ]


def test_the_domain_counts_the_candidates_outside(tables):
    table = explanations_of(tables, Table)[-1]
    cells = {row[0].text: [cell.text for cell in row] for row in table.rows}
    outside = np.arange(84)[24:] % 10 == 9
    assert cells["logistic"][-1] == f"{outside.sum()} of {outside.size}"
    assert cells["logistic"][1:5] == ["0.570", "0.310", "0.280", "0.220"]


def test_doubts_stand_beside_what_chance_would_give(tables):
    table = explanations_of(tables, Table)[-1]
    row = dict(zip(table.headings, table.rows[0], strict=True))
    assert row["Errors more uncertain (ROC-AUC)"].text == "0.570"
    assert row["Uncertainty and error, rank correlation"].text == "0.310"
    assert row["The same, labels shuffled"].text == "0.280"


def test_nothing_to_explain_is_a_sentence(tables):
    empty = without(tables, "attribution", "neighbours", "importance", "coefficients", "metrics")
    section = show_explanations(empty)
    assert [block.text for block in section.blocks] == [
        "No shortlisted material has a prediction that can be explained."
    ]


def test_descriptors_that_change_nothing_are_not_drawn(tables):
    svg = explanations_of(tables, Figure)[1].svg
    assert "Li–Li bonds per Li" in texts_of(svg)
    assert "ionicity of sublattice bonds" not in texts_of(svg)
    tables.importance[["low", "high"]] = 0.0
    assert len(explanations_of(tables, Figure)) == 1


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("lasd_ang", "Li–anion distance (Å)"),
        ("sendek.volume_per_atom_ang3", "volume per atom (Å³)"),
        ("elemental.atomic_radius_ang_max", "atomic radius, max (Å)"),
        ("first_ionization_energy_ev_mean", "first ionization energy, mean (eV)"),
        ("density_g_cm3", "density (g/cm³)"),
        ("li_li_corners", "Li Li corners"),
        ("electronegativity_pauling_min", "electronegativity, min"),
        ("x" * 60 + "_ang", "x" * 37 + "… (Å)"),
    ],
)
def test_descriptors_are_named_in_words(column, name):
    assert name_descriptor(column) == name
