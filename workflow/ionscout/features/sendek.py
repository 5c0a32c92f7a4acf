"""The structural descriptors of Sendek 2017 (doi 10.1039/C6EE02697D).

The definitions are those that reproduce the authors' own table. Bonds are pairs
closer than 4 angstrom, whatever the elements; electronegativities are Pauling's;
the anions are all atoms of the most electronegative element; the sublattice is
everything but lithium. All periodic images count and deviations are population
deviations, so that no value depends on the choice of cell. The authors looked at
the 27 nearest cells only, with the coordinates as written, and used sample
deviations, so that small cells differ: that is the convention `published`.

The packing fractions and the straight-line paths are not in the authors' table and
follow the paper's description, as far as it is known here (its supplement was not at
hand). Inferred: a radius is ionic where the difference of electronegativity to the
nearest neighbour exceeds 2, else covalent; ionic radii are Shannon's crystal radii;
a path leads from a lithium ion to its nearest one; its width is the distance to the
surface of the closest atom between its ends, and its electronegativity that atom's.
Packing fractions are integrated instead of sampled at random. In both conventions
these four count all periodic images.

Of a disordered crystal, masses, volumes and densities follow from the occupancies; all
else is the mean over random decorations, with the error of a sample of sixteen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import atomic_mass

from ionscout.config import SendekSettings
from ionscout.errors import FeatureError
from ionscout.features._base import (
    Cell,
    Description,
    DescriptorSet,
    Occupants,
    atomic_mass_u,
    electronegativity,
    list_occupants,
    most_electronegative,
    refuse_overlap,
)
from ionscout.features._decoration import decorations
from ionscout.features._neighbours import (
    DISTANCE_TOLERANCE_ANG,
    Pairs,
    find_pairs,
    nearest_distance_ang,
)
from ionscout.features._packing import (
    TIE_ANG,
    covalent_radius_ang,
    crystal_radius_ang,
    packing_fraction,
    straight_paths,
)

if TYPE_CHECKING:
    from pymatgen.core import Element, Species, Structure

U_PER_ANG3_IN_G_CM3 = atomic_mass * 1e27
BOND_CUTOFF_ANG = 4.0
SHELL_WIDTH_ANG = 1.0
IONIC_BOND_PAULING = 2.0

MODEL_COLUMNS = ("llb", "sbi", "afc", "lasd_ang", "llsd_ang")
PAPER_COLUMNS = (
    "volume_per_atom_ang3",
    "sdlc",
    "sdli",
    "lbi",
    "lnc",
    "llb",
    "sbi",
    "snc",
    "afc",
    "aasd_ang",
    "volume_per_anion_ang3",
    "lasd_ang",
    "llsd_ang",
    "sublattice_electronegativity_pauling",
    "packing_fraction",
    "sublattice_packing_fraction",
    "path_width_ang",
    "path_electronegativity_pauling",
    "rbi",
    "rnc",
)
TABLE_COLUMNS = (
    "atomic_mass_u",
    "density_g_cm3",
    "lithium_density_ang_minus3",
    "lithium_bond_ang",
)


class SendekSet(DescriptorSet):
    """The 20 descriptors of the paper, and the four others of the authors' table.

    Parameters
    ----------
    settings : SendekSettings, optional
        The convention; the periodic one where left out.
    """

    name = "sendek"
    source = "Sendek 2017, doi 10.1039/C6EE02697D"
    columns = PAPER_COLUMNS + TABLE_COLUMNS
    packages = ("numpy", "pymatgen", "spglib")  # the published convention depends on the cell

    def __init__(self, settings: SendekSettings | None = None) -> None:
        self.settings = settings or SendekSettings()

    def describe(self, structure: Structure) -> Description:
        """Describe a crystal; the arrangement in a disordered one by random decorations.

        Parameters
        ----------
        structure : pymatgen.core.Structure

        Returns
        -------
        Description
            A value for each of `columns`; with the standard deviation over the
            decorations as `spread` where the crystal is disordered.

        Raises
        ------
        FeatureError
            If the crystal is degenerate, or has no lithium or too little for its decorations.
        """
        is_published = self.settings.convention == "published"
        occupants = list_occupants(structure)
        bulk = _bulk(occupants)
        if occupants.is_ordered:
            values = _arrangement(occupants.species, occupants.cell, is_published)
            return self._in_order(bulk | values, {})
        drawn = [
            _arrangement(species, cell, is_published, may_overlap=True)
            for species, cell in decorations(occupants)
        ]
        columns = {name: [one[name] for one in drawn] for name in drawn[0]}
        mean = {name: float(np.mean(values)) for name, values in columns.items()}
        spread = {name: float(np.std(values)) for name, values in columns.items()}
        return self._in_order(bulk | mean, dict.fromkeys(bulk, 0.0) | spread)

    def _in_order(self, values: dict[str, float], spread: dict[str, float]) -> Description:
        in_order = {name: values[name] for name in self.columns}
        return Description(in_order, _explain(in_order), spread)


def _arrangement(
    species: list[Element | Species],
    cell: Cell,
    is_published: bool,
    *,
    may_overlap: bool = False,
) -> dict[str, float]:
    """Describe what depends on where the atoms are."""
    symbols = [specie.symbol for specie in species]
    lithium = np.array([symbol == "Li" for symbol in symbols])
    if not lithium.any():
        raise FeatureError(f"too little lithium: none in a decoration of {len(symbols)} atoms")
    chi = np.array([electronegativity(symbol) for symbol in symbols])
    anion = most_electronegative(symbols)
    everything = np.ones_like(lithium)
    bonds = find_pairs(
        cell, everything, everything, BOND_CUTOFF_ANG, nearest_cells_only=is_published
    )
    if not may_overlap:
        refuse_overlap(bonds.distance_ang.min(initial=BOND_CUTOFF_ANG))
    nearest_lithium_ang = nearest_distance_ang(
        cell, lithium, lithium, known=bonds, nearest_cells_only=is_published
    )
    values = (
        _coordination(bonds, lithium, is_published)
        | _ionicity(bonds, lithium, chi, is_published)
        | _anion_shell(cell, bonds, anion, is_published)
        | _lithium_distances(cell, bonds, lithium, anion, is_published)
        | _packing(cell, _radii_ang(species, bonds, anion, chi), lithium, chi, nearest_lithium_ang)
    )
    values["llsd_ang"] = _mean(nearest_lithium_ang)
    values["rnc"] = _ratio(values["lnc"], values["snc"])
    values["rbi"] = _ratio(values["lbi"], values["sbi"])
    return values


DESCRIPTORS = SendekSet


def _explain(values: dict[str, float]) -> str:
    """Say why values are missing."""
    missing = [name for name, value in values.items() if np.isnan(value)]
    if not missing:
        return ""
    if np.isnan(values["sublattice_electronegativity_pauling"]):
        return f"nothing but lithium: {', '.join(missing)}"
    of_paths = [name for name in missing if "path" in name]
    of_bonds = [name for name in missing if name not in of_paths]
    reasons = {
        "no (polar) bond shorter than 4 angstrom": of_bonds,
        "no path between lithium ions with an atom beside it": of_paths,
    }
    return "; ".join(f"{why}: {', '.join(which)}" for why, which in reasons.items() if which)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else np.nan


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _bulk(occupants: Occupants) -> dict[str, float]:
    """Describe what follows from the cell's volume and contents: masses, volumes, densities."""
    symbols = [specie.symbol for specie in occupants.species]
    lithium = np.array([symbol == "Li" for symbol in symbols])
    if not lithium.any():
        raise FeatureError("no lithium")
    chi = np.array([electronegativity(symbol) for symbol in symbols])
    anion = most_electronegative(symbols)
    volume_ang3, number = occupants.cell.volume_ang3, occupants.occupancy
    mass_u = number @ np.array([atomic_mass_u(symbol) for symbol in symbols])
    return {
        "atomic_mass_u": mass_u / number.sum(),
        "volume_per_atom_ang3": volume_ang3 / number.sum(),
        "density_g_cm3": mass_u / volume_ang3 * U_PER_ANG3_IN_G_CM3,
        "lithium_density_ang_minus3": number[lithium].sum() / volume_ang3,
        "volume_per_anion_ang3": volume_ang3 / number[anion].sum(),
        "sublattice_electronegativity_pauling": _ratio(
            number[~lithium] @ chi[~lithium], number[~lithium].sum()
        ),
    }


def _coordination(bonds: Pairs, lithium: np.ndarray, is_published: bool) -> dict[str, float]:
    """Numbers of neighbours."""
    n_neighbours = np.bincount(bonds.centre, minlength=lithium.size)
    n_lithium_ends = np.count_nonzero(lithium[bonds.centre] & lithium[bonds.other])
    n_lithium = np.count_nonzero(lithium)
    is_sample = is_published and n_lithium > 1
    return {
        "lnc": _mean(n_neighbours[lithium]),
        "snc": _mean(n_neighbours[~lithium]),
        "sdlc": float(n_neighbours[lithium].std(ddof=1 if is_sample else 0)),
        "llb": n_lithium_ends / n_lithium,
    }


def _ionicity(
    bonds: Pairs, lithium: np.ndarray, chi: np.ndarray, is_published: bool
) -> dict[str, float]:
    """Electronegativity differences over bonds; each bond of a lithium counts once.

    In the published deviation, a bond between lithium ions of two cells counts twice.
    """
    difference = np.abs(chi[bonds.centre] - chi[bonds.other])
    of_lithium = lithium[bonds.centre]
    both = lithium[bonds.other][of_lithium]
    weight = np.where(both, 0.5, 1.0)
    mean = _ratio(float(weight @ difference[of_lithium]), float(weight.sum()))
    if is_published:
        weight = np.where(both & bonds.is_in_cell[of_lithium], 0.5, 1.0)
    return {
        "lbi": mean,
        "sdli": _deviation(difference[of_lithium], weight, is_sample=is_published),
        "sbi": _mean(difference[~of_lithium]),
    }


def _deviation(values: np.ndarray, weight: np.ndarray, *, is_sample: bool) -> float:
    number = float(weight.sum())
    if number <= is_sample:
        return 0.0 if number else np.nan
    mean = float(weight @ values) / number
    return float(np.sqrt(weight @ (values - mean) ** 2 / (number - is_sample)))


def _anion_shell(
    cell: Cell, bonds: Pairs, anion: np.ndarray, is_published: bool
) -> dict[str, float]:
    """Anions within 1 angstrom of an anion's nearest anion: number and mean distance."""
    nearest = np.zeros(anion.size)
    nearest[anion] = nearest_distance_ang(
        cell, anion, anion, known=bonds, nearest_cells_only=is_published
    )
    limit = nearest + SHELL_WIDTH_ANG + DISTANCE_TOLERANCE_ANG
    cutoff_ang = limit.max() + DISTANCE_TOLERANCE_ANG
    pairs = find_pairs(cell, anion, anion, cutoff_ang, nearest_cells_only=is_published)
    inside = pairs.distance_ang < limit[pairs.centre]
    centre = pairs.centre[inside]
    number = np.bincount(centre, minlength=anion.size)[anion]
    total = np.bincount(centre, weights=pairs.distance_ang[inside], minlength=anion.size)[anion]
    return {"afc": _mean(number), "aasd_ang": _mean(total / number)}


def _lithium_distances(
    cell: Cell, bonds: Pairs, lithium: np.ndarray, anion: np.ndarray, is_published: bool
) -> dict[str, float]:
    """Distances from lithium; that to the anion is 0 where lithium is the anion."""
    of_lithium = lithium[bonds.centre]
    number = np.bincount(bonds.centre[of_lithium], minlength=lithium.size)
    total = np.bincount(
        bonds.centre[of_lithium], weights=bonds.distance_ang[of_lithium], minlength=lithium.size
    )
    bonded = number > 0
    if anion[lithium].any():
        to_anion_ang = 0.0
    else:
        to_anion_ang = _mean(
            nearest_distance_ang(cell, lithium, anion, known=bonds, nearest_cells_only=is_published)
        )
    return {
        "lithium_bond_ang": _mean(total[bonded] / number[bonded]),
        "lasd_ang": to_anion_ang,
    }


def _radii_ang(
    species: list[Element | Species], bonds: Pairs, anion: np.ndarray, chi: np.ndarray
) -> np.ndarray:
    """Ionic radii of atoms whose shortest bonds are ionic, covalent ones of the others."""
    shortest = np.full(len(species), np.inf)
    first = np.flatnonzero(np.diff(bonds.centre, prepend=-1))
    shortest[bonds.centre[first]] = np.minimum.reduceat(bonds.distance_ang, first)
    is_shortest = bonds.distance_ang <= shortest[bonds.centre] + TIE_ANG
    centre, other = bonds.centre[is_shortest], bonds.other[is_shortest]
    number = np.bincount(centre, minlength=len(species))
    difference = np.bincount(centre, np.abs(chi[centre] - chi[other]), minlength=len(species))
    is_ionic = difference > IONIC_BOND_PAULING * number
    radii = []
    for specie, of_anion, of_ion in zip(species, anion, is_ionic, strict=True):
        state = getattr(specie, "oxi_state", None)
        ionic = crystal_radius_ang(specie.symbol, state, bool(of_anion)) if of_ion else None
        radii.append(ionic or covalent_radius_ang(specie.symbol))
    return np.array(radii)


def _packing(
    cell: Cell,
    radius_ang: np.ndarray,
    lithium: np.ndarray,
    chi: np.ndarray,
    nearest_lithium_ang: np.ndarray,
) -> dict[str, float]:
    """Space filled by the atoms, and what the nearest lithium ions have between them."""
    paths = straight_paths(cell, lithium, nearest_lithium_ang, radius_ang, chi)
    number = np.bincount(paths.centre, minlength=lithium.size)[lithium].astype(float)
    number[number == 0] = np.nan
    width = np.bincount(paths.centre, paths.width_ang, minlength=lithium.size)[lithium]
    beside = np.bincount(paths.centre, paths.property, minlength=lithium.size)[lithium]
    return {
        "packing_fraction": packing_fraction(cell, radius_ang, np.ones_like(lithium)),
        "sublattice_packing_fraction": packing_fraction(cell, radius_ang, ~lithium),
        "path_width_ang": _mean(width / number),
        "path_electronegativity_pauling": _mean(beside / number),
    }
