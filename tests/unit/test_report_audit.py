from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import Factory

from ionscout.report.figures_audit import ForcePanel, draw_forces
from ionscout.report.inputs import AUDIT_COLUMNS, load_tables
from ionscout.report.sections import show_results
from ionscout.report.sections_audit import audit_cell, show_audit


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return load_tables(Factory(tmp_path_factory.mktemp("campaign")).write())


def rows_of(table):
    rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    return {row["Material"].detail: row for row in rows}


def test_a_material_has_its_verdict_errors_and_reasons(tables):
    _, table, figure = show_audit(tables).blocks
    row = rows_of(table)["b-0"]
    assert (row["Verdict"].text, row["Verdict"].style) == ("doubtful", "answer unknown")
    assert (row["Snapshots"].text, row["Snapshots"].detail) == ("2 of 6", "800 K")
    assert (row["Softening factor"].text, row["Softening factor"].detail) == ("0.910", "± 0.0130")
    assert (row["Softening factor of lithium"].text, row["Cosine"].detail) == ("0.860", "")
    assert row["Reason"].text == "lithium's forces are 14% too weak; 2 of 6 snapshots: the budget"
    ET.fromstring(figure.svg)
    assert "dashed line" in figure.caption


def test_what_was_not_audited_says_why_and_is_not_drawn(tables):
    _, table, figure = show_audit(tables).blocks
    row = rows_of(table)["s-cand"]
    assert (row["Verdict"].text, row["Verdict"].style) == ("not audited", "")
    assert row["Snapshots"].text == row["Softening factor"].text == "–"
    assert row["Reason"].text == "40 atoms are more than the 36 of the budget"
    assert figure.svg.count("engine (eV/Å)") == 1


def test_the_verdict_stands_beside_the_conductivity(tables):
    table = next(
        block
        for block in show_results(tables, audit_cutoff_ev=500).blocks
        if getattr(block, "headings", None)
    )
    cells = [row["Forces, by the audit"] for row in rows_of(table).values()]
    assert ("doubtful", "softening 0.860") in {(cell.text, cell.detail) for cell in cells}


def test_no_audit_at_all_is_told(tables):
    nothing = pd.DataFrame(columns=AUDIT_COLUMNS)
    section = show_audit(tables.__class__(**{**vars(tables), "audits": nothing}))
    assert section.blocks[0].text == "No material reached the audit of its forces."
    assert audit_cell(np.nan).text == "–"
    assert audit_cell("believed").style == "answer pass"
    assert audit_cell("not_believed").style == "answer fail"


def test_the_lines_of_a_panel_are_where_they_are_said_to_be(monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "matplotlib.axes.Axes.plot",
        lambda self, x, y, *args, label=None, **kwargs: drawn.update({label: (x, y)}),
    )
    monkeypatch.setattr("matplotlib.figure.Figure.legend", lambda self, *args, **kwargs: None)
    scatter = {
        "gpaw_ev_ang": [1.0, -2.0, 0.5],
        "engine_ev_ang": [0.8, -1.6, 0.7],
        "is_lithium": [True, True, False],
    }
    draw_forces([ForcePanel("LiCl", scatter, 0.8), ForcePanel("none", scatter, None)])
    x, y = drawn["slope of lithium"]
    np.testing.assert_allclose(y, 0.8 * x)
    assert drawn["lithium"][0].tolist() == [1.0, -2.0]
    assert drawn["other atoms"][1].tolist() == [0.7]


@pytest.mark.parametrize(("expansion", "words"), [(None, "that of 0 K"), (0.02, "expanded first")])
def test_the_limits_say_whether_the_cells_expanded(tables, expansion, words):
    runs = tables.runs.assign(volume_expansion_fraction=expansion)
    limits = show_results(replace(tables, runs=runs), audit_cutoff_ev=500).blocks[-1]
    (told,) = (item for item in limits.items if item.startswith("Thermal expansion"))
    assert words in told
