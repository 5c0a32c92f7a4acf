"""Ordered crystals that stand for a disordered one.

Partial occupancies become whole numbers in the smallest supercell in which
they round well and the charges balance; which position is filled by what is
then decided among random decorations, improved by swaps, by their
electrostatic energy (Ewald sums of formal charges).
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition, Lattice, PeriodicSite, Species, Structure

from ionscout.config import DisorderSettings
from ionscout.errors import StructureError
from ionscout.structures.decoration import UNLIKE_CHARGES_ANG, Positions, low_decorations
from ionscout.structures.oxidation import carries_neutral_states, formal_charges

GOOD_MISMATCH = 0.02
MAX_MISMATCH = 0.10
_FULL = 0.999
_CHOICES_PER_SUBLATTICE = 6
_NEAREST = (0, 1)
_NEXT_NEAREST = (-1, 0, 1, 2)
_CHARGE_TOLERANCE = 0.03


@dataclass(frozen=True)
class Sublattice:
    """The positions of a cell that share the same partial occupancies.

    Attributes
    ----------
    species : tuple of str
        Elements that share the positions.
    occupancies : ndarray, shape (n_species,)
        Their occupancies; what is left to one is vacant.
    site_indices : list of int
        The sites of the cell.
    """

    species: tuple[str, ...]
    occupancies: np.ndarray
    site_indices: list[int]


@dataclass(frozen=True)
class _Filling:
    """Whole numbers of atoms by sublattice and in all, and how far they are from the stated."""

    counts: list[np.ndarray]
    amounts: dict[str, int]
    mismatch: float


@dataclass(frozen=True)
class Ordering:
    """An ordered crystal in a disordered one's place.

    Attributes
    ----------
    structure : pymatgen.core.Structure
        With oxidation states, charge neutral.
    ewald_above_lowest_ev_atom : float
    """

    structure: Structure
    ewald_above_lowest_ev_atom: float


def order(structure: Structure, settings: DisorderSettings, seed: int) -> Structure:
    """Make the ordered representative of lowest energy, the first of `orderings`."""
    return orderings(structure, settings, seed)[0].structure


def orderings(structure: Structure, settings: DisorderSettings, seed: int) -> list[Ordering]:
    """Make ordered representatives of a disordered crystal.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Disordered, best in its primitive cell.
    settings : DisorderSettings
    seed : int
        Of the random decorations.

    Returns
    -------
    list of Ordering
        From 1 to `settings.representatives` that differ in their Ewald energy,
        the lowest first; how many are asked for does not change the first.

    Raises
    ------
    StructureError
        When no oxidation states balance the stated composition, or no cell
        within the limits makes it whole.
    """
    charges = _charges(structure)
    bare = structure.copy().remove_oxidation_states()
    sublattices = find_sublattices(bare)
    n_cells, filling = _choose_filling(bare, sublattices, charges, settings)
    cell = bare.copy().make_supercell(compact_supercell(bare.lattice, n_cells))
    charges = _balanced(charges, filling)
    return _decorate(cell, find_sublattices(cell), filling, charges, settings, seed)


def find_sublattices(structure: Structure) -> list[Sublattice]:
    """Group the partially occupied sites by what occupies them.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Without oxidation states.

    Returns
    -------
    list of Sublattice
        In an order that does not depend on the size of the supercell.
    """
    groups: dict[tuple, list[int]] = {}
    for index, site in enumerate(structure):
        if not site.is_ordered:
            content = tuple(sorted((el.symbol, round(x, 4)) for el, x in site.species.items()))
            groups.setdefault(content, []).append(index)
    return [
        Sublattice(
            species=tuple(symbol for symbol, _ in content),
            occupancies=np.array([occupancy for _, occupancy in content]),
            site_indices=indices,
        )
        for content, indices in sorted(groups.items())
    ]


def compact_supercell(lattice: Lattice, n_cells: int) -> np.ndarray:
    """Find the supercell of a given size whose shortest vector is longest.

    Parameters
    ----------
    lattice : pymatgen.core.Lattice
    n_cells : int

    Returns
    -------
    ndarray of int, shape (3, 3)
        In Hermite normal form; determinant `n_cells`.
    """
    best, best_length = np.eye(3, dtype=int), -1.0
    for a, c in itertools.product(range(1, n_cells + 1), repeat=2):
        if n_cells % (a * c):
            continue
        f = n_cells // (a * c)
        for b, d, e in itertools.product(range(c), range(f), range(f)):
            matrix = np.array([[a, 0, 0], [b, c, 0], [d, e, f]])
            length = min(Lattice(matrix @ lattice.matrix).get_lll_reduced_lattice().abc)
            if length > best_length + 1e-6:
                best, best_length = matrix, length
    return best


def _charges(structure: Structure) -> dict[str, float]:
    """Formal charge by element: of the file if one state an element balances, else guessed."""
    if carries_neutral_states(structure):
        stated = {species.symbol: float(species.oxi_state) for species in structure.composition}
        if len(stated) == len(structure.composition):
            return stated
    charges = formal_charges(structure.composition, tolerance=_CHARGE_TOLERANCE)
    if charges is None:
        raise StructureError(
            f"no common oxidation states balance {_stated(structure)}: atoms seem to be "
            "missing from the file; add them, or leave the file out"
        )
    return charges


def _choose_filling(
    cell: Structure,
    sublattices: list[Sublattice],
    charges: dict[str, float],
    settings: DisorderSettings,
) -> tuple[int, _Filling]:
    """Take the smallest supercell with a good filling, or else the best one within the limits."""
    best = _best_filling(cell, sublattices, charges, settings, _NEAREST)
    if best is None or best[1].mismatch > MAX_MISMATCH:
        best = _best_filling(cell, sublattices, charges, settings, _NEXT_NEAREST)
    if best is None or best[1].mismatch > MAX_MISMATCH:
        raise StructureError(
            f"{_stated(cell)} becomes whole and charge neutral in no cell of up to "
            f"{settings.max_supercell} primitive ones ({cell.composition.num_atoms:.4g} atoms "
            f"each) and "
            f"{settings.max_sites} sites; raise structures.disorder.max_sites or max_supercell, "
            "unless atoms are missing from the file"
        )
    return best


def _best_filling(
    cell: Structure,
    sublattices: list[Sublattice],
    charges: dict[str, float],
    settings: DisorderSettings,
    steps: tuple[int, ...],
) -> tuple[int, _Filling] | None:
    """Find the first good filling, or else the best, among supercells of growing size."""
    fillings: list[tuple[int, _Filling]] = []
    for n_cells in range(1, settings.max_supercell + 1):
        if round(cell.composition.num_atoms * n_cells) > settings.max_sites:
            break
        filling = _fill(cell, sublattices, charges, n_cells, steps)
        if filling:
            fillings.append((n_cells, filling))
            if filling.mismatch <= GOOD_MISMATCH:
                break
    return min(fillings, key=lambda pair: pair[1].mismatch, default=None)


def _fill(
    cell: Structure,
    sublattices: list[Sublattice],
    charges: dict[str, float],
    n_cells: int,
    steps: tuple[int, ...],
) -> _Filling | None:
    """Find the whole numbers nearest to the stated occupancies that balance the charges.

    The sublattices of lithium alone take what balances the others; where an
    element has a mean oxidation state, that one balances instead. Every
    element of the crystal keeps an atom.
    """
    targets = [s.occupancies * len(s.site_indices) * n_cells for s in sublattices]
    lithium = [i for i, s in enumerate(sublattices) if s.species == ("Li",)]
    others = [i for i in range(len(sublattices)) if i not in lithium]
    whole = {s.specie.symbol: 0 for s in cell if s.is_ordered}
    for site in cell:
        if site.is_ordered:
            whole[site.specie.symbol] += n_cells
    mixed = any(not q.is_integer() for q in charges.values())
    stated_lithium = sum(float(targets[i][0]) for i in lithium)
    room = [len(sublattices[i].site_indices) * n_cells for i in lithium]

    best: _Filling | None = None
    options = [_roundings(sublattices[i], targets[i], n_cells, steps) for i in others]
    for choice in itertools.product(*options):
        amounts = Counter(whole)
        for i, counts in zip(others, choice, strict=True):
            amounts.update(dict(zip(sublattices[i].species, counts.tolist(), strict=True)))
        net_e = sum(charges[symbol] * n for symbol, n in amounts.items())
        n_lithium = round(stated_lithium if mixed else -net_e)
        shares = _share_out(n_lithium, [float(targets[i][0]) for i in lithium], room)
        amounts["Li"] += n_lithium
        if shares is None or any(amounts[symbol] < 1 for symbol in charges):
            continue
        found = dict(zip(others, choice, strict=True))
        found |= {i: np.array([n]) for i, n in zip(lithium, shares, strict=True)}
        off = sum(float(np.abs(found[i] - target).sum()) for i, target in enumerate(targets))
        mismatch = off / (n_cells * cell.composition.num_atoms)
        if best is None or mismatch < best.mismatch - 1e-9:
            counts = [found[i] for i in range(len(sublattices))]
            best = _Filling(counts=counts, amounts=dict(amounts), mismatch=mismatch)
    return best


def _roundings(
    sublattice: Sublattice, target: np.ndarray, n_cells: int, steps: tuple[int, ...]
) -> list[np.ndarray]:
    """List the whole numbers nearest to the target amounts of a mixed sublattice, best first.

    The steps are taken from the amounts rounded down.
    """
    room = len(sublattice.site_indices) * n_cells
    is_full = sublattice.occupancies.sum() >= _FULL
    floors = np.floor(target + 1e-6).astype(int)
    choices = [floors + np.array(up) for up in itertools.product(steps, repeat=len(target))]
    choices = [counts for counts in choices if counts.min() >= 0]
    fitting = [c for c in choices if (c.sum() == room if is_full else c.sum() <= room)]
    fitting.sort(
        key=lambda counts: (round(float(np.abs(counts - target).sum()), 6), counts.tolist())
    )
    return fitting[:_CHOICES_PER_SUBLATTICE]


def _share_out(total: int, targets: list[float], room: list[int]) -> list[int] | None:
    """Share a number of atoms over sublattices in proportion to the stated amounts."""
    if not targets:
        return [] if total == 0 else None
    if not 0 <= total <= sum(room):
        return None
    scale = total / sum(targets)
    shares = [min(target * scale, n) for target, n in zip(targets, room, strict=True)]
    counts = [int(share + 1e-6) for share in shares]
    while sum(counts) < total:
        lacks = [
            share - n if n < most else -np.inf
            for share, n, most in zip(shares, counts, room, strict=True)
        ]
        counts[int(np.argmax(lacks))] += 1
    return counts


def _decorate(
    cell: Structure,
    sublattices: list[Sublattice],
    filling: _Filling,
    charges: dict[str, float],
    settings: DisorderSettings,
    seed: int,
) -> list[Ordering]:
    """Fill the positions of the supercell by the best decorations found."""
    symbols = sorted({symbol for s in sublattices for symbol in s.species})
    positions = Positions.of(
        cell,
        partial=[i for s in sublattices for i in s.site_indices],
        charges_e=charges,
        labels=symbols,
    )
    labels = []
    for s, counts in zip(sublattices, filling.counts, strict=True):
        filled = np.repeat([symbols.index(symbol) + 1 for symbol in s.species], counts)
        labels.append(np.pad(filled, (0, len(s.site_indices) - len(filled))))
    ranked = low_decorations(
        positions,
        labels,
        n_trials=settings.n_trials,
        n_wanted=settings.representatives,
        seed=seed,
    )
    if positions.n_overlaps(ranked[0][0]):
        raise StructureError(
            f"the partial sites of {_stated(cell)} cannot be filled without atoms closer than "
            f"{UNLIKE_CHARGES_ANG} angstrom; merge split sites in the file, or leave the file out"
        )
    lowest_ev, n_atoms = ranked[0][1], sum(filling.amounts.values())
    return [
        Ordering(
            structure=_filled(cell, positions, decoration, symbols, charges),
            ewald_above_lowest_ev_atom=round((energy_ev - lowest_ev) / n_atoms, 6),
        )
        for decoration, energy_ev in ranked
        if not positions.n_overlaps(decoration)
    ]


def _filled(
    cell: Structure,
    positions: Positions,
    decoration: np.ndarray,
    symbols: list[str],
    charges: dict[str, float],
) -> Structure:
    occupied = {
        int(i): symbols[label - 1]
        for i, label in zip(positions.partial, decoration, strict=True)
        if label
    }
    sites = [
        _site(site, occupied.get(i) or site.specie.symbol, charges)
        for i, site in enumerate(cell)
        if site.is_ordered or i in occupied
    ]
    return Structure.from_sites(sites).get_sorted_structure()


def _balanced(charges: dict[str, float], filling: _Filling) -> dict[str, float]:
    """Charges for the whole numbers taken: a mean oxidation state is found anew."""
    if all(q.is_integer() for q in charges.values()):
        return charges
    composition = Composition(filling.amounts)
    balanced = formal_charges(composition)
    if balanced is None:
        raise StructureError(f"no common oxidation states balance {composition.reduced_formula}")
    return balanced


def _site(site: PeriodicSite, symbol: str, charges: dict[str, float]) -> PeriodicSite:
    return PeriodicSite(Species(symbol, charges[symbol]), site.frac_coords, site.lattice)


def _stated(structure: Structure) -> str:
    return structure.composition.element_composition.reduced_formula
