"""Random decorations of a disordered crystal, by its occupancies."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ionscout.features._base import Cell, Occupants

if TYPE_CHECKING:
    from pymatgen.core import Element, Species

N_DECORATIONS = 16
LEAST_SITES = 100
SEED = 2017


def decorations(
    occupants: Occupants,
) -> Iterator[tuple[list[Element | Species], Cell]]:
    """Draw ordered crystals from a disordered one.

    The same cell with its sites in the same order gives the same draws; another cell of the
    crystal gives others.

    The cell is repeated along its shortest edge until it has 100 sites. Sites with the
    same occupants share them: their numbers are those of the occupancies, rounded up
    or down at random, on random sites.

    Parameters
    ----------
    occupants : Occupants

    Yields
    ------
    species : list of pymatgen.core.Element or pymatgen.core.Species
    cell : Cell
        Sixteen times.
    """
    cell, site_of_copy = _repeat(occupants.cell)
    kinds = _kinds(occupants, site_of_copy)
    rng = np.random.default_rng(SEED)
    for _ in range(N_DECORATIONS):
        chosen = np.full(len(site_of_copy), -1)
        for occupancy, members, copies in kinds:
            drawn = _draw(occupancy, len(copies), rng)
            taken = drawn >= 0
            chosen[copies[taken]] = members[np.flatnonzero(taken), drawn[taken]]
        filled = np.flatnonzero(chosen >= 0)
        yield (
            [occupants.species[i] for i in chosen[filled]],
            Cell(cell.lattice_ang, cell.frac_coords[filled]),
        )


def _repeat(cell: Cell) -> tuple[Cell, np.ndarray]:
    """Repeat a cell; also which of its sites each copy is of."""
    times = np.ones(3, dtype=int)
    lengths = np.linalg.norm(cell.lattice_ang, axis=1)
    while times.prod() * len(cell.frac_coords) < LEAST_SITES:
        times[np.argmin(times * lengths)] += 1
    shifts = np.array(list(np.ndindex(*times)))
    coords = (cell.frac_coords[None, :, :] + shifts[:, None, :]).reshape(-1, 3) / times
    repeated = Cell(cell.lattice_ang * times[:, None], coords)
    return repeated, np.tile(np.arange(len(cell.frac_coords)), len(shifts))


def _kinds(
    occupants: Occupants, site_of_copy: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Group the sites by their occupants.

    Each group has the occupancies, shape (n_occupants,); the index of each occupant,
    shape (n_copies, n_occupants); and the copies of its sites, shape (n_copies,).
    """
    of_site = defaultdict(list)
    for i, site in enumerate(occupants.site):
        of_site[site].append(i)
    groups = defaultdict(list)
    for site, members in of_site.items():
        members.sort(key=lambda i: str(occupants.species[i]))
        what = tuple((str(occupants.species[i]), occupants.occupancy[i]) for i in members)
        groups[what].append(site)
    kinds = []
    for what, sites in groups.items():
        copies = np.flatnonzero(np.isin(site_of_copy, sites))
        members = np.array([of_site[site] for site in site_of_copy[copies]])
        kinds.append((np.array([share for _, share in what]), members, copies))
    return kinds


def _draw(occupancy: np.ndarray, n_sites: int, rng: np.random.Generator) -> np.ndarray:
    """Give each site one of the occupants, or -1 where it stays empty; shape (n_sites,)."""
    bounds = np.append(0.0, np.cumsum(occupancy))
    bounds = np.floor(bounds / max(1.0, bounds[-1]) * n_sites + rng.random()).astype(int)
    drawn = np.full(n_sites, -1)
    for occupant, (start, stop) in enumerate(itertools.pairwise(bounds)):
        drawn[start:stop] = occupant
    return rng.permutation(drawn)
