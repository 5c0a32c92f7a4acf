"""The structural descriptors of Sendek 2017 (doi 10.1039/C6EE02697D).

The definitions are those that reproduce the authors' own table. Bonds are pairs
closer than 4 angstrom, whatever the elements; electronegativities are Pauling's;
the anions are all atoms of the most electronegative element; the sublattice is
everything but lithium. All periodic images count and deviations are population
deviations, so that no value depends on the choice of cell. The authors looked at
the 27 nearest cells only and used sample deviations, so that small cells differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import atomic_mass

from ionscout.errors import FeatureError
from ionscout.features.base import (
    Cell,
    Description,
    atomic_mass_u,
    electronegativity,
    most_electronegative,
    take_apart,
)
from ionscout.features.neighbours import (
    DISTANCE_TOLERANCE_ANG,
    Pairs,
    find_pairs,
    nearest_distance_ang,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

U_PER_ANG3_IN_G_CM3 = atomic_mass * 1e27
BOND_CUTOFF_ANG = 4.0
SHELL_WIDTH_ANG = 1.0

MODEL_COLUMNS = ("llb", "sbi", "afc", "lasd_ang", "llsd_ang")
SENDEK_COLUMNS = (
    *MODEL_COLUMNS,
    "atomic_mass_u",
    "volume_per_atom_ang3",
    "density_g_cm3",
    "lithium_density_ang_minus3",
    "volume_per_anion_ang3",
    "sublattice_electronegativity_pauling",
    "lnc",
    "snc",
    "rnc",
    "sdlc",
    "lbi",
    "rbi",
    "sdli",
    "lithium_bond_ang",
    "aasd_ang",
)


class SendekSet:
    """The five descriptors of Sendek's published model.

    ``llb`` lithium neighbours of a lithium, ``sbi`` mean electronegativity
    difference over the bonds of the sublattice, ``afc`` anions in an anion's first
    shell, ``lasd_ang`` and ``llsd_ang`` mean nearest lithium-anion and
    lithium-lithium distance in angstrom.
    """

    name = "sendek"
    columns = MODEL_COLUMNS

    def describe(self, structure: Structure) -> Description:
        """Describe a crystal.

        Parameters
        ----------
        structure : pymatgen.core.Structure

        Returns
        -------
        Description
            A value for each of `columns`.

        Raises
        ------
        FeatureError
            If the crystal is not ordered, has no lithium or nothing but lithium.
        """
        values = describe_crystal(structure)
        chosen = {column: values[column] for column in self.columns}
        return Description(chosen, _explain(chosen))


def describe_crystal(structure: Structure) -> Description:
    """Compute all of the paper's descriptors that the authors' table has.

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    Description
        A value for each of ``SENDEK_COLUMNS``.

    Raises
    ------
    FeatureError
        If the crystal is not ordered, has no lithium or nothing but lithium.
    """
    species, cell = take_apart(structure)
    symbols = [specie.symbol for specie in species]
    lithium = np.array([symbol == "Li" for symbol in symbols])
    if not lithium.any():
        raise FeatureError("no lithium")
    if len(set(symbols)) == 1:
        raise FeatureError("one element only")
    chi = np.array([electronegativity(symbol) for symbol in symbols])
    anion = most_electronegative(symbols)
    bonds = find_pairs(cell, np.ones_like(lithium), np.ones_like(lithium), BOND_CUTOFF_ANG)
    values = (
        _bulk(symbols, cell.volume_ang3, lithium, anion, chi)
        | _coordination(bonds, lithium)
        | _ionicity(bonds, lithium, chi)
        | _anion_shell(cell, anion)
        | _lithium_distances(cell, bonds, lithium, anion)
    )
    values["rnc"] = _ratio(values["lnc"], values["snc"])
    values["rbi"] = _ratio(values["lbi"], values["sbi"])
    values = {name: values[name] for name in SENDEK_COLUMNS}
    return Description(values, _explain(values))


def _explain(values: dict[str, float]) -> str:
    """Say why values are missing."""
    missing = [name for name, value in values.items() if np.isnan(value)]
    return f"no (polar) bond shorter than 4 angstrom: {', '.join(missing)}" if missing else ""


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _bulk(
    symbols: list[str],
    volume_ang3: float,
    lithium: np.ndarray,
    anion: np.ndarray,
    chi: np.ndarray,
) -> dict[str, float]:
    """Masses, volumes and densities."""
    mass_u = sum(atomic_mass_u(symbol) for symbol in symbols)
    return {
        "atomic_mass_u": mass_u / len(symbols),
        "volume_per_atom_ang3": volume_ang3 / len(symbols),
        "density_g_cm3": mass_u / volume_ang3 * U_PER_ANG3_IN_G_CM3,
        "lithium_density_ang_minus3": np.count_nonzero(lithium) / volume_ang3,
        "volume_per_anion_ang3": volume_ang3 / np.count_nonzero(anion),
        "sublattice_electronegativity_pauling": _mean(chi[~lithium]),
    }


def _coordination(bonds: Pairs, lithium: np.ndarray) -> dict[str, float]:
    """Numbers of neighbours."""
    n_neighbours = np.bincount(bonds.centre, minlength=lithium.size)
    n_lithium_ends = np.count_nonzero(lithium[bonds.centre] & lithium[bonds.other])
    return {
        "lnc": _mean(n_neighbours[lithium]),
        "snc": _mean(n_neighbours[~lithium]),
        "sdlc": float(n_neighbours[lithium].std()),
        "llb": n_lithium_ends / np.count_nonzero(lithium),
    }


def _ionicity(bonds: Pairs, lithium: np.ndarray, chi: np.ndarray) -> dict[str, float]:
    """Electronegativity differences over bonds; each bond of a lithium counts once."""
    difference = np.abs(chi[bonds.centre] - chi[bonds.other])
    of_lithium = lithium[bonds.centre]
    weight = np.where(lithium[bonds.other], 0.5, 1.0)[of_lithium]
    mean = _ratio(float(weight @ difference[of_lithium]), float(weight.sum()))
    variance = _ratio(float(weight @ (difference[of_lithium] - mean) ** 2), float(weight.sum()))
    return {
        "lbi": mean,
        "sdli": float(np.sqrt(variance)),
        "sbi": _mean(difference[~of_lithium]),
    }


def _anion_shell(cell: Cell, anion: np.ndarray) -> dict[str, float]:
    """Anions within 1 angstrom of an anion's nearest anion: number and mean distance."""
    nearest = np.zeros(anion.size)
    nearest[anion] = nearest_distance_ang(cell, anion, anion)
    limit = nearest + SHELL_WIDTH_ANG + DISTANCE_TOLERANCE_ANG
    pairs = find_pairs(cell, anion, anion, limit.max() + DISTANCE_TOLERANCE_ANG)
    inside = pairs.distance_ang < limit[pairs.centre]
    centre = pairs.centre[inside]
    number = np.bincount(centre, minlength=anion.size)[anion]
    total = np.bincount(centre, weights=pairs.distance_ang[inside], minlength=anion.size)[anion]
    return {"afc": _mean(number), "aasd_ang": _mean(total / number)}


def _lithium_distances(
    cell: Cell, bonds: Pairs, lithium: np.ndarray, anion: np.ndarray
) -> dict[str, float]:
    """Distances from lithium; that to the anion is 0 where lithium is the anion."""
    of_lithium = lithium[bonds.centre]
    number = np.bincount(bonds.centre[of_lithium], minlength=lithium.size)
    total = np.bincount(
        bonds.centre[of_lithium], weights=bonds.distance_ang[of_lithium], minlength=lithium.size
    )
    bonded = number > 0
    is_anion = bool(anion[lithium].any())
    return {
        "lithium_bond_ang": _mean(total[bonded] / number[bonded]),
        "lasd_ang": 0.0 if is_anion else _mean(nearest_distance_ang(cell, lithium, anion)),
        "llsd_ang": _mean(nearest_distance_ang(cell, lithium, lithium)),
    }
