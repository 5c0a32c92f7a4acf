"""The compositions Li_a X_b Y_c and Li_a X_b Y_c Z_d over a list of elements.

X, Y and Z are different elements beside lithium, the amounts are whole numbers from 1 to a
largest one without a common divisor, so that each composition is there once. Elements are
in alphabetical order, and numbered in it: 0 is lithium.

A system is a row (x, y, z) of element numbers, x < y < z, with x = 0 in a ternary one: it has
no X, and b is 0. A composition is a row (a, b, c, d) of amounts in a system, or a code, one
whole number of both. Codes in rising order are the order of formulas here: ternary ones first,
then by elements, then by amounts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from pymatgen.core import Element

from ionscout.elements import check_elements
from ionscout.errors import CompositionError

LITHIUM = 0
MAX_AMOUNT = 24

ELEMENT_BITS, AMOUNT_BITS = 7, 5
"""Bits of a code that an element's number and an amount take."""

_MAX_DEFAULT_NUMBER = 83
_UNSTABLE = frozenset({"Tc", "Pm"})
_SHIFTS = np.cumsum([0, *[AMOUNT_BITS] * 4, *[ELEMENT_BITS] * 2])


def default_elements() -> tuple[str, ...]:
    """List the 75 elements up to bismuth beside lithium, noble gases, Tc and Pm left out.

    Returns
    -------
    tuple of str
        Symbols in alphabetical order.
    """
    elements = (Element.from_Z(number) for number in range(1, _MAX_DEFAULT_NUMBER + 1))
    return tuple(
        sorted(
            element.symbol
            for element in elements
            if not element.is_noble_gas and element.symbol not in _UNSTABLE | {"Li"}
        )
    )


@dataclass(frozen=True)
class CompositionSpace:
    """All ternary and quaternary lithium compositions over some elements.

    Attributes
    ----------
    elements : tuple of str
        The elements beside lithium, at least two; in any order, kept in alphabetical order.
    max_amount : int
        Largest amount of an element in a formula, 1 to 24.

    Raises
    ------
    CompositionError
        If an element is unknown, twice there or lithium, if there are fewer than two, or if
        the largest amount is out of range.
    """

    elements: tuple[str, ...]
    max_amount: int = MAX_AMOUNT

    def __post_init__(self):
        object.__setattr__(self, "elements", tuple(sorted(self.elements)))
        check_elements(self.elements)
        if not 1 <= self.max_amount <= MAX_AMOUNT:
            raise CompositionError(
                f"the largest amount of an element is {self.max_amount}: set it from 1 to"
                f" {MAX_AMOUNT}"
            )

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Symbols by element number, lithium first."""
        return ("Li", *self.elements)

    @property
    def n_ternary_systems(self) -> int:
        """Number of systems Li-Y-Z."""
        return math.comb(len(self.elements), 2)

    @property
    def n_quaternary_systems(self) -> int:
        """Number of systems Li-X-Y-Z."""
        return math.comb(len(self.elements), 3)

    @property
    def n_ternary(self) -> int:
        """Number of ternary compositions, each once."""
        return self.n_ternary_systems * count_coprime(self.max_amount, 3)

    @property
    def n_quaternary(self) -> int:
        """Number of quaternary compositions, each once."""
        return self.n_quaternary_systems * count_coprime(self.max_amount, 4)

    @property
    def n_reduced(self) -> int:
        """Number of compositions, each once."""
        return self.n_ternary + self.n_quaternary

    @property
    def n_total(self) -> int:
        """Number of formulas, multiples of another one included."""
        ternary = self.n_ternary_systems * self.max_amount**3
        return ternary + self.n_quaternary_systems * self.max_amount**4

    @cached_property
    def pairs(self) -> np.ndarray:
        """Pairs (y, z) of element numbers, y < z, in rising order, shape (n_pairs, 2)."""
        numbers = np.arange(1, len(self.elements) + 1)
        y, z = np.meshgrid(numbers, numbers, indexing="ij")
        return np.column_stack([y[y < z], z[y < z]]).astype(np.int64)

    def split(self, n_shards: int) -> list[np.ndarray]:
        """Divide the pairs (y, z) into shards of about as many compositions.

        A shard has the ternary system of each of its pairs and all the quaternary ones whose
        last two elements the pair is. The division depends on nothing but the space and n_shards.

        Parameters
        ----------
        n_shards : int
            At least 1.

        Returns
        -------
        list of array of int, shape (n_pairs, 2)
            Consecutive rows of `pairs`, at least one a shard.

        Raises
        ------
        CompositionError
            If there are fewer pairs than shards.
        """
        n_pairs = len(self.pairs)
        if not 1 <= n_shards <= n_pairs:
            raise CompositionError(
                f"{n_pairs} pairs of elements cannot be split into {n_shards} shards:"
                f" set their number from 1 to {n_pairs}"
            )
        ternary = count_coprime(self.max_amount, 3)
        size = ternary + (self.pairs[:, 0] - 1) * count_coprime(self.max_amount, 4)
        ends = np.cumsum(size)
        wanted = ends[-1] * np.arange(1, n_shards) // n_shards
        cuts = np.searchsorted(ends, wanted) + 1
        first = np.arange(1, n_shards)
        cuts = np.maximum.accumulate(np.maximum(cuts, first) - first) + first
        cuts = np.minimum(cuts, n_pairs - n_shards + first)
        return np.split(self.pairs, cuts)

    def systems(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """List the systems of some pairs.

        Parameters
        ----------
        pairs : array of int, shape (n_pairs, 2)
            Rows of `pairs`.

        Returns
        -------
        ternary, quaternary : array of int, shape (n_systems, 3)
            Element numbers; the ternary ones have 0 for X.
        """
        ternary = np.column_stack([np.zeros(len(pairs), dtype=np.int64), pairs])
        repeated = np.repeat(pairs, pairs[:, 0] - 1, axis=0)
        x = [np.arange(1, y) for y in pairs[:, 0]]
        return ternary, np.column_stack([np.concatenate(x), repeated]).astype(np.int64)

    def formula(self, code: int) -> str:
        """Write a composition as a formula.

        Parameters
        ----------
        code : int
            Of `encode`.

        Returns
        -------
        str
            Lithium first, the other elements in alphabetical order: LiO3P.
        """
        system, amounts = decode(np.array([code]))
        numbers = [LITHIUM, *system[0]]
        return "".join(
            self.symbols[number] + (str(amount) if amount > 1 else "")
            for number, amount in zip(numbers, amounts[0], strict=True)
            if amount
        )

    def find(self, amounts: dict[str, int]) -> int:
        """Find the code of a composition.

        Parameters
        ----------
        amounts : dict of str to int
            Amount by symbol, lithium among them; reduced here.

        Returns
        -------
        int

        Raises
        ------
        CompositionError
            If the composition is not in the space.
        """
        divisor = math.gcd(*amounts.values())
        others = sorted(symbol for symbol in amounts if symbol != "Li")
        rows = {symbol: n // divisor for symbol, n in amounts.items()}
        is_inside = (
            "Li" in rows
            and len(others) in (2, 3)
            and set(others) <= set(self.elements)
            and all(1 <= n <= self.max_amount for n in rows.values())
        )
        if not is_inside:
            written = "".join(f"{symbol}{n}" for symbol, n in amounts.items())
            raise CompositionError(f"{written} is not among the compositions enumerated")
        numbers = [self.symbols.index(symbol) for symbol in others]
        row = [rows["Li"], *(rows[symbol] for symbol in others)]
        if len(others) == 2:
            numbers.insert(0, LITHIUM)
            row.insert(1, 0)
        return int(encode(np.array([numbers]), np.array([row]))[0])


def list_coprime(max_amount: int, n_elements: int) -> np.ndarray:
    """List the amounts of all compositions of a system, in rising order.

    Parameters
    ----------
    max_amount : int
    n_elements : int
        3 or 4, lithium included.

    Returns
    -------
    array of int, shape (n_compositions, 4)
        Rows (a, b, c, d), b = 0 in ternary systems.
    """
    amounts = np.indices((max_amount,) * n_elements).reshape(n_elements, -1).T + 1
    amounts = amounts[np.gcd.reduce(amounts, axis=1) == 1]
    amounts = np.insert(amounts, 1, 0, axis=1) if n_elements == 3 else amounts
    return np.ascontiguousarray(amounts)


def count_coprime(max_amount: int, n_elements: int) -> int:
    """Count the amounts without a common divisor, by Moebius inversion.

    Parameters
    ----------
    max_amount : int
    n_elements : int

    Returns
    -------
    int
    """
    return sum(times * side**n_elements for side, times in box_multiplicities(max_amount).items())


@cache
def box_multiplicities(max_amount: int) -> dict[int, int]:
    """Write a sum over amounts without a common divisor as one over boxes of all amounts.

    Amounts with common divisor g are g times amounts up to max_amount // g. By Moebius
    inversion the sum over those with divisor 1 is the sum over g of mu(g) times that over
    the box of side max_amount // g.

    Parameters
    ----------
    max_amount : int

    Returns
    -------
    dict of int to int
        How often to add the box, by its side; none of them 0.
    """
    times: dict[int, int] = {}
    for g in range(1, max_amount + 1):
        side = max_amount // g
        times[side] = times.get(side, 0) + _moebius(g)
    return {side: n for side, n in times.items() if n}


def _moebius(number: int) -> int:
    sign = 1
    for prime in range(2, number + 1):
        if number % prime == 0:
            number //= prime
            sign = -sign
            if number % prime == 0:
                return 0
    return sign


def encode(systems: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Write compositions as one number each.

    Parameters
    ----------
    systems : array of int, shape (n, 3)
    amounts : array of int, shape (n, 4)

    Returns
    -------
    array of int, shape (n,)
    """
    fields = np.concatenate([systems, amounts], axis=1)[:, ::-1].astype(np.int64)
    return (fields << _SHIFTS).sum(axis=1)


def decode(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read the systems and amounts of codes.

    Parameters
    ----------
    codes : array of int, shape (n,)

    Returns
    -------
    systems : array of int, shape (n, 3)
    amounts : array of int, shape (n, 4)
    """
    fields = np.asarray(codes, dtype=np.int64)[:, None] >> _SHIFTS
    amounts = fields[:, :4] & (1 << AMOUNT_BITS) - 1
    numbers = fields[:, 4:] & (1 << ELEMENT_BITS) - 1
    return numbers[:, ::-1], amounts[:, ::-1]
