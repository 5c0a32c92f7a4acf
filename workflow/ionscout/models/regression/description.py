"""The description that all regressors read: composition, symmetry and unit cell of a material.

It needs no positions of atoms, so that rows of a table and crystals of a campaign
are described alike. The last columns are the composition's profile along
Mendeleev numbers: the sum of the absolute differences of two profiles is the work
of turning one composition into the other, an element costing as much as it is
far in that order (Hargreaves, Chem. Mater. 32, 10610 (2020), doi:10.1021/acs.chemmater.0c03381).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pymatgen.core import Composition

from ionscout.errors import FeatureError
from ionscout.models.regression.ionic_composition import COLUMNS as IONIC_COLUMNS
from ionscout.models.regression.ionic_composition import describe_ions
from ionscout.models.regression.unit_cell import COLUMNS as CELL_COLUMNS
from ionscout.models.regression.unit_cell import (
    LATTICE_KEYS,
    describe_cell,
    describe_room,
    describe_symmetry,
)
from ionscout.structures.sources.folder_composition import read_formula

_LAST_MENDELEEV_NUMBER = 103
_LAST_ATOMIC_NUMBER = 103
PROFILE_COLUMNS = tuple(
    f"fraction_up_to_mendeleev_{number}" for number in range(1, _LAST_MENDELEEV_NUMBER)
)
COLUMNS = (*IONIC_COLUMNS, *CELL_COLUMNS, *PROFILE_COLUMNS)
N_PROFILE = len(PROFILE_COLUMNS)


def describe_material(
    formula: str,
    *,
    space_group_number: int | None = None,
    lattice: Mapping[str, float] | None = None,
    n_atoms: float = np.nan,
    volume_per_atom_ang3: float = np.nan,
) -> dict[str, float]:
    """Describe a material.

    Parameters
    ----------
    formula : str
        Any number of formula units.
    space_group_number : int, optional
    lattice : mapping, optional
        Keys a, b, c (angstrom), alpha, beta, gamma (degrees) of the conventional cell.
    n_atoms : float
        Atoms in that cell.
    volume_per_atom_ang3 : float
        In place of a lattice.

    Returns
    -------
    dict
        A value for each of `COLUMNS`, NaN where it is not known.

    Raises
    ------
    FeatureError
        The formula is not one, or the space group is none of the 230.
    """
    composition = read_formula(formula)
    if composition is None:
        raise FeatureError(f"{formula!r} is not a formula")
    if space_group_number is not None and not 1 <= space_group_number <= 230:
        raise FeatureError(f"there is no space group {space_group_number}")
    ions = describe_ions(composition)
    if lattice is None:
        cell = describe_room(volume_per_atom_ang3, composition, ions)
    else:
        cell = describe_cell(lattice, n_atoms, composition, ions)
    values = {
        **dict.fromkeys(COLUMNS, np.nan),
        **ions,
        **describe_symmetry(space_group_number),
        **cell,
        **dict(zip(PROFILE_COLUMNS, _profile(composition), strict=True)),
    }
    return {name: float(value) for name, value in values.items()}


def describe_table(table: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Describe each row of a table; one that cannot be described gets a reason.

    Parameters
    ----------
    table : DataFrame
        The column formula and, where known, space_group_number, volume_per_atom_ang3, or a, b,
        c, alpha, beta, gamma and n_atoms.

    Returns
    -------
    x : array of float, shape (n, n_columns)
        By `COLUMNS`; a row that cannot be described is all NaN.
    reasons : list of str
        Why, else empty.
    """
    rows, reasons = [], []
    for row in table.to_dict("records"):
        try:
            rows.append(list(_describe_row(row).values()))
            reasons.append("")
        except FeatureError as error:
            rows.append([np.nan] * len(COLUMNS))
            reasons.append(str(error))
    return np.array(rows, dtype=float).reshape(-1, len(COLUMNS)), reasons


def _describe_row(row: Mapping[str, object]) -> dict[str, float]:
    number = row.get("space_group_number")
    has_lattice = all(key in row for key in LATTICE_KEYS)
    return describe_material(
        str(row["formula"]),
        space_group_number=None if pd.isna(number) else int(number),
        lattice={key: row[key] for key in LATTICE_KEYS} if has_lattice else None,
        n_atoms=row.get("n_atoms", np.nan),
        volume_per_atom_ang3=row.get("volume_per_atom_ang3", np.nan),
    )


def _profile(composition: Composition) -> np.ndarray:
    """Cumulative atomic fraction along Mendeleev numbers, shape (n_profile,)."""
    shares = np.zeros(_LAST_MENDELEEV_NUMBER)
    for element, fraction in composition.fractional_composition.items():
        if element.Z > _LAST_ATOMIC_NUMBER:
            raise FeatureError(f"{element.symbol} has no place in the order of Mendeleev")
        shares[min(int(element.mendeleev_no), _LAST_MENDELEEV_NUMBER) - 1] += fraction
    return np.cumsum(shares)[:-1]
