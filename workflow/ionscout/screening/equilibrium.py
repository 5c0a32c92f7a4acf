"""Phase equilibria as linear programmes: the lower hull, without building its facets.

The equilibrium of a composition are the phases of least energy that make it up, amounts
being positive: a linear programme with one row an element. It gives what pymatgen's
`PhaseDiagram` gives, and its cost hardly grows with the number of elements, where facets
grow fast.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numba import njit
from pymatgen.analysis.phase_diagram import PDEntry
from pymatgen.core import Composition

from ionscout.errors import ScreeningError
from ionscout.screening.levels import LITHIUM

ENERGY_TOLERANCE_EV_ATOM = 1e-8
AMOUNT_TOLERANCE = 1e-7
_COST_TOLERANCE_EV = 1e-11
_PIVOT_TOLERANCE = 1e-9
_STEEPEST_STEPS = 500
_MOST_STEPS = 20_000


@dataclass(frozen=True)
class Equilibrium:
    """The phases of least energy.

    Attributes
    ----------
    energy_ev : float
        Their energy, in eV for as many atoms as were asked for.
    amounts : ndarray of shape (n_columns,)
        Atoms of each phase.
    potentials_ev : ndarray of shape (n_rows,)
        Chemical potentials of the elements, in eV.
    """

    energy_ev: float
    amounts: np.ndarray
    potentials_ev: np.ndarray


def minimise_energy(
    energies_ev: np.ndarray,
    columns: np.ndarray,
    target: np.ndarray,
    most_of_last: float | None = None,
) -> Equilibrium:
    """Find the amounts, not negative, of least energy that balance the elements.

    Parameters
    ----------
    energies_ev : ndarray of shape (n_columns,)
        Energy of one unit of each column.
    columns : ndarray of shape (n_rows, n_columns)
        Atoms of each element in one unit of each column. The elements themselves are among
        the columns, with one atom.
    target : ndarray of shape (n_rows,)
        Atoms of each element in the whole, not negative.
    most_of_last : float, optional
        Largest amount of the last column; none by default.

    Returns
    -------
    Equilibrium

    Raises
    ------
    ScreeningError
        When an element is not among the columns, or the energy has no lower bound.
    """
    n_rows, n_columns = columns.shape
    start = np.argmax(columns == 1, axis=1) if n_columns else np.zeros(0, dtype=int)
    if not np.array_equal(columns[:, start], np.eye(n_rows)):
        raise ScreeningError("no phase equilibrium: an element has no entry")
    if most_of_last is not None:
        columns = np.vstack([columns, np.zeros(n_columns)])
        columns = np.column_stack([columns, np.zeros(n_rows + 1)])
        columns[-1, -2:] = 1
        energies_ev, start = np.append(energies_ev, 0.0), np.append(start, n_columns)
        target = np.append(target, most_of_last)
    # One memory layout: for each other one the compiler would be called again.
    energies_ev, columns, target = map(np.ascontiguousarray, (energies_ev, columns, target))
    has_ended, amounts, reduced_ev = _descend(energies_ev, columns, target, start)
    if not has_ended:
        raise ScreeningError("no phase equilibrium: the energy has no lower bound")
    return Equilibrium(
        float(energies_ev @ amounts),
        amounts[:n_columns],
        (energies_ev[start] - reduced_ev[start])[:n_rows],
    )


@njit(cache=True)
def _descend(
    energies_ev: np.ndarray, columns: np.ndarray, target: np.ndarray, start: np.ndarray
) -> tuple[bool, np.ndarray, np.ndarray]:
    """Run the simplex method from the elements, in a dense table.

    The steepest column enters; after many steps the first (Bland's rule), which cannot
    cycle. A general solver takes some ten times longer to set up so small a programme
    than this takes to solve it.
    """
    table, held, basis = columns.copy(), target.copy(), start.copy()
    reduced_ev = energies_ev - energies_ev[start] @ columns
    for step in range(_MOST_STEPS):
        if step < _STEEPEST_STEPS:
            enters = np.argmin(reduced_ev) if len(reduced_ev) else -1
        else:
            enters = np.argmax(reduced_ev < -_COST_TOLERANCE_EV)
        if enters < 0 or reduced_ev[enters] >= -_COST_TOLERANCE_EV:
            amounts = np.zeros(len(energies_ev))
            amounts[basis] = held
            return True, amounts, reduced_ev
        leaves, least = -1, np.inf
        for row in range(len(held)):
            if table[row, enters] > _PIVOT_TOLERANCE:
                ratio = held[row] / table[row, enters]
                if ratio < least or (ratio == least and basis[row] < basis[leaves]):
                    leaves, least = row, ratio
        if leaves < 0:
            break
        table[leaves] /= table[leaves, enters]
        held[leaves] = least
        for row in range(len(held)):
            if row != leaves:
                factor = table[row, enters]
                table[row] -= factor * table[leaves]
                held[row] = max(held[row] - factor * least, 0.0)
        reduced_ev = reduced_ev - reduced_ev[enters] * table[leaves]
        basis[leaves] = enters
    return False, held, reduced_ev


@dataclass(frozen=True, eq=False)
class System:
    """The stable phases of a chemical system.

    Attributes
    ----------
    elements : tuple of str
        Symbols; the rows, in this order.
    formulas : tuple of str
        Reduced formulas of the phases.
    fractions : ndarray of shape (n_elements, n_phases)
        Atomic fractions.
    energies_ev_atom : ndarray of shape (n_phases,)
        Energies of one level.
    """

    elements: tuple[str, ...]
    formulas: tuple[str, ...]
    fractions: np.ndarray
    energies_ev_atom: np.ndarray

    @property
    def lithium_row(self) -> int:
        """Row of lithium."""
        return self.elements.index(LITHIUM)

    @property
    def lithium_metal_ev_atom(self) -> float:
        """Energy of lithium metal, of which potentials are counted."""
        return self.energies_ev_atom[self.formulas.index(LITHIUM)]

    def fractions_of(self, composition: Composition) -> np.ndarray:
        """Return a composition's atomic fractions, of shape (n_elements,)."""
        return np.array([composition.get_atomic_fraction(symbol) for symbol in self.elements])

    def with_phase(self, composition: Composition, energy_ev_atom: float) -> System:
        """Return the system with one more phase."""
        return System(
            self.elements,
            (*self.formulas, composition.reduced_formula),
            np.column_stack([self.fractions, self.fractions_of(composition)]),
            np.append(self.energies_ev_atom, energy_ev_atom),
        )

    def equilibrium(self, fractions: np.ndarray) -> Equilibrium:
        """Find the phase equilibrium of atomic fractions, of shape (n_elements,)."""
        return minimise_energy(self.energies_ev_atom, self.fractions, fractions)

    def open_columns(self, lithium_potential_ev: float) -> tuple[np.ndarray, np.ndarray]:
        """Make the phases those of a system open to lithium.

        Parameters
        ----------
        lithium_potential_ev : float
            Chemical potential of lithium, on the energies' own zero.

        Returns
        -------
        grand_energies_ev : ndarray of shape (n_phases,)
            E - mu_Li N_Li of one atom of each phase; infinite for lithium metal.
        columns : ndarray of shape (n_elements - 1, n_phases)
            Atomic fractions without lithium's row.
        """
        row = self.lithium_row
        grand_ev = self.energies_ev_atom - lithium_potential_ev * self.fractions[row]
        return grand_ev, np.delete(self.fractions, row, axis=0)

    def open_equilibrium(self, fractions: np.ndarray, lithium_potential_ev: float) -> Equilibrium:
        """Find the equilibrium open to lithium, whose amount follows from its potential.

        Parameters
        ----------
        fractions : ndarray of shape (n_elements,)
            What there is of the elements; lithium's is not read.
        lithium_potential_ev : float
            Chemical potential of lithium, on the energies' own zero.

        Returns
        -------
        Equilibrium
            Its energy is the grand potential E - mu_Li N_Li. Lithium metal is never
            among the phases.
        """
        grand_ev, columns = self.open_columns(lithium_potential_ev)
        is_metal = np.array([formula == LITHIUM for formula in self.formulas])
        found = minimise_energy(
            grand_ev[~is_metal],
            columns[:, ~is_metal],
            np.delete(fractions, self.lithium_row),
        )
        amounts = np.zeros(len(self.formulas))
        amounts[~is_metal] = found.amounts
        return Equilibrium(found.energy_ev, amounts, found.potentials_ev)

    def describe(self, amounts: np.ndarray, per_atoms: float = 1.0) -> str:
        """Write phases with their amounts in formula units, such as `P + 4 Li2S`.

        Parameters
        ----------
        amounts : ndarray of shape (n_phases,)
            Atoms of each phase for one atom of the whole.
        per_atoms : float
            Atoms of the whole that the text is for.
        """
        parts = []
        for i in np.flatnonzero(amounts > AMOUNT_TOLERANCE):
            units = amounts[i] * per_atoms / Composition(self.formulas[i]).num_atoms
            parts.append(f"{format_amount(units)}{self.formulas[i]}")
        return " + ".join(sorted(parts, key=lambda part: part.split()[-1]))


def format_amount(units: float) -> str:
    """Write an amount before a formula: nothing for one."""
    text = f"{units:.3g}"
    return "" if text == "1" else f"{text} "


class PhaseSpace:
    """The phases of one level, by chemical system; what is asked for twice is made once.

    Parameters
    ----------
    entries : iterable of PDEntry
        Energies in eV, of one level.

    Raises
    ------
    ScreeningError
        When an energy is not a number.
    """

    def __init__(self, entries: Iterable[PDEntry]) -> None:
        lowest: dict[str, tuple[Composition, float]] = {}
        for entry in entries:
            formula, energy_ev_atom = entry.composition.reduced_formula, entry.energy_per_atom
            if not np.isfinite(energy_ev_atom):
                raise ScreeningError(
                    f"{formula}: its energy is {energy_ev_atom}; take the entry out or mend it"
                )
            if formula not in lowest or energy_ev_atom < lowest[formula][1]:
                lowest[formula] = entry.composition, energy_ev_atom
        self._lowest: dict[frozenset[str], list[tuple[str, Composition, float]]] = {}
        for formula, (composition, energy_ev_atom) in lowest.items():
            symbols = frozenset(element.symbol for element in composition)
            self._lowest.setdefault(symbols, []).append((formula, composition, energy_ev_atom))
        self._stable: dict[frozenset[str], list[tuple[str, Composition, float]]] = {}
        self._systems: dict[frozenset[str], System] = {}

    def energy_ev_atom(self, composition: Composition) -> float | None:
        """Return the energy of a formula's lowest phase, or None where it has none."""
        symbols = frozenset(element.symbol for element in composition)
        for formula, _, energy_ev_atom in self._lowest.get(symbols, ()):
            if formula == composition.reduced_formula:
                return energy_ev_atom
        return None

    def system(self, elements: frozenset[str]) -> System:
        """Collect the stable phases of some elements and lithium.

        Raises
        ------
        ScreeningError
            When an element has no entry of its own.
        """
        elements = elements | {LITHIUM}
        if elements not in self._systems:
            for symbol in sorted(elements):
                if frozenset([symbol]) not in self._lowest:
                    raise ScreeningError(f"the level has no entry of the element {symbol}")
            phases = [
                phase
                for n in range(1, len(elements) + 1)
                for symbols in combinations(sorted(elements), n)
                for phase in self._stable_of(frozenset(symbols))
            ]
            self._systems[elements] = _make_system(elements, phases)
        return self._systems[elements]

    def _stable_of(self, symbols: frozenset[str]) -> list[tuple[str, Composition, float]]:
        """Find which phases of just these elements are on the hull.

        What is unstable in its own system is so in every larger one.
        """
        own = self._lowest.get(symbols, [])
        if not own or len(symbols) == 1:
            return own
        if symbols not in self._stable:
            smaller = [
                phase
                for n in range(1, len(symbols))
                for subset in combinations(sorted(symbols), n)
                for phase in self._stable_of(frozenset(subset))
            ]
            system = _make_system(symbols, [*smaller, *own])
            self._stable[symbols] = [
                phase
                for phase, fractions in zip(own, system.fractions[:, len(smaller) :].T, strict=True)
                if phase[2] <= system.equilibrium(fractions).energy_ev + ENERGY_TOLERANCE_EV_ATOM
            ]
        return self._stable[symbols]


def _make_system(elements: frozenset[str], phases: list[tuple[str, Composition, float]]) -> System:
    symbols = tuple(sorted(elements))
    return System(
        symbols,
        tuple(formula for formula, _, _ in phases),
        np.array(
            [[composition.get_atomic_fraction(s) for _, composition, _ in phases] for s in symbols]
        ),
        np.array([energy_ev_atom for _, _, energy_ev_atom in phases]),
    )
