from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import EmptyFactory, Factory, make_settings

from ionscout.config import GateSettings
from ionscout.report.blocks import Figure, Section, Table, Text
from ionscout.report.inputs import Tables, load_tables
from ionscout.report.sections import show_ranking
from ionscout.report.sections_funnel import show_funnel
from ionscout.screening.funnel import FUNNEL_COLUMNS, count_funnel

WEIGHTS = make_settings()["screening"]["ranking"]
WORTH = FUNNEL_COLUMNS[FUNNEL_COLUMNS.index("precision") :]


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Tables:
    return load_tables(Factory(tmp_path_factory.mktemp("campaign")).write())


def find_table(section: Section, caption: str) -> Table:
    (table,) = (
        block
        for block in section.blocks
        if isinstance(block, Table) and block.caption.startswith(caption)
    )
    return table


def texts_of(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_every_candidate_is_accounted_for(tables):
    table = find_table(show_funnel(tables), "Candidates")
    assert table.headings == ("Gate", "In", "Pass", "Fail", "Unknown", "Out")
    assert texts_of(table)[1] == ["hull", "45", "10", "5", "30", "40"]


def test_known_conductors_are_kept_and_lost_beside_a_random_draw(tables):
    *_, row = find_table(show_funnel(tables), "Known conductors").rows
    assert [(cell.text, cell.detail) for cell in row] == [
        ("band gap", ""),
        ("7 of 8", "1 lost"),
        ("6 of 12", "6 lost"),
        ("0.538", "0.251 to 0.808"),
        ("0.875", "0.473 to 0.997"),
        ("1.61", "0.989 to 1.84"),
        ("4.33", "2 to 7"),
        ("0.0270", ""),
    ]


def test_what_is_not_known_of_a_gate_is_a_dash(tables):
    funnel = tables.funnel.copy()
    funnel.loc[2, WORTH] = np.nan
    *_, row = find_table(show_funnel(replace(tables, funnel=funnel)), "Known conductors").rows
    assert [cell.text for cell in row[3:]] == ["–"] * 5
    assert not any(cell.detail for cell in row[3:])


def test_without_known_conductors_nothing_tells_what_a_gate_is_worth(tables):
    funnel = tables.funnel.copy()
    known = [name for name in FUNNEL_COLUMNS if name.startswith("known_")]
    funnel[known], funnel[WORTH] = 0, np.nan
    section = show_funnel(replace(tables, funnel=funnel))
    assert section.blocks[-1] == Text(
        "No material with a measured conductivity: nothing tells what a gate is worth."
    )
    (figure,) = (block for block in section.blocks if isinstance(block, Figure))
    assert "times a random draw" not in figure.svg
    (drawn,) = (block for block in show_funnel(tables).blocks if isinstance(block, Figure))
    assert "times a random draw" in drawn.svg


def test_the_stage_s_own_table_is_shown(tables):
    settings = GateSettings()
    gates = pd.DataFrame({"material_id": [f"m-{i}" for i in range(9)]})
    for name in GateSettings.model_fields:
        gates[name] = ["pass"] * 6 + ["fail", "unknown", "fail"]
    manifest = gates[["material_id"]].assign(
        candidate=True, representative=1, duplicate_of=None, vacancies_per_cell=0
    )
    labels = pd.DataFrame(
        {
            "material_id": [f"m-{i}" for i in (0, 1, 2, 6, 8)],
            "sigma_rt_s_cm": [1e-2, 1e-3, 1e-9, 1e-3, 1e-9],
            "is_upper_bound": False,
        }
    )
    funnel = count_funnel(gates, manifest, labels, settings, fast_threshold_s_cm=1e-4)
    section = show_funnel(replace(tables, funnel=funnel))
    first = find_table(section, "Known conductors").rows[0]
    # Of 3 fast and 2 slow, one of each is turned away: 2 of 3 are fast, over 3 of 5.
    assert [first[1].text, first[2].text, first[5].text, first[6].text] == [
        *("2 of 3", "1 of 2"),
        *("1.11", "1.80"),
    ]
    assert len(find_table(section, "Candidates").rows) == len(funnel)


def test_the_score_is_shown_in_its_parts_with_their_weights(tables):
    table = find_table(show_ranking(tables, weights=WEIGHTS), "What the score")
    assert table.headings[2:5] == (
        "Score",
        "Mean probability of being fast (× 1)",
        "Share of fast ones in its clusters (× 0.25)",
    )
    first, _, last = texts_of(table)
    assert first[2:] == ["0.620", "0.910", "0.330", "0.500", "0.148", "–"]
    assert last[-2:] == ["–", "0.440"]


def test_a_shortlist_without_a_ranking_is_shown_all_the_same(tables):
    unjudged = replace(tables, gates=tables.gates.assign(mean_probability=np.nan))
    section = show_ranking(unjudged, weights=WEIGHTS)
    assert "nothing to rank" in section.blocks[0].text
    assert len(find_table(section, "The shortlist").rows) == 3


def test_an_empty_funnel_is_said(tmp_path):
    empty = load_tables(EmptyFactory(tmp_path).write())
    assert show_funnel(empty).blocks == (Text("No candidate entered the funnel."),)
    assert show_ranking(empty, weights=WEIGHTS).blocks[-1] == Text("The shortlist is empty.")
