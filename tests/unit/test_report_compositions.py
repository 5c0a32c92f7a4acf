from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import Factory, make_settings

from ionscout.compositions import summary
from ionscout.compositions.summary import CompositionTables
from ionscout.errors import CampaignError
from ionscout.report import figures_compositions as figures
from ionscout.report.blocks import Details, Figure, Table, Text
from ionscout.report.inputs import ReportInputs, load_tables
from ionscout.report.page import render_page
from ionscout.report.sections_compositions import N_LISTED, show_compositions

TITLE = "Compositions</h2>"


def make_top(scope: str, n: int, distance: float = 0.5) -> pd.DataFrame:
    rows = [
        (
            *(scope, i, f"Li{i}PS4", "Li-P-S", 9.0 - 0.1 * i, 0.99, scope == "neutral"),
            *("Li+1 S-2", "Li3PS4", distance, 1e-4 if i % 2 else np.nan, False),
        )
        for i in range(1, n + 1)
    ]
    return pd.DataFrame(rows, columns=summary.TOP_COLUMNS)


def make_tables(**changed) -> CompositionTables:
    edges = np.linspace(-5, 5, 11)
    counts = 10 ** np.arange(10)
    systems = [
        ("Li-P-S", 9, "LiPS", 3.0, 4, "Li3PS4", 2.0, "Li3PS4", 0.0, 1e-4, False),
        ("Cs-Li-O", 9, "LiCsO", 5.0, 4, "LiCsO", 4.0, "Li2O", 3.0, np.nan, False),
        ("Ag-Li-Mg", 9, "LiAgMg", 1.0, 0, None, np.nan, None, np.nan, np.nan, None),
    ]
    percentiles = [
        ("LiPO3", True, -1.0, 0.27, True, 3.0, 4.0, 5.0, 6.0, np.nan, False),
        ("Li2MgO2", True, *[np.nan] * 2, False, *[np.nan] * 5, False),
        ("Li3PS4", False, 2.0, 0.88, True, 90.0, 91.0, 95.0, 96.0, 1e-4, False),
        ("LiCl", False, 0.0, 0.5, True, 50.0, 51.0, np.nan, np.nan, 1e-9, True),
    ]
    tables = CompositionTables(
        histogram=pd.DataFrame(
            {
                "low_log_odds": edges[:-1],
                "high_log_odds": edges[1:],
                "n_all": counts,
                "n_neutral": counts // 100,
            }
        ),
        top=make_top("neutral", 30),
        systems=pd.DataFrame(systems, columns=summary.SYSTEM_COLUMNS),
        elements=pd.DataFrame({"element": ["P", "S", "Eu"], "n_top": 1, "top_share": [0, 0.2, 1]}),
        percentiles=pd.DataFrame(percentiles, columns=summary.PERCENTILE_COLUMNS),
        counts={
            "model": "linear_svm", "n_elements": 75, "max_amount": 24,
            "n_total": 22_552_992_000, "n_multiples": 1_799_997_250, "n_reduced": 20_752_994_750,
            "n_ternary": 31_000_000, "n_quaternary": 20_721_994_750,
            "n_neutral": 110_686_416, "n_not_neutral": 20_642_308_334,
            "n_systems": 70_300, "n_systems_neutral": 29_449, "note": "",
        },
    )  # fmt: skip
    return replace(tables, **changed)


def blocks_of(tables: CompositionTables, kind: type) -> list:
    return [block for block in show_compositions(tables).blocks if isinstance(block, kind)]


def texts_of(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_the_numbers_are_there():
    text = blocks_of(make_tables(), Text)[0].text
    assert "20,752,994,750 compositions" in text
    assert "linear_svm" in text
    numbers = texts_of(blocks_of(make_tables(), Table)[0])
    assert ["compositions, each once", "20,752,994,750"] in numbers


def test_examples_and_measured_compounds_have_percentiles():
    examples = texts_of(blocks_of(make_tables(), Table)[1])
    assert examples[0] == ["LiPO₃", "−1.00", "3.00 to 4.00", "5.00 to 6.00", "–"]
    assert examples[1] == ["Li₂MgO₂", "–", "–", "–", "–"]
    measured = texts_of(blocks_of(make_tables(), Details)[0].table)
    assert [row[0] for row in measured] == ["Li₃PS₄", "LiCl"]
    assert measured[1][-1] == "< 1.00 × 10⁻⁹"


def test_the_best_are_listed_with_what_is_known_near_them():
    top = blocks_of(make_tables(), Table)[2]
    assert len(top.rows) == N_LISTED
    assert top.caption.endswith("the files list 30")
    assert top.rows[0][1].text == "Li₁PS₄"
    assert [(row[5].text, row[5].detail) for row in top.rows[:2]] == [
        ("Li₃PS₄", "σ 1.00 × 10⁻⁴ S/cm"),
        ("Li₃PS₄", ""),
    ]


@pytest.mark.parametrize(("distance", "tone"), [(0.5, "note"), (6.0, "warning")])
def test_extrapolation_is_named(distance, tone):
    tables = make_tables(top=make_top("neutral", 30, distance))
    (note,) = (block for block in blocks_of(tables, Text) if "extrapolation" in block.text)
    assert note.tone == tone


def test_systems_far_from_known_compounds_are_not_listed():
    systems = blocks_of(make_tables(), Table)[3]
    assert [row[0].text for row in systems.rows] == ["Li-P-S"]
    far = make_tables().systems.assign(nearest_distance=2.0)
    assert "No chemical system" in blocks_of(make_tables(systems=far), Text)[-1].text


def test_the_best_of_all_are_folded_away():
    both = pd.concat([make_top("neutral", 3), make_top("all", 4)])
    tables = make_tables(top=both)
    assert [len(block.table.rows) for block in blocks_of(tables, Details)] == [2, 4]
    assert len(blocks_of(tables, Table)[2].rows) == 3


def test_without_a_best_one_the_numbers_remain():
    tables = make_tables(
        top=make_top("neutral", 0), counts={**make_tables().counts, "note": "only 0 there"}
    )
    assert len(blocks_of(tables, Figure)) == 1
    assert any(block.text == "Only 0 there." for block in blocks_of(tables, Text))


def test_elements_are_drawn_in_their_fields():
    elements = make_tables().elements
    svg = figures.draw_elements(elements)
    for text in (">P<", ">Eu<", ">20 %<", ">100 %<", ">all<"):
        assert text in svg
    assert ">Th<" not in svg
    thorium = pd.DataFrame({"element": ["O", "Th"], "n_top": 0, "top_share": 0.0})
    assert ">Th<" in figures.draw_elements(thorium)


def test_many_bins_are_drawn_together():
    edges = np.linspace(0, 1, 100_001)
    histogram = pd.DataFrame(
        {"low_log_odds": edges[:-1], "high_log_odds": edges[1:], "n_all": 1, "n_neutral": 0}
    )
    svg = figures.draw_scores(histogram, pd.DataFrame({"formula": ["LiPO3"], "log_odds": [0.5]}))
    assert len(svg) < 100_000
    assert "LiPO₃" in svg


def test_equal_tables_give_equal_figures():
    one, two = ([b.svg for b in blocks_of(make_tables(), Figure)] for _ in range(2))
    assert one == two


def render(inputs: ReportInputs, settings: dict) -> str:
    return render_page(load_tables(inputs), campaign=settings, versions={})


def test_a_campaign_without_compositions_has_no_section(tmp_path):
    assert TITLE not in render(Factory(tmp_path).write(), make_settings())


def test_a_campaign_with_compositions_has_the_section(tmp_path):
    factory, tables = Factory(tmp_path), make_tables()
    factory.settings["compositions"]["enabled"] = True
    for name in ("histogram", "elements", "percentiles"):
        factory.save(getattr(tables, name), f"compositions/{name}.csv")
    for name in ("top", "systems"):
        factory.save(getattr(tables, name), f"compositions/{name}.parquet")
    factory.save_json(tables.counts, "compositions/summary.json")
    inputs = factory.write()
    assert TITLE in render(inputs, factory.settings)
    path = tmp_path / "compositions" / "elements.csv"
    path.write_text("element\nO\n")
    with pytest.raises(CampaignError, match=r"elements\.csv"):
        load_tables(inputs)
    path.unlink()
    with pytest.raises(CampaignError, match=r"elements\.csv is missing"):
        load_tables(inputs)
