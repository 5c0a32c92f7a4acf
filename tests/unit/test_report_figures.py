from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, linkage, to_tree

from ionscout.report import figures, figures_clusters
from ionscout.report.inputs import FUNNEL_COLUMNS


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if "text" in element.tag]


def make_funnel(*counts: tuple, **worth: list) -> pd.DataFrame:
    table = pd.DataFrame(counts, columns=FUNNEL_COLUMNS[:6]).reindex(columns=FUNNEL_COLUMNS)
    return table.assign(**worth)


@pytest.fixture
def tree():
    points = np.random.default_rng(3).normal(size=(90, 4))
    return linkage(points, "ward")


def test_sums_below_every_node_agree_with_a_walk_of_the_tree(tree):
    values = np.random.default_rng(4).integers(0, 5, (90, 2))
    sums = figures_clusters._sums_of_nodes(tree, values)
    first = figures_clusters._first_leaf_of_nodes(tree)
    for node in to_tree(tree, rd=True)[1]:
        leaves = node.pre_order()
        np.testing.assert_array_equal(sums[node.id], values[leaves].sum(axis=0))
        assert first[node.id] in leaves


def test_a_truncated_dendrogram_accounts_for_every_material(tree):
    fast, slow = np.arange(90) % 7 == 0, np.arange(90) % 5 == 1
    cluster = fcluster(tree, 5, "maxclust")
    texts = texts_of(figures_clusters.draw_dendrogram(tree, fast=fast, slow=slow, cluster=cluster))
    rows = {}
    for name in ("cluster", "materials", "▲ fast", "■ slow"):
        start = texts.index(name) + 1
        rows[name] = [int(text.replace("·", "0")) for text in texts[start : start + 36]]
    assert sum(rows["materials"]) == 90
    assert sum(rows["▲ fast"]) == fast.sum()
    assert sum(rows["■ slow"]) == slow.sum()
    by_cluster = pd.Series(rows["materials"]).groupby(rows["cluster"]).sum()
    assert by_cluster.to_dict() == pd.Series(cluster).value_counts().sort_index().to_dict()


def test_two_materials_make_a_dendrogram():
    ends = np.array([[0, 1, 0.5, 2]])
    one = np.array([True, False])
    svg = figures_clusters.draw_dendrogram(ends, fast=one, slow=~one, cluster=np.array([1, 2]))
    assert "materials" in texts_of(svg)


def test_the_funnel_tells_kept_unknowns_from_dropped_ones():
    svg = figures.draw_funnel(make_funnel(("hull", 10, 4, 1, 5, 9), ("band_gap", 9, 3, 2, 4, 3)))
    texts = texts_of(svg)
    assert {"9 of 10 kept", "3 of 9 kept", "band gap"} <= set(texts)
    root = ET.fromstring(svg)
    hatched = [e for e in root.iter() if "url(#h" in e.get("style", "") + e.get("fill", "")]
    # One bar and the legend's patch; the bar of the hull gate, empty, is drawn without a width.
    assert len(hatched) == 3


def test_enrichment_stands_beside_the_gates_with_its_interval():
    counts = ("hull", 10, 4, 1, 5, 9), ("band_gap", 9, 3, 2, 4, 3)
    worth = {
        "enrichment": [1.5, np.nan],
        "enrichment_low": [0.8, np.nan],
        "enrichment_high": [2.4, np.nan],
    }
    svg = figures.draw_funnel(make_funnel(*counts, **worth))
    texts = texts_of(svg)
    assert {"1.50", "unknown", "times a random draw"} <= set(texts)
    dashed, *_ = re.findall(r'<path d="M ([\d.]+) [\d.]+ \nL \1 [\d.]+ \n"[^>]*dasharray', svg)
    low, high = map(
        float, re.search(r"LineCollection.*?M ([\d.]+) .*?L ([\d.]+) ", svg, re.S).groups()
    )
    # 0.8 to 2.4 about the dashed line at 1.
    assert (high - float(dashed)) / (float(dashed) - low) == pytest.approx(7, rel=0.02)
    assert "times a random draw" not in texts_of(figures.draw_funnel(make_funnel(*counts)))


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(mpl.rcParams)
    figures.draw_funnel(make_funnel(("hull", 10, 4, 1, 5, 9)))
    assert dict(mpl.rcParams) == before
