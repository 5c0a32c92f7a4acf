"""Averages of elemental properties, from the composition alone.

For each property the mean and the deviation over the atoms (weighted by their
number, population deviation), and the extremes over the elements, after Ward 2016
(doi 10.1038/npjcompumats.2016.28). The means are fractions times a table, so that
a model linear in them stays separable by element.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Element

from ionscout.errors import FeatureError
from ionscout.features._base import Description, DescriptorSet, refuse_dummies

if TYPE_CHECKING:
    from pymatgen.core import Composition, Structure

PROPERTIES = {
    "electronegativity_pauling": lambda element: element.data.get("X"),
    "atomic_mass_u": lambda element: element.atomic_mass,
    "atomic_radius_ang": lambda element: element.atomic_radius,
    "mendeleev_number": lambda element: element.mendeleev_no,
    "row": lambda element: element.row,
    "group": lambda element: element.group,
    "first_ionization_energy_ev": lambda element: element.ionization_energies[0],
}
STATISTICS = ("mean", "deviation", "min", "max")
COLUMNS = (
    "lithium_fraction",
    *(f"{name}_{statistic}" for name in PROPERTIES for statistic in STATISTICS),
)


class ElementalSet(DescriptorSet):
    """Statistics of elemental properties over a crystal's composition."""

    name = "elemental"
    source = "Cubuk 2019, doi 10.1063/1.5093220, with the statistics of Ward 2016"
    columns = COLUMNS

    def describe(self, structure: Structure) -> Description:
        """Describe a crystal by its composition, whether ordered or not.

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
            If the crystal has no atoms.
        """
        return describe_composition(structure.composition)


DESCRIPTORS = ElementalSet


def describe_composition(composition: Composition) -> Description:
    """Compute the statistics of elemental properties of a composition.

    Parameters
    ----------
    composition : pymatgen.core.Composition
        With or without oxidation states; only ratios of amounts matter.

    Returns
    -------
    Description
        A value for each of ``COLUMNS``; NaN for the statistics of a property that
        is unknown for one of the elements, which the reason names.

    Raises
    ------
    FeatureError
        If the composition is empty or has a placeholder in it.
    """
    refuse_dummies(composition)
    amounts = {symbol: n for symbol, n in composition.get_el_amt_dict().items() if n > 0}
    if not amounts:
        raise FeatureError("the composition is empty")
    symbols = list(amounts)
    fractions = np.array(list(amounts.values())) / sum(amounts.values())
    table = np.array([elemental_properties(symbol) for symbol in symbols])
    mean = fractions @ table
    deviation = np.sqrt(fractions @ (table - mean) ** 2)
    statistics = np.column_stack([mean, deviation, table.min(axis=0), table.max(axis=0)])
    lithium_fraction = sum(fractions[i] for i, symbol in enumerate(symbols) if symbol == "Li")
    values = dict(
        zip(COLUMNS, [float(lithium_fraction), *statistics.ravel().tolist()], strict=True)
    )
    return Description(values, _explain(symbols, table))


@cache
def elemental_properties(symbol: str) -> tuple[float, ...]:
    """Look up the properties of an element.

    Parameters
    ----------
    symbol : str
        The element.

    Returns
    -------
    tuple of float
        One value for each of ``PROPERTIES``, NaN where pymatgen knows none.
    """
    element = Element(symbol)
    return tuple(_number(read, element) for read in PROPERTIES.values())


def _number(read, element: Element) -> float:
    try:
        return float(read(element))
    except (TypeError, ValueError, IndexError):
        return math.nan


def _explain(symbols: list[str], table: np.ndarray) -> str:
    """Say which properties of which elements are unknown."""
    unknown = [
        f"{property_name} of {symbol}"
        for row, symbol in zip(table, symbols, strict=True)
        for value, property_name in zip(row, PROPERTIES, strict=True)
        if math.isnan(value)
    ]
    return f"unknown: {', '.join(unknown)}" if unknown else ""
