"""Charge neutrality with known oxidation states and the order of electronegativities.

The rules of SMACT (Davies et al., J. Open Source Softw. 4, 1361 (2019), doi 10.21105/joss.01361):
a composition is neutral if there is one oxidation state for each element, of those that the
element is known to have, with which the charges add up to zero, and every element with a
positive one is less electronegative (Pauling) than every one with a negative. All atoms of an
element have the same state, so that compounds of mixed valence, such as LiMn2O4, are not neutral.
"""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from pymatgen.core import Element

from ionscout.compositions._icsd_states import ICSD_ENTRIES
from ionscout.compositions._neutral import solve_classes
from ionscout.compositions.space import CompositionSpace, list_coprime
from ionscout.errors import CompositionError

LEAST_ENTRIES = 6
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class OxidationRules:
    """Which oxidation states count as known, and the electronegativities of a space's elements.

    States are those with more than five entries in the ICSD, as in SMACT, and at least a share
    of the element's entries: without it nitrogen is known from -5 to +5, and more than ten times
    as many compositions are neutral. Electronegativities are pymatgen's; SMACT has others for
    Au, Bi, Hg, Lu, Pb, Pt, Tb, Tl and W.

    Attributes
    ----------
    space : CompositionSpace
    least_share : float
        Least share of the element's ICSD entries; 0 for SMACT's default states.

    Raises
    ------
    CompositionError
        If an element has no known state or no electronegativity.
    """

    space: CompositionSpace
    least_share: float = LEAST_SHARE

    def __post_init__(self):
        known = zip(self.space.symbols, self.states, self.electronegativities, strict=True)
        for symbol, states, chi in known:
            if not states:
                raise CompositionError(_explain_no_state(symbol, self.least_share))
            if math.isnan(chi):
                raise CompositionError(
                    f"{symbol} has no electronegativity: leave it out of the elements"
                )

    @cached_property
    def states(self) -> tuple[tuple[int, ...], ...]:
        """Known oxidation states by element number, rising."""
        return tuple(_known_states(symbol, self.least_share) for symbol in self.space.symbols)

    @cached_property
    def electronegativities(self) -> tuple[float, ...]:
        """Pauling electronegativity by element number, NaN where pymatgen has none."""
        return tuple(
            float(Element(symbol).data.get("X") or math.nan) for symbol in self.space.symbols
        )

    def find_states(self, amounts: dict[str, int]) -> list[dict[str, int]]:
        """Find the oxidation states that make a composition neutral.

        Parameters
        ----------
        amounts : dict of str to int
            Amount by symbol, of elements of the space.

        Returns
        -------
        list of dict of str to int
            All choices of a state by symbol, those of the most ICSD entries first; empty
            for a composition that is not neutral.
        """
        choices = self._choices.get(tuple(amounts))
        if choices is None:
            choices = self._choices[tuple(amounts)] = self._list_choices(tuple(amounts))
        n = tuple(amounts.values())
        return [
            dict(zip(amounts, charges, strict=True))
            for charges in choices
            if sum(map(operator.mul, n, charges)) == 0
        ]

    def group(self, pairs: np.ndarray) -> ChargeGroups:
        """Group the systems of some pairs by the charges that their elements can have.

        Parameters
        ----------
        pairs : array of int, shape (n_pairs, 2)
            Element numbers (y, z), as `CompositionSpace.pairs` has them.

        Returns
        -------
        ChargeGroups
            Without the systems that cannot be neutral.
        """
        systems, charges = self._allowed_charges(pairs)
        classes, class_of = np.unique(charges, axis=0, return_inverse=True)
        starts = np.flatnonzero(np.any(np.diff(systems, axis=0, prepend=-1), axis=1))
        groups: dict[bytes, list[int]] = {}
        for first, members in zip(starts, np.split(class_of.ravel(), starts)[1:], strict=True):
            groups.setdefault(np.sort(members).tobytes(), []).append(first)
        class_sets = [np.frombuffer(key, dtype=class_of.dtype) for key in groups]
        return ChargeGroups(
            classes=classes,
            class_rows=_concatenate(class_sets),
            class_ends=np.cumsum([len(rows) for rows in class_sets], dtype=np.int64),
            systems=systems[np.array([row for rows in groups.values() for row in rows], dtype=int)],
            system_ends=np.cumsum([len(rows) for rows in groups.values()], dtype=np.int64),
        )

    @cached_property
    def _choices(self) -> dict[tuple[str, ...], list[tuple[int, ...]]]:
        """Choices of states by elements, as far as they were asked for."""
        return {}

    def _list_choices(self, symbols: tuple[str, ...]) -> list[tuple[int, ...]]:
        """List choices of states that are in the order of electronegativity, common ones first."""
        numbers = [self.space.symbols.index(symbol) for symbol in symbols]
        chi = [self.electronegativities[number] for number in numbers]
        choices = []
        for charges in itertools.product(*(self.states[number] for number in numbers)):
            cations = [x for x, charge in zip(chi, charges, strict=True) if charge > 0]
            anions = [x for x, charge in zip(chi, charges, strict=True) if charge < 0]
            if cations and anions and max(cations) < min(anions):
                choices.append(charges)
        return sorted(choices, key=partial(_share_of_entries, symbols), reverse=True)

    def _allowed_charges(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """List systems, rising, and charges (x, y, z) that pass the order; 0 where there is no X.

        Species are the elements in each of their states, lithium's the first; in place of X it
        stands for a ternary system.
        """
        number = np.repeat(np.arange(len(self.states)), [len(states) for states in self.states])
        charge = np.concatenate(self.states)
        chi = np.array(self.electronegativities)[number]
        is_wrong = (charge[:, None] > 0) & (charge < 0) & (chi[:, None] >= chi)
        is_ordered = ~(is_wrong | is_wrong.T)
        with_lithium = is_ordered[0]
        in_shard = np.zeros((len(self.states),) * 2, dtype=bool)
        in_shard[pairs[:, 0], pairs[:, 1]] = True
        last_two = is_ordered & in_shard[number][:, number]
        triples = []
        for x in np.flatnonzero(with_lithium):
            beside = is_ordered[x] & with_lithium & (number > number[x])
            y, z = np.nonzero(last_two & beside & beside[:, None])
            has_anion = (charge[x] < 0) | (charge[y] < 0) | (charge[z] < 0)
            triples.append(np.column_stack([np.full_like(y, x), y, z])[has_anion])
        species = np.concatenate(triples)
        systems, charges = number[species], charge[species]
        charges[systems[:, 0] == 0, 0] = 0
        order = np.lexsort((*charges.T[::-1], *systems.T[::-1]))
        return systems[order], charges[order]


@dataclass(frozen=True)
class ChargeGroups:
    """Systems in groups that have the same neutral amounts.

    Attributes
    ----------
    classes : array of int, shape (n_classes, 3)
        Oxidation states of X, Y and Z, lithium having +1; 0 where there is no X.
    class_rows : array of int
        The classes of each group in turn, as rows of `classes`.
    class_ends : array of int, shape (n_groups,)
        Where the group's part of `class_rows` ends.
    systems : array of int, shape (n_systems, 3)
        The systems of each group in turn.
    system_ends : array of int, shape (n_groups,)
        Where the group's part of `systems` ends.
    """

    classes: np.ndarray
    class_rows: np.ndarray
    class_ends: np.ndarray
    systems: np.ndarray
    system_ends: np.ndarray


@dataclass(frozen=True)
class NeutralAmounts:
    """The amounts without a common divisor, and which of them are neutral by class of charges.

    Attributes
    ----------
    ternary, quaternary : array of int, shape (n_amounts, 4)
    masks : array of uint64, shape (n_classes, n_words)
        Bit k of word w: the class makes amounts 64 w + k neutral, of the ternary ones if it
        has no X.
    """

    ternary: np.ndarray
    quaternary: np.ndarray
    masks: np.ndarray


def solve(groups: ChargeGroups, max_amount: int) -> NeutralAmounts:
    """Find the neutral amounts of each class of charges.

    Parameters
    ----------
    groups : ChargeGroups
    max_amount : int

    Returns
    -------
    NeutralAmounts
    """
    ternary, quaternary = list_coprime(max_amount, 3), list_coprime(max_amount, 4)
    places = np.full((max_amount + 1,) * 4, -1, dtype=np.int32)
    for amounts in (ternary, quaternary):
        places[tuple(amounts.T)] = np.arange(len(amounts))
    masks = np.zeros((len(groups.classes), -(-len(quaternary) // 64)), dtype=np.uint64)
    solve_classes(groups.classes.astype(np.int64), places, masks)
    return NeutralAmounts(ternary, quaternary, masks)


def _known_states(symbol: str, least_share: float) -> tuple[int, ...]:
    entries = ICSD_ENTRIES.get(symbol, {})
    least = max(LEAST_ENTRIES, least_share * sum(entries.values()))
    return tuple(sorted(charge for charge, n in entries.items() if n >= least))


def _explain_no_state(symbol: str, least_share: float) -> str:
    if not _known_states(symbol, 0.0):
        return f"{symbol} has no known oxidation state: leave it out of the elements"
    return (
        f"{symbol} has no oxidation state with {100 * least_share:g} % of its ICSD entries: lower"
        f" least_share, or leave {symbol} out of the elements"
    )


def _share_of_entries(symbols: tuple[str, ...], charges: tuple[int, ...]) -> float:
    return math.prod(
        ICSD_ENTRIES[symbol][charge] / sum(ICSD_ENTRIES[symbol].values())
        for symbol, charge in zip(symbols, charges, strict=True)
    )


def _concatenate(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)
