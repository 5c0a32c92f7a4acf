"""Which materials of the manifest have a composition and a space group."""

from __future__ import annotations

import re
from collections import defaultdict

import pandas as pd
from pymatgen.core import Composition

FRACTION_TOLERANCE = 0.002
_SYMBOL = re.compile(r"[A-Z][a-z]?")

_Key = tuple[int, frozenset[str]]


class CompositionIndex:
    """Finds materials by composition and space group.

    Parameters
    ----------
    manifest : DataFrame
        Columns material_id, space_group_number and stated_formula, or
        reduced_formula where that is not there.
    """

    def __init__(self, manifest: pd.DataFrame) -> None:
        column = "stated_formula" if "stated_formula" in manifest else "reduced_formula"
        self._formulas: dict[_Key, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        if not {column, "space_group_number"} <= set(manifest.columns):
            return
        rows = zip(
            *(manifest[name] for name in ("material_id", column, "space_group_number")), strict=True
        )
        for material_id, formula, space_group_number in rows:
            key = (int(space_group_number), frozenset(_SYMBOL.findall(formula)))
            self._formulas[key][formula].append(material_id)

    def find(self, formula: str, space_group_number: int) -> list[str]:
        """Find the materials that agree in both.

        Parameters
        ----------
        formula : str
            In a form that pymatgen reads, any number of formula units.
        space_group_number : int

        Returns
        -------
        list of str
            The material ids: no element's share of the atoms differs by more
            than 0.002.

        Raises
        ------
        ValueError
            When the formula is not one.
        """
        wanted = Composition(formula).element_composition
        key = (int(space_group_number), frozenset(element.symbol for element in wanted))
        return [
            material_id
            for known, material_ids in self._formulas.get(key, {}).items()
            if _are_close(wanted, Composition(known))
            for material_id in material_ids
        ]


def _are_close(one: Composition, other: Composition) -> bool:
    return all(
        abs(one.get_atomic_fraction(element) - other.get_atomic_fraction(element))
        <= FRACTION_TOLERANCE
        for element in one
    )
