from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

from ionscout.dynamics import neighbours
from ionscout.dynamics.engines.lennard_jones import LennardJones
from ionscout.dynamics.neighbours import PairList, find_overlap, find_pairs

SKEWED = np.array([[3.0, 0, 0], [1.4, 3.1, 0], [-1.2, 0.7, 3.3]])
CELLS = {"skewed": (4, SKEWED), "one atom": (1, SKEWED), "wide": (9, 9.0 * np.eye(3))}


def as_set(pairs) -> set:
    rows = zip(pairs.first, pairs.second, pairs.image.round().astype(int).tolist(), strict=True)
    return {(int(i), int(j), *image) for i, j, image in rows}


def walk(n_atoms: int, cell: np.ndarray, *, n_steps: int = 30, seed: int = 0):
    """Give positions of small steps, now and then a leap beyond any skin."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-5, 5, (n_atoms, 3))
    for step in range(n_steps):
        positions = positions + rng.normal(scale=0.03, size=positions.shape)
        if step % 10 == 9:
            positions[0] += 1.7
        yield positions


@pytest.fixture
def searches(monkeypatch):
    """Count the searches from scratch."""
    found = []

    def count(*arguments):
        found.append(arguments)
        return find_pairs(*arguments)

    monkeypatch.setattr(neighbours, "find_pairs", count)
    return found


@pytest.mark.parametrize("name", list(CELLS))
def test_a_kept_list_finds_all_pairs_of_each_step(name, searches):
    n_atoms, cell = CELLS[name]
    kept = PairList(4.0, 0.6)
    for positions in walk(n_atoms, cell):
        pairs = kept.find(positions, cell)
        assert as_set(pairs) == as_set(find_pairs(positions, cell, 4.0))
        assert len(as_set(pairs)) == len(pairs.first)
        lengths = np.linalg.norm(pairs.vectors_ang(positions, cell), axis=1)
        np.testing.assert_array_equal(lengths, pairs.distance_ang)
    assert len(searches) < 20


@pytest.mark.parametrize("name", list(CELLS))
def test_the_order_does_not_tell_when_the_list_was_made(name):
    n_atoms, cell = CELLS[name]
    kept = PairList(4.0, 0.6)
    for positions in walk(n_atoms, cell):
        ours, fresh = kept.find(positions, cell), PairList(4.0, 0.6).find(positions, cell)
        for column in ("first", "second", "image", "distance_ang"):
            np.testing.assert_array_equal(getattr(ours, column), getattr(fresh, column))


def test_the_list_is_made_anew_only_when_it_must(searches):
    positions, cell = np.array([[0.0, 0, 0], [4.5, 0, 0]]), 12 * np.eye(3)
    kept = PairList(4.0, 0.6)
    assert len(kept.find(positions, cell).first) == 0
    nearer = positions - [[0, 0, 0], [0.29, 0, 0]]
    kept.find(nearer, cell)
    assert len(searches) == 1
    assert len(kept.find(positions - [[0, 0, 0], [0.51, 0, 0]], cell).first) == 1
    assert len(searches) == 2
    kept.find(positions - [[0, 0, 0], [0.51, 0, 0]], 0.99 * cell)
    assert len(searches) == 3
    kept.find(positions[:1], 0.99 * cell)
    assert len(searches) == 4


def test_atoms_at_the_same_place_overlap():
    assert find_overlap(np.array([3, 8]), np.zeros((2, 3)), 9 * np.eye(3)) == 0


def test_lennard_jones_depends_on_the_positions_alone_to_the_bit():
    atoms = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    kept = LennardJones(atoms)
    moves = np.random.default_rng(6).normal(scale=0.04, size=(20, len(atoms), 3))
    for move in moves:
        atoms.positions += move
        kept.calculate(atoms)
        fresh = LennardJones(bulk("LiCl", "rocksalt", a=5.13, cubic=True))
        fresh.calculate(atoms)
        assert kept.results["energy"] == fresh.results["energy"]
        np.testing.assert_array_equal(kept.results["forces"], fresh.results["forces"])
