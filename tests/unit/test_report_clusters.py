from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from report_campaign import Factory

from ionscout.models.clusters.enrichment import ENRICHMENT_COLUMNS
from ionscout.report import figures_clusters as figures
from ionscout.report.blocks import Details, Figure, Table, Text
from ionscout.report.inputs import Tables, load_tables
from ionscout.report.sections_clusters import show_clusters

FAST_S_CM = 1e-4


@pytest.fixture
def tables(tmp_path) -> Tables:
    return load_tables(Factory(tmp_path).write())


def blocks_of(tables: Tables, kind: type) -> list:
    section = show_clusters(tables, fast_threshold_s_cm=FAST_S_CM)
    return [block for block in section.blocks if isinstance(block, kind)]


def make_enrichment(n_clusters: int, p_value: float = 1.0) -> pd.DataFrame:
    rows = [(i, 10 * i, i, i // 2, 0.5, 0.4, 0.1, p_value, False) for i in range(1, n_clusters + 1)]
    return pd.DataFrame(rows, columns=ENRICHMENT_COLUMNS)


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_every_clustering_has_its_bars_and_only_ward_its_tree(tables):
    enrichment, *trees = blocks_of(tables, Figure)
    assert {"ward", "spectral"} <= set(texts_of(enrichment.svg))
    assert [figure.label for figure in trees] == ["Dendrogram of the clustering ward"]
    assert [block.summary for block in blocks_of(tables, Details)] == [
        "Enrichment in the clusters of ward, in numbers",
        "Enrichment in the clusters of spectral, in numbers",
    ]


def test_it_is_said_when_no_cluster_stands_out_and_which_do(tables):
    assert "No cluster holds significantly more" in blocks_of(tables, Text)[0].text
    tables.enrichments["spectral"].loc[2, "p_value_corrected"] = 0.01
    text = blocks_of(tables, Text)[0].text
    assert "are in the clusters spectral 3." in text
    assert "overstate significance" in text


def test_the_summary_sets_the_variance_beside_chance(tables):
    summary = blocks_of(tables, Table)[0]
    assert len(summary.rows) == 2
    assert (summary.rows[0][-1].text, summary.rows[0][-1].detail) == (
        "0.900",
        "by chance 0.850 to 1.10",
    )


def test_the_agreement_is_symmetric_and_empty_on_the_diagonal(tables):
    agreement = blocks_of(tables, Table)[1]
    cells = [[cell.text for cell in row[1:]] for row in agreement.rows]
    assert cells == [["", "0.590"], ["0.590", ""]]


def test_a_crystal_of_many_orderings_counts_once_in_the_dendrogram(tables):
    def counted(name):
        svg = blocks_of(tables, Figure)[1].svg
        texts = texts_of(svg)
        start = texts.index(name) + 1
        return sum(int(text.replace("·", "0")) for text in texts[start : start + 36])

    before = counted("▲ fast")
    extra = tables.labels[tables.labels["material_id"] == "b-0"].assign(material_id="s-58")
    assert tables.manifest.set_index("material_id").loc["s-58", "duplicate_of"] == "b-0"
    tables.labels.loc[len(tables.labels)] = extra.iloc[0]
    assert counted("▲ fast") == before


def test_numbers_of_clusters_are_shown_only_where_there_was_a_choice(tables):
    shown = "How the number of clusters was chosen"
    assert shown not in [block.summary for block in blocks_of(tables, Details)]
    tables.cluster_numbers.loc[len(tables.cluster_numbers)] = {
        **tables.cluster_numbers.iloc[0].to_dict(),
        "n_clusters": 5,
        "is_chosen": False,
    }
    assert shown in [block.summary for block in blocks_of(tables, Details)]


def test_unlabelled_clusters_are_a_sentence(tables):
    for table in tables.enrichments.values():
        table[["n_labelled", "n_fast"]] = 0
        table["p_value_corrected"] = np.nan
    assert "No clustered material has a measured conductivity." in [
        block.text for block in blocks_of(tables, Text)
    ]


def test_small_p_values_carry_a_star_and_missing_ones_are_left_out():
    table = make_enrichment(3, p_value=0.03)
    table.loc[0, "p_value_corrected"] = np.nan
    texts = texts_of(figures.draw_enrichment({"ward": table}))
    assert {"of 10", "of 20, p = 0.03 *", "of 30, p = 0.03 *"} <= set(texts)


def test_of_many_clusters_those_with_most_labels_are_drawn():
    texts = texts_of(figures.draw_enrichment({"ward": make_enrichment(60)}))
    drawn = [int(text.split(",")[0].removeprefix("of ")) for text in texts if text[:3] == "of "]
    assert drawn == [10 * i for i in range(60 - figures.MAX_BARS + 1, 61)]


def test_equal_tables_give_equal_bytes():
    tables = {"ward": make_enrichment(5), "spectral": make_enrichment(7)}
    assert figures.draw_enrichment(tables) == figures.draw_enrichment(tables)
