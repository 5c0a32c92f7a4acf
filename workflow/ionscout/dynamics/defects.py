"""Lithium vacancies and interstitials in the cell that runs."""

from __future__ import annotations

import numpy as np
from pymatgen.core import Structure
from scipy.spatial import cKDTree

from ionscout.errors import DynamicsError

LITHIUM = "Li"
GRID_ANG = 0.25
SMALLEST_VOID_ANG = 1.5


def make_defects(
    crystal: Structure, *, n_vacancies: int, n_interstitials: int, seed: int
) -> Structure:
    """Take lithium out of a cell, or put more in.

    Of the vacancies the first is drawn at random, and each further one lies as far
    from the others as it can. Each interstitial goes to the middle of the widest void
    that the whole crystal has. What is made is not neutral: the crystal balances it
    somewhere far away.

    Parameters
    ----------
    crystal : Structure
        The supercell.
    n_vacancies, n_interstitials : int
    seed : int

    Returns
    -------
    Structure
        A new one.

    Raises
    ------
    DynamicsError
        Fewer than two lithium ions would be left, or no void is wide enough.
    """
    vacancies = _choose_vacancies(crystal, n_vacancies, seed) if n_vacancies else []
    made = crystal.copy()
    for _ in range(n_interstitials):
        centre, radius_ang = _find_widest_void(made)
        if radius_ang < SMALLEST_VOID_ANG:
            raise DynamicsError(
                f"dynamics.defects: no void holds an interstitial, the widest is {radius_ang:.2f} A"
                " from its next atoms; lower lithium_interstitials"
            )
        made.append(LITHIUM, centre)
    made.remove_sites(vacancies)
    return made


def _choose_vacancies(crystal: Structure, n_vacancies: int, seed: int) -> list[int]:
    sites = [index for index, site in enumerate(crystal) if site.specie.symbol == LITHIUM]
    if n_vacancies > len(sites) - 2:
        raise DynamicsError(
            f"dynamics.defects: {n_vacancies} vacancies in a cell with {len(sites)} lithium ions;"
            " lower lithium_vacancies"
        )
    distances = crystal.distance_matrix[np.ix_(sites, sites)]
    chosen = [int(np.random.default_rng(seed).integers(len(sites)))]
    while len(chosen) < n_vacancies:
        chosen.append(int(distances[chosen].min(axis=0).argmax()))
    return [sites[index] for index in chosen]


def _find_widest_void(crystal: Structure) -> tuple[np.ndarray, float]:
    """Return the point farthest from all atoms, fractional, and that distance in angstrom.

    The cell is reduced first, so that the nearest atoms lie in it or beside it.
    """
    reduced = crystal.get_reduced_structure()
    lattice = reduced.lattice
    counts = np.ceil(np.array(lattice.abc) / GRID_ANG).astype(int)
    grid = np.indices(counts).reshape(3, -1).T / counts
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    atoms = (reduced.frac_coords[:, None] % 1 + images[None]).reshape(-1, 3)
    distances, _ = cKDTree(lattice.get_cartesian_coords(atoms)).query(
        lattice.get_cartesian_coords(grid)
    )
    widest = int(distances.argmax())
    centre_ang = lattice.get_cartesian_coords(grid[widest])
    return crystal.lattice.get_fractional_coords(centre_ang), float(distances[widest])
