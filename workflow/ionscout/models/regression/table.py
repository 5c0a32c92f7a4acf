"""Tables of measured conductivities in the columns of OBELiX (arXiv:2502.14234)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ionscout.errors import ModelError
from ionscout.models.regression.description import describe_table
from ionscout.models.regression.unit_cell import LATTICE_KEYS
from ionscout.structures.sources.folder_composition import read_formula

ID, FORMULA, CONTENTS = "ID", "Reduced Composition", "True Composition"
SIGMA_S_CM, SPACE_GROUP, FORMULA_UNITS, PAPER = (
    "Ionic conductivity (S cm-1)",
    "Space group #",
    "Z",
    "DOI",
)
_CONDUCTIVITY = re.compile(r"(<?)\s*=?\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)")


@dataclass(frozen=True)
class ConductivityTable:
    """Materials of a table, described.

    Attributes
    ----------
    ids : array of str, shape (n,)
        As given; they may repeat.
    x : array of float, shape (n, n_columns)
        The description, NaN where missing.
    reasons : list of str
        Why a row has no description, else empty.
    y : array of float, shape (n,)
        log10 of the conductivity in S/cm, NaN where there is none.
    is_upper_bound : array of bool, shape (n,)
    chemical_systems : array of str, shape (n,)
        Elements joined by hyphens; empty where there is no formula.
    papers : array of str, shape (n,)
        Lower case; empty where not given.
    keys : list
        Composition and space group, for a look whether a row stands elsewhere too;
        None where either is not known.
    """

    ids: np.ndarray
    x: np.ndarray
    reasons: list[str]
    y: np.ndarray
    is_upper_bound: np.ndarray
    chemical_systems: np.ndarray
    papers: np.ndarray
    keys: list[tuple[str, int] | None]


def read_table(path: str | Path, name: str) -> ConductivityTable:
    """Read and describe a table.

    Parameters
    ----------
    path : path-like
        The CSV, or a folder that holds `<name>.csv`.
    name : str
        `train` or `test`.

    Returns
    -------
    ConductivityTable
        A row that cannot be described stays, with the reason.

    Raises
    ------
    ModelError
        There is no such table, or it has no column of formulas.
    """
    file = Path(path) / f"{name}.csv" if Path(path).is_dir() else Path(path)
    try:
        raw = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError):
        raise ModelError(f"{file}: the file cannot be read as CSV") from None
    if FORMULA not in raw and CONTENTS not in raw:
        raise ModelError(f"{file}: there is no column {FORMULA!r}")
    text = raw.reindex(columns=[ID, FORMULA, CONTENTS, SIGMA_S_CM, PAPER], fill_value="")
    compositions = [
        read_formula(formula) or read_formula(contents)
        for formula, contents in zip(text[FORMULA], text[CONTENTS], strict=True)
    ]
    cells = _cells(raw, text, compositions)
    x, reasons = describe_table(cells)
    measured = np.array([_read_conductivity(value) for value in text[SIGMA_S_CM]]).reshape(-1, 2)
    numbers = cells["space_group_number"]
    return ConductivityTable(
        ids=text[ID].to_numpy(dtype=object),
        x=x,
        reasons=reasons,
        y=measured[:, 0],
        is_upper_bound=measured[:, 1].astype(bool),
        chemical_systems=np.array([_system(c) for c in compositions], dtype=object),
        papers=text[PAPER].str.strip().str.lower().to_numpy(dtype=object),
        keys=[
            None if c is None or np.isnan(n) else (_normalised(c), int(n))
            for c, n in zip(compositions, numbers, strict=True)
        ],
    )


def _cells(raw: pd.DataFrame, text: pd.DataFrame, compositions: list) -> pd.DataFrame:
    """Bring the columns into the form that `describe_table` takes."""
    numbers = [SPACE_GROUP, FORMULA_UNITS, *LATTICE_KEYS]
    cells = raw.reindex(columns=numbers).apply(pd.to_numeric, errors="coerce").astype(float)
    space_group = cells[SPACE_GROUP]
    contents = [read_formula(formula) for formula in text[CONTENTS]]
    units = cells[FORMULA_UNITS].where(cells[FORMULA_UNITS] > 0)
    n_atoms = [
        np.nan if c is None else (whole.num_atoms if whole is not None else z * c.num_atoms)
        for c, whole, z in zip(compositions, contents, units, strict=True)
    ]
    return cells[list(LATTICE_KEYS)].assign(
        formula=[
            given if c is None else c.formula.replace(" ", "")
            for c, given in zip(compositions, text[FORMULA], strict=True)
        ],
        space_group_number=space_group.where(space_group.isin(range(1, 231))),
        n_atoms=n_atoms,
    )


def _read_conductivity(text: str) -> tuple[float, bool]:
    """Read a value in S/cm, `<` before a bound: its log10, and whether it is one."""
    match = _CONDUCTIVITY.fullmatch(text.strip())
    if not match or not float(match[2]) > 0:
        return np.nan, False
    return float(np.log10(float(match[2]))), bool(match[1])


def _system(composition) -> str:
    if composition is None:
        return ""
    return "-".join(sorted(element.symbol for element in composition))


def _normalised(composition) -> str:
    shares = composition.fractional_composition.get_el_amt_dict()
    return " ".join(f"{symbol}{shares[symbol]:.3f}" for symbol in sorted(shares))
