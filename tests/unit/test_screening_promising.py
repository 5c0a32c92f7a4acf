"""The most promising candidates: their order, duplicates, variants and controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ionscout.screening.promising import most_promising, rank_candidates

ROWS = [
    # material_id, candidate, kept, probability, duplicate_of, vacancies
    ("a-good", True, True, 0.7, None, 0),
    ("b-best", True, True, 0.9, None, 0),
    ("c-twin-of-best", True, True, 0.9, "b-best", 0),
    ("d-refused", True, False, 0.99, None, 0),
    ("e-unknown", True, True, np.nan, None, 0),
    ("f-as-good", True, True, 0.7, None, 0),
    ("g-variant", True, True, 0.95, None, 1),
    ("h-twin-of-control", True, True, 0.8, "k-fast", 0),
    ("k-fast", False, True, 0.9, None, 0),
    ("k-slow", False, False, 0.1, None, 0),
]
CONTROLS = ["k-fast", "k-slow"]


@pytest.fixture
def manifest():
    return pd.DataFrame(
        [(row[0], row[1], row[4], row[5]) for row in ROWS],
        columns=["material_id", "candidate", "duplicate_of", "vacancies_per_cell"],
    ).assign(representative=1)


@pytest.fixture
def gates():
    return pd.DataFrame(
        [(row[0], row[2], row[3]) for row in ROWS],
        columns=["material_id", "kept", "mean_probability"],
    )


def test_the_best_come_first_and_the_controls_last(manifest, gates):
    assert most_promising(manifest, gates, CONTROLS, size=10) == [
        "b-best",
        "a-good",
        "f-as-good",
        "e-unknown",
        "k-fast",
        "k-slow",
    ]


def test_no_more_candidates_than_asked_for(manifest, gates):
    assert most_promising(manifest, gates, CONTROLS, size=1) == ["b-best", *CONTROLS]
    assert most_promising(manifest, gates.assign(kept=False), CONTROLS, size=3) == CONTROLS


def test_controls_are_named_once_and_only_where_they_are_known(manifest, gates):
    chosen = most_promising(manifest, gates, ["k-slow", "k-slow", "k-lost"], size=0)
    assert chosen == ["k-slow"]


def test_ranking_does_not_depend_on_the_order_of_rows(manifest, gates):
    table = manifest.merge(gates, on="material_id").set_index("material_id")
    ranked = list(rank_candidates(table).index)
    assert ranked[:2] == ["b-best", "c-twin-of-best"]
    assert list(rank_candidates(table[::-1]).index) == ranked
