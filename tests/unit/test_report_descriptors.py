from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from ionscout.config import load_campaign
from ionscout.errors import CampaignError
from ionscout.report import figures_descriptors as figures
from ionscout.report import inputs
from ionscout.report.blocks import Figure, Section, Table, Text
from ionscout.report.inputs import ReportInputs, Tables
from ionscout.report.readers import read_features
from ionscout.report.sections_descriptors import choose_extremes, show_descriptors
from ionscout.report.sections_dynamics import collect_failures

FAST_S_CM = 1e-4
N_KNOWN, N_MATERIALS = 8, 40


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if "text" in element.tag]


def make_features(columns: list[str], *, seed: int, ids: list[str]) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(len(ids), len(columns)))
    index = pd.Index(ids, name="material_id")
    return pd.DataFrame(values, columns=columns, index=index).assign(reason="")


@pytest.fixture
def tables() -> Tables:
    ids = [f"m-{i}" for i in range(N_MATERIALS)]
    features = {
        "sendek": make_features(["llb", "sbi", "afc"], seed=1, ids=ids),
        "elemental": make_features(["row_mean", "group_mean"], seed=2, ids=ids),
        "mxrd": make_features([f"two_theta_{i}.05" for i in range(20)], seed=3, ids=ids),
    }
    manifest = pd.DataFrame(
        {"material_id": ids, "reduced_formula": [f"Li{i + 2}X" for i in range(N_MATERIALS)]}
    ).assign(was_disordered=False)
    labels = pd.DataFrame(
        {
            "material_id": ids[:N_KNOWN],
            "sigma_rt_s_cm": np.geomspace(1e-9, 1e-2, N_KNOWN),
            "is_upper_bound": [True, *[False] * (N_KNOWN - 1)],
            "temperature_k": 298.0,
        }
    )
    shortlist = pd.DataFrame({"material_id": ["m-1", "m-30"], "formula": ["Li3X", "Li32X"]})
    clusters = {"ward": pd.DataFrame({"material_id": ids, "cluster": np.arange(N_MATERIALS) % 3})}
    rest = dict.fromkeys([field.name for field in dataclasses.fields(Tables)])
    return Tables(
        **rest
        | {"features": features, "candidates": {}, "manifest": manifest, "labels": labels}
        | {"shortlist": shortlist, "clusters": clusters}
    )


def show(tables: Tables) -> Section:
    return show_descriptors(tables, fast_threshold_s_cm=FAST_S_CM)


def figures_of(section: Section) -> list[Figure]:
    return [block for block in section.blocks if isinstance(block, Figure)]


def tables_of(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def replace(tables: Tables, **changes: object) -> Tables:
    return dataclasses.replace(tables, **changes)


def test_the_patterns_are_those_of_the_extremes_that_have_one_and_are_no_bounds(tables):
    tables.features["mxrd"].loc["m-7", "two_theta_3.05"] = np.nan
    texts = " ".join(texts_of(figures_of(show(tables))[0].svg))
    assert "Li₈X (fast), σ = 1.00 × 10⁻³ S/cm" in texts
    assert "Li₃X (slow), σ = 1.00 × 10⁻⁸ S/cm" in texts
    assert texts.index("m-6") < texts.index("m-1")


def test_an_ordering_of_a_disordered_crystal_is_said_to_be_one(tables):
    tables.manifest.loc[N_KNOWN - 1, "was_disordered"] = True
    assert "m-7, one ordering of a disordered crystal" in texts_of(figures_of(show(tables))[0].svg)


def test_of_equal_conductors_the_first_by_name_is_chosen():
    labels = pd.DataFrame(
        {
            "material_id": ["d", "b", "c", "a"],
            "sigma_rt_s_cm": [1e-3, 1e-3, 1e-8, 1e-8],
            "is_upper_bound": False,
        }
    )
    chosen = choose_extremes(labels, pd.Index(["a", "b", "c", "d"]))
    assert list(chosen["material_id"]) == ["b", "a"]
    assert choose_extremes(labels, pd.Index(["a", "c"])).empty


def test_the_map_has_a_panel_a_space_and_names_the_shortlisted(tables):
    figure = figures_of(show(tables))[1]
    texts = texts_of(figure.svg)
    assert {"sendek and elemental, standardised", "mxrd"} <= set(texts)
    assert texts.count("Li₃X") == texts.count("Li₃₂X") == 2
    assert sum("% of the variance" in text for text in texts) == 4
    assert {"0", "1", "2"} <= set(texts)
    assert "the clusters of ward" in figure.caption


def test_materials_with_missing_values_are_left_out_and_counted(tables):
    tables.features["sendek"].loc[["m-3", "m-4"], "llb"] = np.nan
    tables.features["elemental"].loc["m-4", "row_mean"] = np.nan
    tables.features["elemental"].loc[:"m-30", "group_mean"] = np.nan
    caption = figures_of(show(tables))[1].caption
    assert "sendek and elemental: 38 materials, 2 left out, without 1 columns" in caption
    assert "mxrd: 40 materials, 0 left out." in caption


def test_columns_that_do_not_vary_make_no_map(tables):
    features = {"elemental": tables.features["elemental"].assign(row_mean=1.0, group_mean=2.0)}
    texts = [block.text for block in show(replace(tables, features=features)).blocks[1:]]
    assert len(texts) == 1
    assert "No map of the materials: elemental: 40 materials, 0 left out, too few or" in texts[0]


def test_a_campaign_without_these_sets_shows_its_table_alone(tables):
    features = {"structural": tables.features["sendek"]}
    section = show(replace(tables, features=features))
    assert [type(block) for block in section.blocks] == [Table, Text]


def test_standardising_takes_units_out_of_the_map(tables):
    before = figures_of(show(tables))[1].svg
    tables.features["sendek"]["llb"] *= 1e6
    assert figures_of(show(tables))[1].svg == before


def test_the_table_of_sets_counts_and_explains(tables):
    tables.features["sendek"].loc[["m-1", "m-2", "m-3"], "llb"] = np.nan
    tables.features["sendek"].loc[["m-1", "m-2", "m-3"], "reason"] = ["no bond", "no bond", "no Li"]
    rows = {row[0].text: [cell.text for cell in row] for row in tables_of(show(tables))[0].rows}
    assert rows["sendek"][1] == "3"
    assert "10.1039/C6EE02697D" in rows["sendek"][2]
    assert rows["sendek"][3:] == ["37", "3", "2 × no bond; 1 × no Li"]
    assert rows["mxrd"][3:] == ["40", "0", ""]


def test_candidates_have_a_table_with_units_and_reasons(tables):
    table = pd.DataFrame(
        {"formula": ["LiX", "LiY"], "barrier_1d_ev": [0.31, np.nan], "dimensionality": [3, np.nan],
         "reason": ["", "no parameters of Y"]},
        index=pd.Index(["a", "b"], name="material_id"),
    )  # fmt: skip
    shown = tables_of(show(replace(tables, candidates={"bond_valence": table})))[1]
    assert shown.headings == (
        *("Material", "barrier 1d (eV)", "dimensionality", "What is missing"),
    )
    cells = [[cell.text for cell in row] for row in shown.rows]
    assert cells == [["LiX", "0.310", "3", ""], ["LiY", "–", "–", "no parameters of Y"]]
    assert "no activation energies" in shown.caption


def test_wide_sets_are_counted_and_not_shown(tables):
    table = make_features([f"embedding_{i}" for i in range(64)], seed=4, ids=["a"])
    candidates = {"structural": table.assign(formula="LiX")}
    shown = tables_of(show(replace(tables, candidates=candidates)))[1]
    assert [cell.text for cell in shown.rows[0]] == ["LiX", "64", ""]


def test_no_candidates_are_said_to_be_none(tables):
    empty = pd.DataFrame(columns=["formula", "reason"])
    section = show(replace(tables, candidates={"bond_valence": empty}))
    assert "None was described" in section.blocks[-1].text


def test_a_cloud_of_many_points_is_a_bitmap():
    def draw(n: int) -> str:
        points = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 2)), columns=["x", "y"])
        points = points.assign(speed="", name="", cluster=np.nan)
        return figures.draw_maps([figures.MapPanel("a", points, (0.5, 0.1))])

    assert "<image" not in draw(500)
    assert "<image" in draw(20_000)
    assert len(draw(20_000)) < 500_000


@pytest.mark.parametrize("heights", [[], [0.5], [0.1, 0.1, 0.1], [0.9, 0.99, 1.0], [0.5] * 40])
def test_names_keep_apart_and_stay_inside(heights):
    found = figures._spread_out(np.array(heights))
    assert len(found) == len(heights)
    gap = min(0.055, 0.96 / max(1, len(heights)))
    assert (np.diff(found) >= gap - 1e-12).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_candidates_are_named_by_the_settings_and_read(tmp_path):
    campaign = load_campaign(
        {
            "campaign": "demo",
            "structures": {"sources": {"bundled": {"kind": "bundled"}}},
            "features": {"sets_after_gates": ["bond_valence"]},
        }
    ).model_dump()
    (tmp_path / "screening").mkdir()
    pd.DataFrame(columns=inputs.SHORTLIST_COLUMNS).to_csv(tmp_path / "screening" / "shortlist.csv")
    found = ReportInputs.from_results(tmp_path, campaign=campaign).candidates
    path = tmp_path / "features" / "bond_valence" / "candidates.parquet"
    assert found == {"bond_valence": path}
    path.parent.mkdir(parents=True)
    pd.DataFrame({"material_id": ["a"], "reason": ["x"]}).to_parquet(path)
    with pytest.raises(CampaignError, match=r"candidates\.parquet has no column 'formula'"):
        read_features(path, "formula")


def test_candidates_without_a_value_are_among_the_failures(tables):
    candidate = pd.DataFrame(
        {"formula": ["LiX"], "barrier_1d_ev": [np.nan], "reason": ["no parameters"]},
        index=pd.Index(["a"], name="material_id"),
    )
    empty = {
        "failures": pd.DataFrame(columns=inputs.FAILURE_COLUMNS),
        "predictions": pd.DataFrame(columns=["model", *inputs.PREDICTION_COLUMNS]),
        "cells": pd.DataFrame(columns=inputs.CELL_COLUMNS),
        "runs": pd.DataFrame(columns=inputs.RUN_COLUMNS),
    }
    failures = collect_failures(replace(tables, candidates={"bond_valence": candidate}, **empty))
    assert failures[["material_id", "stage"]].to_numpy().tolist() == [
        ["a", "features bond_valence"]
    ]
