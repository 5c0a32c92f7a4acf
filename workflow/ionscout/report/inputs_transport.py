"""The tables of the transport stage, of a campaign or of a folder of trajectories alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ionscout.report.readers import read_json, read_table
from ionscout.report.tables import format_formula
from ionscout.transport.analysis import CONDUCTIVITY_COLUMNS, DIFFUSIVITY_COLUMNS

DIFFUSIVITY_NEEDED = [
    *("material_id", "temperature_k", "verdict", "reason", "diffusivity_cm2_s"),
    *("diffusivity_low_cm2_s", "diffusivity_high_cm2_s", "diffusivity_upper_bound_cm2_s"),
]
MSD_NEEDED = ["temperature_k", "lag_ps", "msd_li_ang2", "msd_framework_ang2", "in_fit"]
MSD_SHOWN = [
    *("material_id", "replica", *MSD_NEEDED, "msd_li_error_ang2"),
    *("exponent", "fit_ang2", "fit_low_ang2", "fit_high_ang2"),
]
DENSITY_COLUMNS = [
    *("material_id", "temperature_k", "replica", "axis", "i", "j"),
    *("x_ang", "y_ang", "lithium_ang2"),
]
CONDUCTIVITY_NEEDED = ["material_id", "formula", "engine", "verdict", "sigma_300k_s_cm", "reason"]
MEASURED_COLUMNS = ["material_id", "sigma_rt_s_cm", "is_upper_bound", "temperature_k"]


@dataclass(frozen=True)
class Transport:
    """What the transport stage found, of all materials.

    `measured` holds the conductivities known from experiments (`MEASURED_COLUMNS`),
    `formulas` the materials' formulas by id; either may lack materials.
    """

    diffusivity: pd.DataFrame
    msd: pd.DataFrame
    density: pd.DataFrame
    arrhenius: Mapping[str, Mapping[str, Any]]
    conductivity: pd.DataFrame
    measured: pd.DataFrame
    formulas: Mapping[str, str]

    def name(self, material_id: str) -> str:
        """Name a material by formula and id, or by its id alone."""
        formula = self.formulas.get(material_id, material_id)
        if formula == material_id:
            return material_id
        return f"{format_formula(formula)} ({material_id})"


def read_transport(folder: Path) -> Transport:
    """Read what `python -m ionscout.transport` left in a folder.

    Parameters
    ----------
    folder : Path
        Holds diffusivity.csv, msd.parquet, density.parquet, conductivity.csv and
        arrhenius.json.

    Returns
    -------
    Transport
        Without measured values.

    Raises
    ------
    CampaignError
        A file is missing or lacks a column.
    """
    conductivity = read_conductivity(folder / "conductivity.csv")
    formulas = dict(zip(conductivity["material_id"], conductivity["formula"], strict=True))
    return Transport(
        diffusivity=read_diffusivity(folder / "diffusivity.csv"),
        msd=read_msd(folder / "msd.parquet"),
        density=read_table(folder / "density.parquet", DENSITY_COLUMNS),
        arrhenius=read_json(folder / "arrhenius.json"),
        conductivity=conductivity,
        measured=pd.DataFrame(columns=MEASURED_COLUMNS),
        formulas={key: str(formula) for key, formula in formulas.items()},
    )


def read_diffusivity(path: Path) -> pd.DataFrame:
    """Read a row a run; what a table of an older version lacks is missing."""
    table = _read_widened(path, DIFFUSIVITY_NEEDED, list(DIFFUSIVITY_COLUMNS))
    return table.assign(replica=_replicas(table))


def read_msd(path: Path, material_id: str | None = None) -> pd.DataFrame:
    """Read the curves of the runs, of the material named where the table does not name it."""
    table = _read_widened(path, MSD_NEEDED, MSD_SHOWN)
    if material_id is not None:
        table = table.assign(material_id=material_id)
    return table.assign(replica=_replicas(table))


def read_conductivity(path: Path) -> pd.DataFrame:
    """Read a row a material; what a table of an older version lacks is missing."""
    return _read_widened(path, CONDUCTIVITY_NEEDED, list(CONDUCTIVITY_COLUMNS))


def _read_widened(path: Path, needed: list[str], shown: list[str]) -> pd.DataFrame:
    return read_table(path, needed).reindex(columns=shown)


def _replicas(table: pd.DataFrame) -> pd.Series:
    return table["replica"].astype(float).fillna(0).astype(int)
