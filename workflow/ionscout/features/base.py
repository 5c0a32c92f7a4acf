"""What every descriptor set offers, and the checks that all of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from pymatgen.core import Element

from ionscout.errors import FeatureError

if TYPE_CHECKING:
    from pymatgen.core import Species, Structure

LEAST_VOLUME_PER_ATOM_ANG3 = 1.0


class Description(dict[str, float]):
    """The values of one descriptor set for one material.

    Parameters
    ----------
    values : mapping of str to float
        One value a column; NaN where there is none.
    reason : str
        Why values are NaN, in one line; empty when all are there.
    """

    def __init__(self, values: Mapping[str, float], reason: str = "") -> None:
        super().__init__(values)
        self.reason = reason


class Cell(NamedTuple):
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

    @property
    def volume_ang3(self) -> float:
        """Volume in cubic angstrom."""
        return abs(float(np.linalg.det(self.lattice_ang)))


class DescriptorSet(Protocol):
    """A named group of numbers that describe a crystal.

    Attributes
    ----------
    name : str
        The set's name in the registry and in the configuration.
    columns : tuple of str
        Names of its values, with their units.
    """

    name: str
    columns: tuple[str, ...]

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
        ...


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


@cache
def atomic_mass_u(symbol: str) -> float:
    """Mass of an element's atom in atomic mass units.

    Parameters
    ----------
    symbol : str
        The element.

    Returns
    -------
    float
    """
    return float(Element(symbol).atomic_mass)


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
        If there are no atoms, partially occupied sites, coordinates that are not
        finite, or a cell too small for its atoms.
    """
    if len(structure) == 0:
        raise FeatureError("the structure has no atoms")
    occupants = [site.species for site in structure]
    if any(len(occupant) != 1 or abs(occupant.num_atoms - 1) > 1e-8 for occupant in occupants):
        raise FeatureError("partially occupied sites; resolve the disorder first")
    cell = Cell(
        np.ascontiguousarray(structure.lattice.matrix, dtype=float),
        np.ascontiguousarray(structure.frac_coords, dtype=float),
    )
    if not (np.isfinite(cell.lattice_ang).all() and np.isfinite(cell.frac_coords).all()):
        raise FeatureError("the cell or a coordinate is not finite")
    volume_per_atom = cell.volume_ang3 / len(structure)
    if volume_per_atom < LEAST_VOLUME_PER_ATOM_ANG3:
        raise FeatureError(f"the cell leaves only {volume_per_atom:.2g} cubic angstrom an atom")
    return [next(iter(occupant)) for occupant in occupants], cell
