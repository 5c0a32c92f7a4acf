"""One ordered crystal that stands for a disordered one.

Partial occupancies become whole numbers in the smallest supercell in which
they round well and the charges balance; which position is filled by what is
then decided among random decorations, improved by swaps, by their
electrostatic energy (Ewald sums of formal charges).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, PeriodicSite, Species, Structure

from ionscout.config import DisorderSettings
from ionscout.errors import StructureError
from ionscout.structures.decoration import Positions, best_decoration
from ionscout.structures.oxidation import carries_neutral_states, formal_charges

GOOD_MISMATCH = 0.02
MAX_MISMATCH = 0.10
_FULL = 0.999
_CHOICES_PER_SUBLATTICE = 6
_CHARGE_TOLERANCE = 0.03
_NEUTRAL_E = 1e-3


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
    """Whole numbers of atoms by sublattice, and how far they are from the stated ones."""

    counts: list[np.ndarray]
    mismatch: float
    charges: dict[str, float]


def order(structure: Structure, settings: DisorderSettings, seed: int) -> Structure:
    """Make one ordered representative of a disordered crystal.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Disordered, best in its primitive cell.
    settings : DisorderSettings
    seed : int
        Of the random decorations.

    Returns
    -------
    pymatgen.core.Structure
        Ordered, with oxidation states, charge neutral.

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
    return _decorate(cell, find_sublattices(cell), filling, settings.n_trials, seed)


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
    n_atoms = cell.composition.num_atoms
    best: tuple[int, _Filling] | None = None
    for n_cells in range(1, settings.max_supercell + 1):
        if round(n_atoms * n_cells) > settings.max_sites:
            break
        filling = _fill(cell, sublattices, charges, n_cells)
        if filling and (best is None or filling.mismatch < best[1].mismatch):
            best = n_cells, filling
        if best and best[1].mismatch <= GOOD_MISMATCH:
            return best
    if best is None or best[1].mismatch > MAX_MISMATCH:
        raise StructureError(
            f"no cell of up to {settings.max_sites} sites and {settings.max_supercell} primitive "
            f"cells ({n_atoms:.4g} atoms each) makes {_stated(cell)} whole and charge neutral; "
            "raise structures.disorder.max_sites or max_supercell"
        )
    return best


def _fill(
    cell: Structure, sublattices: list[Sublattice], charges: dict[str, float], n_cells: int
) -> _Filling | None:
    """Find the whole numbers nearest to the stated occupancies that balance the charges."""
    targets = [s.occupancies * len(s.site_indices) * n_cells for s in sublattices]
    is_lithium = [s.species == ("Li",) for s in sublattices]
    others = [i for i, lithium in enumerate(is_lithium) if not lithium]
    lithium = [i for i, is_li in enumerate(is_lithium) if is_li]
    ordered_e = n_cells * sum(charges[site.specie.symbol] for site in cell if site.is_ordered)
    mixed = any(not float(q).is_integer() for q in charges.values())
    n_atoms = n_cells * cell.composition.num_atoms

    best: _Filling | None = None
    options = [_roundings(sublattices[i], targets[i], n_cells) for i in others]
    for choice in itertools.product(*options):
        counts = [np.zeros(1, dtype=int)] * len(sublattices)
        for i, chosen in zip(others, choice, strict=True):
            counts[i] = chosen
        others_e = ordered_e + sum(
            charges[symbol] * n
            for i in others
            for symbol, n in zip(sublattices[i].species, counts[i], strict=True)
        )
        n_lithium = sum(float(targets[i][0]) for i in lithium) if mixed else -others_e
        room = [len(sublattices[i].site_indices) * n_cells for i in lithium]
        shared = _share_out(round(n_lithium), [float(targets[i][0]) for i in lithium], room)
        if shared is None or (not mixed and abs(n_lithium - round(n_lithium)) > _NEUTRAL_E):
            continue
        for i, n in zip(lithium, shared, strict=True):
            counts[i] = np.array([n])
        off = sum(float(np.abs(c - t).sum()) for c, t in zip(counts, targets, strict=True))
        if best is None or off / n_atoms < best.mismatch - 1e-9:
            best = _Filling(counts=counts, mismatch=off / n_atoms, charges=charges)
    return best


def _roundings(sublattice: Sublattice, target: np.ndarray, n_cells: int) -> list[np.ndarray]:
    """List the whole numbers nearest to the target amounts of a mixed sublattice, best first."""
    room = len(sublattice.site_indices) * n_cells
    is_full = sublattice.occupancies.sum() >= _FULL
    floors = np.floor(target + 1e-6).astype(int)
    choices = [floors + np.array(up) for up in itertools.product((0, 1), repeat=len(target))]
    fitting = [c for c in choices if (c.sum() == room if is_full else c.sum() <= room)]
    fitting.sort(key=lambda counts: (round(float(np.abs(counts - target).sum()), 6), counts.tolist()))
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
    cell: Structure, sublattices: list[Sublattice], filling: _Filling, n_trials: int, seed: int
) -> Structure:
    """Fill the positions of the supercell by the best decoration found."""
    symbols = sorted({symbol for s in sublattices for symbol in s.species})
    charges = _final_charges(cell, sublattices, filling)
    positions = Positions.of(
        cell,
        partial=[i for s in sublattices for i in s.site_indices],
        fixed_charges_e=[charges[site.specie.symbol] for site in cell if site.is_ordered],
        label_charges_e=[0.0, *(charges[symbol] for symbol in symbols)],
        mean_charges_e=[
            float(s.occupancies @ [charges[symbol] for symbol in s.species])
            for s in sublattices
            for _ in s.site_indices
        ],
        elements=[s.species for s in sublattices for _ in s.site_indices],
    )
    labels = []
    for s, counts in zip(sublattices, filling.counts, strict=True):
        names = [symbols.index(symbol) + 1 for symbol in s.species]
        filled = np.repeat(names, counts)
        labels.append(np.pad(filled, (0, len(s.site_indices) - len(filled))))
    chosen = best_decoration(positions, labels, n_trials=n_trials, seed=seed)

    occupied = {
        int(i): symbols[label - 1] for i, label in zip(positions.partial, chosen, strict=True) if label
    }
    sites = [
        _site(site, occupied.get(i) or site.specie.symbol, charges)
        for i, site in enumerate(cell)
        if site.is_ordered or i in occupied
    ]
    return Structure.from_sites(sites).get_sorted_structure()


def _final_charges(
    cell: Structure, sublattices: list[Sublattice], filling: _Filling
) -> dict[str, float]:
    """Balance a mixed-valent element anew, for the whole numbers taken."""
    if all(float(q).is_integer() for q in filling.charges.values()):
        return filling.charges
    composition = sum(
        (site.species for site in cell if site.is_ordered), start=type(cell.composition)()
    )
    for s, counts in zip(sublattices, filling.counts, strict=True):
        amounts = dict(zip(s.species, (int(n) for n in counts), strict=True))
        composition += type(composition)(amounts)
    charges = formal_charges(composition)
    if charges is None:
        raise StructureError(f"no common oxidation states balance {composition.formula}")
    return charges


def _site(site: PeriodicSite, symbol: str, charges: dict[str, float]) -> PeriodicSite:
    return PeriodicSite(Species(symbol, charges[symbol]), site.frac_coords, site.lattice)


def _stated(structure: Structure) -> str:
    return structure.composition.element_composition.reduced_formula
