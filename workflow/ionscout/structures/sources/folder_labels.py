"""Measured conductivities beside a folder of structures, in a CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ionscout.errors import LabelError
from ionscout.structures.sources.folder_composition import read_formula

Label = dict[str, Any]
_TARGETS = ("file", "material_id", "formula")


class LabelRow(BaseModel):
    """A line of the CSV: a conductivity, and what it was measured on.

    That is a file, with a block of it where it holds several; a material by its
    id; or a formula and the number of a space group.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    file: str = ""
    block: str = ""
    material_id: str = ""
    formula: str = ""
    space_group_number: Annotated[int, Field(ge=1, le=230)] | None = None
    sigma_s_cm: Annotated[float, Field(gt=0)]
    is_upper_bound: bool = False
    temperature_k: Annotated[float, Field(gt=0)] = 298.0
    kind: Literal["bulk", "total", "unknown"] = "unknown"
    activation_energy_ev: Annotated[float, Field(ge=0)] | None = None
    reference: str = ""

    @model_validator(mode="before")
    @classmethod
    def _read_bound(cls, data: dict[str, str]) -> dict[str, str]:
        """Take a conductivity written as `<1E-10` for an upper bound."""
        sigma = data.get("sigma_s_cm", "").strip()
        if sigma.startswith("<"):
            return {**data, "sigma_s_cm": sigma[1:].lstrip("="), "is_upper_bound": "true"}
        return data

    @field_validator("formula")
    @classmethod
    def _formula_is_one(cls, formula: str) -> str:
        if read_formula(formula) is None:
            raise ValueError(f"{formula!r} is not a formula")
        return formula

    @model_validator(mode="after")
    def _has_one_target(self) -> LabelRow:
        if sum(bool(getattr(self, target)) for target in _TARGETS) != 1:
            raise ValueError("give one of file, material_id, and formula with space_group_number")
        if bool(self.formula) != (self.space_group_number is not None):
            raise ValueError("formula and space_group_number go together")
        return self

    def label(self) -> Label:
        """Write the line up as a label of a record.

        Returns
        -------
        dict
        """
        return self.model_dump(exclude={*_TARGETS, "block", "space_group_number"})


def read_labels(path: str | Path) -> tuple[dict[int, LabelRow], list[str]]:
    """Read a CSV of measured conductivities.

    Parameters
    ----------
    path : str or Path
        Columns sigma_s_cm in S/cm (`<1E-10` is an upper bound), and file or
        material_id or formula and space_group_number; optional block,
        temperature_k, kind, is_upper_bound, activation_energy_ev and reference.
        A material may have several lines.

    Returns
    -------
    rows : dict of int to LabelRow
        By line number.
    faults : list of str
        One line for each row that cannot be used, with its line number.

    Raises
    ------
    LabelError
        When the file is missing, is not a CSV, lacks a needed column or has an
        unknown one.
    """
    table = _read_table(path)
    rows: dict[int, LabelRow] = {}
    faults = []
    for line, row in enumerate(table.to_dict("records"), start=2):
        try:
            rows[line] = LabelRow.model_validate(
                {key: value for key, value in row.items() if value}
            )
        except ValidationError as error:
            fault = error.errors()[0]
            column = "".join(f"{part}: " for part in fault["loc"])
            message = fault["msg"].removeprefix("Value error, ")
            faults.append(f"{path}, line {line}: {column}{message}; correct the line")
    return rows, faults


def _read_table(path: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise LabelError(f"labels {path} do not exist: correct the key `labels`") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"labels {path} are not a CSV: {reason}") from None
    known = list(LabelRow.model_fields)
    faults = [f"unknown column {column!r}" for column in table.columns if column not in known]
    if "sigma_s_cm" not in table.columns:
        faults.append("no column 'sigma_s_cm'")
    if not set(_TARGETS) & set(table.columns):
        faults.append("no column 'file', 'material_id' or 'formula'")
    if faults:
        raise LabelError(f"labels {path}: {', '.join(faults)}; known are {', '.join(known)}")
    return table
