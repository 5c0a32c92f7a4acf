from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_campaign import EmptyFactory, Factory

from ionscout.bundled.thermochemistry import load_thermochemistry
from ionscout.report import figures_stability as figures
from ionscout.report.blocks import Figure, Section, Table, Text
from ionscout.report.inputs import STABILITY_COLUMNS, Tables, load_tables
from ionscout.report.sections_stability import show_stability

ONE = {
    "formula": "Li10GeP2S12",
    "material_id": "m-1",
    "is_control": False,
    "window_reduction_v": 1.71,
    "window_oxidation_v": 2.14,
    "hull": "0.021",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Tables:
    return load_tables(Factory(tmp_path_factory.mktemp("campaign")).write())


def change(tables: Tables, material_id: str, **values) -> Tables:
    stability = tables.stability.astype(object)
    for column, value in values.items():
        stability.loc[stability["material_id"] == material_id, column] = value
    return replace(tables, stability=stability)


def show(tables: Tables) -> Section:
    return show_stability(tables, cathodes=["LiCoO2", "LiFePO4"], charge_voltage_v=4.2)


def find_unknown(section: Section) -> dict[tuple[str, ...], tuple[str, str]]:
    """What is unknown, and why, by materials."""
    found = find_table(section, "What is unknown")
    return {
        tuple(names.split(", ")): tuple(text for text, _ in row) for names, row in found.items()
    }


def find_table(section: Section, caption: str) -> dict[str, list[tuple[str, str]]]:
    """Cells of the table whose caption begins so, by material."""
    (table,) = (
        block
        for block in section.blocks
        if isinstance(block, Table) and block.caption.startswith(caption)
    )
    return {row[0].detail: [(cell.text, cell.detail) for cell in row[1:]] for row in table.rows}


def draw(*rows: dict) -> str:
    return figures.draw_windows(pd.DataFrame([ONE | row for row in rows]))


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if "text" in element.tag]


def potentials_of(svg: str, groups: str) -> list[tuple[float, float]]:
    """Where the paths of some groups begin and end, in V by the lines of the electrodes."""

    def ends(name: str) -> list[tuple[float, float]]:
        paths = re.findall(rf'<g id="{name}_\d+">\s*<path d="([^"]+)"', svg)
        xs = [[float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", path)] for path in paths]
        return [(min(x), max(x)) for x in xs if x]

    upright = [low for low, high in ends("line2d") if low == high]
    known_v = [potential_v for _, potential_v, _, _ in figures.ELECTRODES]
    slope, offset = np.polyfit(upright[: len(known_v)], known_v, 1)
    return [(slope * low + offset, slope * high + offset) for low, high in ends(groups)]


def test_bars_stand_between_the_limits():
    wide = {"window_reduction_v": 0.05, "window_oxidation_v": 6.36}
    bars = potentials_of(draw({}, wide), "patch")
    for limits_v in ((1.71, 2.14), (0.05, 6.36)):
        assert any(np.allclose(bar, limits_v, atol=0.01) for bar in bars)


def test_limits_and_electrodes_are_labelled():
    texts = texts_of(draw({}))
    assert {"1.71 to 2.14", "0.021", "Li₁₀GeP₂S₁₂", "m-1"} <= set(texts)
    assert {"Li metal 0", "graphite 0.1", "LiFePO₄ 3.45", "LiCoO₂ 3.9"} <= set(texts)
    assert {"LiNi₀.₈Mn₀.₁Co₀.₁O₂ 3.8", "LiNi₀.₅Mn₁.₅O₄ 4.7"} <= set(texts)


@pytest.mark.parametrize(
    "limits_v", [(np.nan, np.nan), (1.7, np.nan), (np.nan, 2.1), (2.14, 1.71), (None, None)]
)
def test_an_unknown_or_reversed_window_is_no_bar(limits_v):
    low_v, high_v = limits_v
    svg = draw({"window_reduction_v": low_v, "window_oxidation_v": high_v})
    assert "window unknown" in texts_of(svg)
    assert not re.search(r">\d\.\d\d to", svg)
    assert "url(#h" in svg
    assert "url(#h" not in draw({})


def test_a_window_without_width_says_so():
    svg = draw({"window_reduction_v": 1.2, "window_oxidation_v": 1.2})
    assert "1.20, no width" in texts_of(svg)
    assert "window unknown" not in texts_of(svg)


def test_the_level_is_named_with_what_its_energies_are(tables):
    section = show(tables)
    introduction = section.blocks[0].text
    assert "materials_project_2018 (Materials Project of June 2018" in introduction
    assert "energy of formation at 0 K" in introduction
    (figure,) = (block for block in section.blocks if isinstance(block, Figure))
    assert "on the level materials_project_2018;" in figure.caption
    assert "are drawn" not in figure.caption
    of_file = replace(tables, stability=tables.stability.assign(level="mine"))
    assert "one level of energies: the entries of mine." in show(of_file).blocks[0].text


def test_a_long_shortlist_is_cut_and_says_so(tables):
    n = figures.MAX_WINDOWS + 3
    shortlist = pd.DataFrame(
        {"material_id": [f"m-{i}" for i in range(n)], "formula": "LiCl", "role": "candidate"}
    )
    (figure,) = (
        block
        for block in show(replace(tables, shortlist=shortlist)).blocks
        if isinstance(block, Figure)
    )
    assert f"The first {figures.MAX_WINDOWS} of {n} are drawn." in figure.caption
    assert texts_of(figure.svg).count("LiCl") == figures.MAX_WINDOWS


def test_a_distance_says_where_it_is_from(tables):
    cells = {name: row[0] for name, row in find_table(show(tables), "Phases").items()}
    assert cells["s-cand"] == ("0.031 ± 0.028", "predicted by CHGNet, typical error")
    assert cells["b-0"] == ("0.000", "")
    assert cells["b-1"] == ("0.012", "as its database states, on another level")
    without = change(tables, "s-cand", hull_error_ev_atom=np.nan)
    assert find_table(show(without), "Phases")["s-cand"][0][0] == "0.031 ± ?"
    (figure,) = (block for block in show(tables).blocks if isinstance(block, Figure))
    assert {"0.031 ± 0.028", "0.012 (database)"} <= set(texts_of(figure.svg))


def test_phases_and_products_stand_by_their_limits(tables):
    phases = find_table(show(tables), "Phases")
    assert phases["s-cand"][1:] == [
        ("YCl₃ + 3 LiCl", ""),
        ("0.59", "Y + 6 LiCl"),
        ("4.21", "YCl₃ + 1.5 Cl₂"),
    ]
    assert phases["b-1"][1:] == [("–", ""), ("unknown", ""), ("unknown", "")]


def test_no_reaction_is_not_an_unknown_one(tables):
    reactions = find_table(show(tables), "Reactions")
    assert reactions["s-cand"] == [
        ("0.0712", "Y + 6 LiCl"),
        ("0.104", "LiCoO₂ (41 % of the atoms its own): 0.5 Co₃O₄ + 3 LiCl + YOCl"),
        ("0.251", ""),
        ("0.0182", "3 LiCl + 2 HCl + YOCl"),
    ]
    assert reactions["b-0"][0] == ("none", "")
    assert reactions["b-1"] == [("unknown", "")] * 4


@pytest.mark.parametrize(
    ("releases", "told"), [(True, "; gives off H₂S"), (False, ""), (None, "; H₂S unknown")]
)
def test_hydrogen_sulfide_is_told(tables, releases, told):
    section = show(change(tables, "s-cand", releases_h2s=releases))
    assert find_table(section, "Reactions")["s-cand"][3][1] == f"3 LiCl + 2 HCl + YOCl{told}"
    assert (("s-cand",) in find_unknown(section)) == (releases is None)


def test_what_is_unknown_has_its_reason(tables):
    ((materials, (what, why)),) = find_unknown(show(tables)).items()
    assert materials == ("b-1",)
    assert what.startswith("reduction limit, oxidation limit, reaction with lithium metal")
    assert why == "level materials_project_2018 has no entry of the element Xe"


def test_materials_with_one_reason_share_a_row(tables):
    told = {"cathode_reaction_ev_atom": np.nan, "charged_reaction_ev_atom": np.nan}
    reason = "cathode LiCoO2: the level has no energy of it"
    both = change(tables, "s-cand", **told, reason=f"s-cand: {reason}")
    both = change(both, "b-0", **told, reason=f"b-0: {reason}")
    unknown = find_unknown(show(both))
    assert set(unknown) == {("s-cand", "b-0"), ("b-1",)}
    what = "reaction with cathodes, reaction with charged cathodes"
    assert unknown["s-cand", "b-0"] == (what, reason)


def test_a_material_that_the_table_lacks_is_unknown(tables):
    without = replace(tables, stability=tables.stability[tables.stability["material_id"] != "b-0"])
    what, why = find_unknown(show(without))["b-0",]
    assert what.startswith("distance to the hull")
    assert why == "the table of stability lacks it"


def test_the_example_of_two_levels_is_that_of_the_bundled_tables(tables):
    for level, limit in (("experiment", "2.83 V"), ("materials_project_2018", "2.47 V")):
        table = load_thermochemistry(level)
        energy_ev_atom = table.loc[table["formula"] == "LiI", "formation_energy_ev_atom"].min()
        # Li + I -> LiI moves one lithium and forms two atoms.
        assert f"{-2 * energy_ev_atom:.2f} V" == limit
        assert limit in show(tables).blocks[0].text


def test_nothing_shortlisted_is_said(tmp_path):
    (text,) = show(load_tables(EmptyFactory(tmp_path).write())).blocks
    assert isinstance(text, Text)


def test_controls_have_a_colour_of_their_own(tables):
    colours = {True: "#009e73", False: "#0072b2"}
    for is_control, own in colours.items():
        assert own in draw({"is_control": is_control})
        assert colours[not is_control] not in draw({"is_control": is_control})
    s_cand = replace(tables, shortlist=tables.shortlist.query("material_id == 's-cand'"))
    (figure,) = (block for block in show(s_cand).blocks if isinstance(block, Figure))
    assert colours[False] in figure.svg


def test_equal_tables_give_equal_figures(tables):
    assert show(tables) == show(tables)


def test_the_planted_table_has_the_columns_of_the_stage(tables):
    assert list(tables.stability.columns) == list(STABILITY_COLUMNS)
