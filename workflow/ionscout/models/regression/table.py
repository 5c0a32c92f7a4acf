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
_CONDUCTIVITY = re.compile(
    r"(<?)\s*=?\s*([0-9]+\.?[0-9]*|\.[0-9]+)"
    r"(?:[eE]([+-]?[0-9]+)|\s*x\s*10\s*\^?\s*([+-][0-9]+))?"
)
_AS_TYPED = str.maketrans({"≤": "<", "×": "x", "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-"})
_UNCERTAINTY = r"\([0-9]+\)\s*$"


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
    unread : tuple of str
        What of the table is left out, a sentence each: conductivities, space groups, formula
        units and cells that are there and cannot be read.
    """

    ids: np.ndarray
    x: np.ndarray
    reasons: list[str]
    y: np.ndarray
    is_upper_bound: np.ndarray
    chemical_systems: np.ndarray
    papers: np.ndarray
    keys: list[tuple[str, int] | None]
    unread: tuple[str, ...] = ()


def read_table(path: str | Path, name: str) -> ConductivityTable:
    """Read and describe a table.

    A conductivity is a number such as `1.2e-4`, `5.` or `1.2 x 10-4`, after `<` or `≤` where it
    is an upper bound. A length may have its uncertainty in brackets, `5.50(2)`.

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
    if not file.exists():
        raise ModelError(f"{file}: there is no such file")
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
    numbers, unread_cells = _read_numbers(raw)
    cells = _cells(numbers, text, compositions)
    x, reasons = describe_table(cells)
    measured = np.array([_read_conductivity(value) for value in text[SIGMA_S_CM]]).reshape(-1, 2)
    space_groups = cells["space_group_number"]
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
            for c, n in zip(compositions, space_groups, strict=True)
        ],
        unread=tuple(_count_unread(text[SIGMA_S_CM], measured[:, 0]) + unread_cells),
    )


def _read_numbers(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Read space groups, formula units and cells; say what is there and is no number."""
    names = [SPACE_GROUP, FORMULA_UNITS, *LATTICE_KEYS]
    texts = raw.reindex(columns=names, fill_value="").astype(str)
    bare = texts.replace(_UNCERTAINTY, "", regex=True)
    numbers = bare.apply(pd.to_numeric, errors="coerce").astype(float)
    numbers[SPACE_GROUP] = numbers[SPACE_GROUP].where(numbers[SPACE_GROUP].isin(range(1, 231)))
    numbers[FORMULA_UNITS] = numbers[FORMULA_UNITS].where(numbers[FORMULA_UNITS] > 0)
    said = []
    for name in numbers:
        said += _count_unread(texts[name], numbers[name].to_numpy())
    return numbers, said


def _count_unread(texts: pd.Series, values: np.ndarray) -> list[str]:
    """Say how many entries of a column cannot be read, and one of them; nothing where none."""
    unread = texts[(texts.str.strip() != "") & ~np.isfinite(values)]
    if unread.empty:
        return []
    return [f"{len(unread)} of column {texts.name!r} cannot be read, such as {unread.iloc[0]!r}"]


def _cells(cells: pd.DataFrame, text: pd.DataFrame, compositions: list) -> pd.DataFrame:
    """Bring the columns into the form that `describe_table` takes."""
    contents = [read_formula(formula) for formula in text[CONTENTS]]
    n_atoms = [
        np.nan if c is None else (whole.num_atoms if whole is not None else z * c.num_atoms)
        for c, whole, z in zip(compositions, contents, cells[FORMULA_UNITS], strict=True)
    ]
    return cells[list(LATTICE_KEYS)].assign(
        formula=[
            given if c is None else c.formula.replace(" ", "")
            for c, given in zip(compositions, text[FORMULA], strict=True)
        ],
        space_group_number=cells[SPACE_GROUP],
        n_atoms=n_atoms,
    )


def _read_conductivity(text: str) -> tuple[float, bool]:
    """Read a value in S/cm, `<` before a bound: its log10, and whether it is one."""
    match = _CONDUCTIVITY.fullmatch(text.strip().translate(_AS_TYPED))
    value = float(f"{match[2]}e{match[3] or match[4] or 0}") if match else np.nan
    if not 0 < value < np.inf:
        return np.nan, False
    return float(np.log10(value)), bool(match[1])


def _system(composition) -> str:
    if composition is None:
        return ""
    return "-".join(sorted(element.symbol for element in composition))


def _normalised(composition) -> str:
    shares = composition.fractional_composition.get_el_amt_dict()
    return " ".join(f"{symbol}{shares[symbol]:.3f}" for symbol in sorted(shares))
