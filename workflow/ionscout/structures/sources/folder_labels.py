"""Measured conductivities beside a folder of structures, in a CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ionscout.errors import LabelError

Label = dict[str, Any]


class LabelRow(BaseModel):
    """A line of the CSV: a conductivity measured on the crystal of a file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    file: str
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


def read_labels(path: str | Path) -> tuple[dict[str, list[Label]], list[str]]:
    """Read a CSV of measured conductivities.

    Parameters
    ----------
    path : str or Path
        Columns file and sigma_s_cm in S/cm (`<1E-10` is an upper bound);
        optional temperature_k, kind, is_upper_bound, activation_energy_ev and
        reference. A file may have several lines.

    Returns
    -------
    labels : dict of str to list of dict
        The labels by file name.
    faults : list of str
        One line for each row that cannot be used, with its line number.

    Raises
    ------
    LabelError
        When the file is missing, is not a CSV, lacks a needed column or has an
        unknown one.
    """
    table = _read_table(path)
    labels: dict[str, list[Label]] = {}
    faults = []
    for line, row in enumerate(table.to_dict("records"), start=2):
        try:
            label = LabelRow.model_validate({key: value for key, value in row.items() if value})
        except ValidationError as error:
            fault = error.errors()[0]
            column = ".".join(str(part) for part in fault["loc"])
            faults.append(f"{path}, line {line}: {column}: {fault['msg']}; correct the line")
            continue
        labels.setdefault(label.file, []).append(label.model_dump(exclude={"file"}))
    return labels, faults


def _read_table(path: str | Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError:
        raise LabelError(f"labels {path} do not exist: correct the key `labels`") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"labels {path} are not a CSV: {reason}") from None
    known = list(LabelRow.model_fields)
    unknown = [column for column in table.columns if column not in known]
    missing = [column for column in ("file", "sigma_s_cm") if column not in table.columns]
    if unknown or missing:
        faults = [f"unknown column {column!r}" for column in unknown]
        faults += [f"no column {column!r}" for column in missing]
        raise LabelError(f"labels {path}: {', '.join(faults)}; known are {', '.join(known)}")
    return table
