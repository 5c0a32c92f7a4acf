"""The collections in which the bundled values were read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pymatgen.core import Composition, DummySpecies

from ionscout.errors import BundledDataError

RESOURCES = Path(__file__).parents[3] / "resources"
UNTRACED = "untraced"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Source:
    """A collection in which values were read: what it is and its licence."""

    what: str
    licence: str


_SOURCES = TypeAdapter(dict[str, Source])


def read_yaml(path: Path) -> Any:
    """Read a YAML file of the bundled data.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Any

    Raises
    ------
    BundledDataError
        When the file cannot be read or is no YAML; the line is named.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        raise BundledDataError(f"{path}: the file cannot be read") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise BundledDataError(f"{path}{line}: not valid YAML") from None


def read_csv(
    path: Path, columns: Sequence[str], *, dtype: Any = str, na_values: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a table of the bundled data, which has to have just these columns.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        In this order.
    dtype, na_values
        As in `pandas.read_csv`; every cell is text unless told.

    Returns
    -------
    DataFrame

    Raises
    ------
    BundledDataError
        When the file cannot be read, or has other columns.
    """
    try:
        table = pd.read_csv(path, dtype=dtype, na_values=na_values, keep_default_na=False)
    except (OSError, ValueError):
        raise BundledDataError(f"{path}: the file cannot be read as CSV") from None
    if list(table.columns) != list(columns):
        raise BundledDataError(f"{path}: the columns have to be {', '.join(columns)}")
    return table


def first_fault(error: ValidationError) -> str:
    """Say in one line what the first fault is, and of which key.

    Parameters
    ----------
    error : ValidationError

    Returns
    -------
    str
    """
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def parse_formula(formula: str) -> Composition:
    """Read a formula of known elements.

    Parameters
    ----------
    formula : str

    Returns
    -------
    Composition

    Raises
    ------
    ValueError
    """
    try:
        composition = Composition(formula)
    except ValueError:
        composition = Composition()
    if not composition or any(isinstance(one, DummySpecies) for one in composition):
        raise ValueError(f"{formula!r} is no formula")
    return composition


def load_sources(resources: str | Path = RESOURCES) -> dict[str, Source]:
    """Read the list of sources.

    Parameters
    ----------
    resources : path-like
        The folder that holds `sources.yaml`.

    Returns
    -------
    dict of str to Source
        By the key that stands in `read_in`.

    Raises
    ------
    BundledDataError
        When the file is missing or a source lacks what it is or its licence.
    """
    path = Path(resources) / "sources.yaml"
    try:
        return _SOURCES.validate_python(read_yaml(path))
    except ValidationError as error:
        raise BundledDataError(f"{path}: {first_fault(error)}") from None
