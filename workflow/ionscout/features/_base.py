"""What every descriptor set offers, and the checks that all of them share."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from pymatgen.core import DummySpecies, Element

from ionscout.errors import FeatureError

if TYPE_CHECKING:
    from pymatgen.core import Species, Structure

LEAST_VOLUME_PER_SITE_ANG3 = 1.0
LEAST_DISTANCE_ANG = 0.5
OCCUPANCY_TOLERANCE = 1e-8

_log = logging.getLogger("ionscout")


class Description(dict[str, float]):
    """The values of one descriptor set for one material.

    Parameters
    ----------
    values : mapping of str to float
        One value a column; NaN where there is none.
    reason : str
        Why values are NaN, in one line; empty when all are there.
    spread : mapping of str to float, optional
        Standard deviation of the values over decorations of a disordered crystal.
    """

    def __init__(
        self,
        values: Mapping[str, float],
        reason: str = "",
        spread: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(values)
        self.reason = reason
        self.spread = dict(spread or {})


@dataclass(frozen=True)
class Cell:
    """A periodic cell.

    Attributes
    ----------
    lattice_ang : numpy.ndarray
        Shape (3, 3), one lattice vector a row, in angstrom.
    frac_coords : numpy.ndarray
        Shape (n_atoms, 3); any image of an atom will do.
    """

    lattice_ang: np.ndarray
    frac_coords: np.ndarray

    @cached_property
    def volume_ang3(self) -> float:
        """Volume in cubic angstrom."""
        return abs(float(np.linalg.det(self.lattice_ang)))

    @cached_property
    def reach_per_ang(self) -> np.ndarray:
        """Cells that a sphere of 1 angstrom reaches into along each axis, shape (3,)."""
        return np.sqrt((np.linalg.inv(self.lattice_ang) ** 2).sum(axis=0))


class DescriptorSet(ABC):
    """A named group of numbers that describe a crystal.

    Attributes
    ----------
    name : str
        The set's name: that of its module, and in the configuration.
    columns : tuple of str
        Names of its values, with their units.
    source : str
        The paper that it comes from, with its DOI.
    packages : tuple of str
        Whose versions may change its values.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    source: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("numpy", "pymatgen")

    @abstractmethod
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
            If the set has no value at all for this crystal; the message says why.
        """

    def describe_many(self, structures: Iterable[Structure]) -> tuple[np.ndarray, list[str]]:
        """Describe crystals one by one; the failure of one does not touch the others.

        Parameters
        ----------
        structures : iterable of pymatgen.core.Structure
            Taken one at a time.

        Returns
        -------
        values : numpy.ndarray
            Shape (n_structures, n_columns), NaN where there is no value.
        reasons : list of str
            Why values are missing, one line a structure, empty where all are there.
        """
        rows = [self._compute_safely(structure) for structure in structures]
        values = np.array([row for row, _ in rows], dtype=float)
        return values.reshape(-1, len(self.columns)), [reason for _, reason in rows]

    def _compute(self, structure: Structure) -> tuple[np.ndarray, str]:
        """Values, shape (n_columns,), and the reason of those that are missing."""
        description = self.describe(structure)
        return np.array(list(description.values())), description.reason

    def _compute_safely(self, structure: Structure) -> tuple[np.ndarray, str]:
        """Describe one crystal; whatever goes wrong becomes NaN with its reason."""
        try:
            return self._compute(structure)
        except FeatureError as error:
            reason = str(error)
        except Exception as error:
            _log.exception("%s failed unexpectedly", self.name)
            reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
        return np.full(len(self.columns), np.nan), reason


@cache
def electronegativity(symbol: str) -> float:
    """Pauling's electronegativity of an element.

    Parameters
    ----------
    symbol : str
        The element.

    Returns
    -------
    float

    Raises
    ------
    FeatureError
        If the element has none.
    """
    value = Element(symbol).data.get("X")
    if not isinstance(value, int | float) or math.isnan(value):
        raise FeatureError(f"{symbol} has no Pauling electronegativity")
    return float(value)


def most_electronegative(symbols: list[str]) -> np.ndarray:
    """Mark the atoms of the most electronegative element, ties included.

    Parameters
    ----------
    symbols : list of str
        The element of each atom.

    Returns
    -------
    numpy.ndarray
        Shape (n_atoms,), bool.

    Raises
    ------
    FeatureError
        If an element has no electronegativity.
    """
    values = np.array([electronegativity(symbol) for symbol in symbols])
    return values == values.max()


def mark_anions(species: list[Element | Species]) -> np.ndarray:
    """Mark the anions: by a negative oxidation state, H- among them.

    Where no species carries an oxidation state, or all are zero, the atoms of the
    most electronegative element are taken.

    Parameters
    ----------
    species : list of pymatgen.core.Element or pymatgen.core.Species
        One an atom.

    Returns
    -------
    numpy.ndarray
        Shape (n_atoms,), bool.

    Raises
    ------
    FeatureError
        If there is no anion, lithium would be one, or an element has no electronegativity.
    """
    states = np.array([getattr(specie, "oxi_state", None) or 0.0 for specie in species])
    if states.any():
        if not (states < 0).any():
            raise FeatureError("no anion: no oxidation state is negative")
        return states < 0
    symbols = [specie.symbol for specie in species]
    if len(set(symbols)) == 1:
        raise FeatureError("no anion: one element only")
    anions = most_electronegative(symbols)
    if symbols[int(anions.argmax())] == "Li":
        raise FeatureError("no anion: lithium is the most electronegative element")
    return anions


@cache
def atomic_mass_u(symbol: str) -> float:
    """Mass of an element's atom in atomic mass units; deuterium counts as hydrogen.

    Parameters
    ----------
    symbol : str
        The element.

    Returns
    -------
    float
    """
    return float(Element(symbol).atomic_mass)


def refuse_dummies(species: Iterable[Element | Species]) -> None:
    """Refuse what is no element.

    Parameters
    ----------
    species : iterable of pymatgen.core.Element or pymatgen.core.Species

    Raises
    ------
    FeatureError
        If there is a placeholder among them.
    """
    dummies = [str(specie) for specie in species if isinstance(specie, DummySpecies)]
    if dummies:
        raise FeatureError(f"{dummies[0]} is no element")


def refuse_overlap(nearest_ang: float) -> None:
    """Refuse crystals in which two atoms are closer than 0.5 angstrom.

    Parameters
    ----------
    nearest_ang : float
        The shortest distance between two atoms, in angstrom.

    Raises
    ------
    FeatureError
    """
    if nearest_ang < LEAST_DISTANCE_ANG:
        raise FeatureError(f"two atoms are only {nearest_ang:.2g} angstrom apart")


class Occupants(NamedTuple):
    """The species of a crystal, one or more a site.

    Attributes
    ----------
    species : list of pymatgen.core.Element or pymatgen.core.Species
    site : numpy.ndarray
        Shape (n_species,), the site of each.
    occupancy : numpy.ndarray
        Shape (n_species,), its share of the site.
    cell : Cell
        With the coordinates of the sites.
    """

    species: list[Element | Species]
    site: np.ndarray
    occupancy: np.ndarray
    cell: Cell

    @property
    def is_ordered(self) -> bool:
        """Whether every site is taken by one species."""
        return len(self.species) == len(self.cell.frac_coords) and bool(
            (np.abs(self.occupancy - 1) <= OCCUPANCY_TOLERANCE).all()
        )


def list_occupants(structure: Structure) -> Occupants:
    """List the species of a crystal, whether ordered or not.

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    Occupants

    Raises
    ------
    FeatureError
        If there are no atoms, placeholders, coordinates that are not finite, or a cell too small
        for its atoms.
    """
    if len(structure) == 0:
        raise FeatureError("the structure has no atoms")
    species, site, occupancy = [], [], []
    for i, one in enumerate(structure):
        for specie, share in one.species.items():
            species.append(specie)
            site.append(i)
            occupancy.append(share)
    refuse_dummies(species)
    cell = Cell(
        np.ascontiguousarray(structure.lattice.matrix, dtype=float),
        np.ascontiguousarray(structure.frac_coords, dtype=float),
    )
    if not (np.isfinite(cell.lattice_ang).all() and np.isfinite(cell.frac_coords).all()):
        raise FeatureError("the cell or a coordinate is not finite")
    volume_per_site = cell.volume_ang3 / len(cell.frac_coords)
    if volume_per_site < LEAST_VOLUME_PER_SITE_ANG3:
        raise FeatureError(f"the cell leaves only {volume_per_site:.2g} cubic angstrom a site")
    return Occupants(species, np.array(site), np.array(occupancy, dtype=float), cell)


def take_apart(structure: Structure) -> tuple[list[Element | Species], Cell]:
    """Take species and cell of a crystal on which structural descriptors are defined.

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    species : list of pymatgen.core.Element or pymatgen.core.Species
        One a site.
    cell : Cell

    Raises
    ------
    FeatureError
        As `list_occupants`, and where sites are partially occupied.
    """
    occupants = list_occupants(structure)
    if not occupants.is_ordered:
        raise FeatureError("partially occupied sites; resolve the disorder first")
    return occupants.species, occupants.cell
