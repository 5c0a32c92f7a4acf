"""Oxidation states from bond valences: pymatgen's `BVAnalyzer`, several times as fast.

Same data, same probabilities and same search (O'Keeffe and Brese 1991,
10.1021/ja00009a002); what is saved is one object a neighbour and the look-up of
sites by equality.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from pymatgen.analysis.bond_valence import BV_PARAMS, ELECTRONEG, ICSD_BV_DATA, PRIOR_PROB
from pymatgen.core import Element, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

_SYMMETRY_ANG = 0.1
_RADIUS_ANG = 4.0
_DISTANCE_SCALE = 1.015
_SOFTNESS_ANG = 0.31
_LEAST_LIKELY = 0.01
_MAX_TRIES = 2000


def find_bond_valences(structure: Structure) -> list[int] | None:
    """Find the likeliest neutral oxidation states of an ordered crystal's sites.

    Sites that symmetry makes equal have one state; those of an element differ by
    at most 1.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered, without oxidation states.

    Returns
    -------
    list of int, or None
        One state a site; None where no choice is neutral, or an element has no parameters.
    """
    if not set(structure.elements) <= set(BV_PARAMS):
        return None
    try:
        dataset = SpacegroupAnalyzer(structure, _SYMMETRY_ANG).get_symmetry_dataset()
    except ValueError:  # no symmetry within so wide a tolerance
        return None
    _, first, orbit_of = np.unique(dataset.equivalent_atoms, return_index=True, return_inverse=True)
    sums = _bond_valence_sums(structure, first)
    orbits = [
        _Orbit.of(structure[int(i)].specie, int((orbit_of == number).sum()), sums[number])
        for number, i in enumerate(first)
    ]
    if not all(orbit.states for orbit in orbits):
        return None
    order = sorted(range(len(orbits)), key=lambda number: -orbits[number].element.X)
    chosen = _Search([orbits[number] for number in order]).best
    if chosen is None:
        return None
    state_of = dict(zip(order, chosen, strict=True))
    return [int(state_of[number]) for number in orbit_of.tolist()]


class _Orbit(NamedTuple):
    """Sites that are equal by symmetry: their states, likeliest first, with probabilities."""

    element: Element
    n_sites: int
    states: list[tuple[int, float]]

    @classmethod
    def of(cls, element: Element, n_sites: int, bond_valence_sum: float) -> _Orbit:
        weights = {
            state: math.exp(-((bond_valence_sum - mean) ** 2) / 2 / width**2) / width * prior
            for state, mean, width, prior in _known_states(element.symbol)
        }
        total = sum(weights.values())
        shares = {state: weight / total if total else 0 for state, weight in weights.items()}
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        return cls(element, n_sites, [r for r in ranked if r[1] > _LEAST_LIKELY * ranked[0][1]])


class _Search:
    """Depth-first through the orbits' states; branches that cannot become neutral are cut."""

    def __init__(self, orbits: list[_Orbit]) -> None:
        self._orbits = orbits
        self._tries = 0
        self._best_score = 0.0
        self.best: list[int] | None = None
        self._rest_e = [(0, 0)]
        for orbit in reversed(orbits):
            low, high = self._rest_e[-1]
            charges_e = [orbit.n_sites * state for state, _ in orbit.states]
            self._rest_e.append((low + min(charges_e), high + max(charges_e)))
        self._rest_e.reverse()
        self._go_on([], 0, 1.0)

    def _go_on(self, chosen: list[int], charge_e: int, score: float) -> None:
        if self._tries > _MAX_TRIES:
            return
        low, high = self._rest_e[len(chosen)]
        if charge_e + high < 0 or charge_e + low > 0:
            self._tries += 1
        elif len(chosen) == len(self._orbits):
            self._tries += 1
            if score > self._best_score and self._is_even(chosen):
                self.best, self._best_score = chosen, score
        else:
            orbit = self._orbits[len(chosen)]
            for state, share in orbit.states:
                self._go_on([*chosen, state], charge_e + orbit.n_sites * state, score * share)

    def _is_even(self, chosen: list[int]) -> bool:
        """Whether the states of each element differ by at most 1."""
        extremes: dict[str, tuple[int, int]] = {}
        for orbit, state in zip(self._orbits, chosen, strict=True):
            low, high = extremes.get(orbit.element.symbol, (state, state))
            extremes[orbit.element.symbol] = min(low, state), max(high, state)
        return all(high - low <= 1 for low, high in extremes.values())


def _bond_valence_sums(structure: Structure, sites: np.ndarray) -> np.ndarray:
    """Sum the bond valences of some sites, signed by electronegativity."""
    centres, neighbours, _, distances_ang = structure.get_neighbor_list(
        _RADIUS_ANG, sites=[structure[int(i)] for i in sites]
    )
    elements = sorted(structure.elements)
    index = {element: i for i, element in enumerate(elements)}
    kinds = np.array([index[site.specie] for site in structure])
    lengths_ang, signs = np.array(
        [[_bond(one, other) for other in elements] for one in elements]
    ).transpose(2, 0, 1)
    pairs = kinds[sites[centres]], kinds[neighbours]
    valences = signs[pairs] * np.exp(
        (lengths_ang[pairs] - distances_ang * _DISTANCE_SCALE) / _SOFTNESS_ANG
    )
    return np.bincount(centres, weights=valences, minlength=len(sites))


@cache
def _bond(one: Element, other: Element) -> tuple[float, float]:
    """Length in angstrom of a bond of valence 1, and the sign that it adds to the first's sum."""
    if one == other or not (one in ELECTRONEG or other in ELECTRONEG):
        return 0.0, 0.0
    r1, c1 = BV_PARAMS[one]["r"], BV_PARAMS[one]["c"]
    r2, c2 = BV_PARAMS[other]["r"], BV_PARAMS[other]["c"]
    length_ang = r1 + r2 - r1 * r2 * (math.sqrt(c1) - math.sqrt(c2)) ** 2 / (c1 * r1 + c2 * r2)
    return length_ang, 1.0 if one.X < other.X else -1.0


@cache
def _known_states(symbol: str) -> list[tuple[int, float, float, float]]:
    """List the states of an element: state, mean and width of its sums, frequency."""
    return [
        (species.oxi_state, data["mean"], data["std"], PRIOR_PROB[species])
        for species, data in ICSD_BV_DATA.items()
        if species.symbol == symbol and species.oxi_state != 0 and data["std"] > 0
    ]
