"""The transport stage: runs in, a verdict a run and a conductivity a material out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ionscout.config import TransportSettings
from ionscout.dynamics.records import EXTERNAL
from ionscout.dynamics.store import load_trajectory
from ionscout.errors import DynamicsError, TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.conclusion import (
    CONDUCTIVITY_COLUMNS,
    conclude_runs,
    conductivity_table,
)
from ionscout.transport.readers import read_trajectory
from ionscout.transport.reasons import PLUMBING, PLUMBING_NOTE
from ionscout.transport.trajectory import DENSITY_COLUMNS, MSD_COLUMNS, analyse_trajectory
from ionscout.transport.verdict import EXPLODED, MELTED, NOT_RUN, UNRESOLVED

__all__ = [
    "CONDUCTIVITY_COLUMNS",
    "DENSITY_TABLE_COLUMNS",
    "DIFFUSIVITY_COLUMNS",
    "MSD_TABLE_COLUMNS",
    "RunFailedError",
    "analyse_material",
    "analyse_trajectories",
    "conclude_runs",
    "conductivity_table",
]

DIFFUSIVITY_COLUMNS = (
    "material_id",
    "temperature_k",
    "replica",
    "engine",
    "verdict",
    "reason",
    "diffusivity_cm2_s",
    "diffusivity_low_cm2_s",
    "diffusivity_high_cm2_s",
    "ln_diffusivity_mean",
    "ln_diffusivity_sd",
    "sigma_s_cm",
    "sigma_low_s_cm",
    "sigma_high_s_cm",
    "diffusivity_upper_bound_cm2_s",
    "collective_diffusivity_cm2_s",
    "collective_diffusivity_low_cm2_s",
    "collective_diffusivity_high_cm2_s",
    "sigma_collective_s_cm",
    "sigma_collective_low_s_cm",
    "sigma_collective_high_s_cm",
    "haven_ratio",
    "haven_ratio_low",
    "haven_ratio_high",
    "diffusivity_xx_cm2_s",
    "diffusivity_yy_cm2_s",
    "diffusivity_zz_cm2_s",
    "diffusivity_yz_cm2_s",
    "diffusivity_xz_cm2_s",
    "diffusivity_xy_cm2_s",
    "anisotropy",
    "fit_start_ps",
    "fit_end_ps",
    "msd_exponent",
    "msd_li_max_ang2",
    "msd_framework_max_ang2",
    "n_jumps",
    "jump_rate_per_ion_ps",
    "jump_length_ang",
    "n_lithium",
    "lithium_density_cm3",
    "production_ps",
)
MSD_TABLE_COLUMNS = ("material_id", "replica", *MSD_COLUMNS)
DENSITY_TABLE_COLUMNS = ("material_id", "replica", *DENSITY_COLUMNS)
Run = tuple[str, int, float | None, str, Callable[[], Trajectory]]


class RunFailedError(TransportError):
    """A run that left no trajectory, with the verdict for its row."""

    def __init__(self, reason: str, verdict: str):
        super().__init__(reason)
        self.verdict = verdict


def analyse_trajectories(
    runs: Iterable[Run],
    settings: TransportSettings,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Judge runs of one or many materials, one at a time.

    Parameters
    ----------
    runs : iterable of (material_id, replica, temperature_k, source, load)
        `source` is the engine or what else made the run; `load()` returns its
        `Trajectory` and may raise a `TransportError`, `DynamicsError` or OSError, which
        becomes the row's reason. A temperature of None is taken from the trajectory.
    settings : TransportSettings
        The section `transport` of the configuration.
    progress : callable, optional
        Gets a line at the end of each run.

    Returns
    -------
    diffusivity : DataFrame
        One row a run, columns `DIFFUSIVITY_COLUMNS`.
    msd : DataFrame
        The curves of the runs that could be analysed, columns `MSD_TABLE_COLUMNS`.
    density : DataFrame
        The lithium density of each material's hottest run that has not melted, columns
        `DENSITY_TABLE_COLUMNS`.
    """
    rows, curves, densities = [], [], {}
    for material_id, replica, temperature_k, source, load in runs:
        row = dict.fromkeys(DIFFUSIVITY_COLUMNS) | {
            "material_id": material_id,
            "temperature_k": temperature_k,
            "replica": replica,
            "engine": source,
        }
        try:
            trajectory = _at_temperature(load(), temperature_k)
            found, curve, density = analyse_trajectory(trajectory, settings=settings)
            row |= found | {"temperature_k": trajectory.temperature_k}
            curves.append(curve.assign(material_id=material_id, replica=replica))
            hottest_k = densities.get(material_id, (0.0, None))[0]
            if found["verdict"] != MELTED and trajectory.temperature_k > hottest_k:
                mapped = density.assign(material_id=material_id, replica=replica)
                densities[material_id] = trajectory.temperature_k, mapped
        except RunFailedError as error:
            row |= {"verdict": error.verdict, "reason": str(error)}
        except (DynamicsError, TransportError, OSError) as error:
            row |= {"verdict": UNRESOLVED, "reason": str(error)}
        if source == PLUMBING:
            row["reason"] = f"{PLUMBING_NOTE}: {row['reason']}"
        rows.append(row)
        if progress:
            kelvin = row["temperature_k"]
            at = "unknown temperature" if kelvin is None else f"{kelvin:g} K"
            progress(f"{material_id}, {at}, {replica}: {row['verdict']}; {row['reason']}")
    return (
        _typed(rows),
        _joined(curves, MSD_TABLE_COLUMNS),
        _joined([density for _, density in densities.values()], DENSITY_TABLE_COLUMNS),
    )


def analyse_material(
    cell: dict[str, Any],
    runs: list[dict[str, Any]],
    *,
    store_dir: Path | str,
    settings: TransportSettings,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Judge each run of a material of the campaign.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    runs : list of dict
        The content of each `run.json`.
    store_dir : Path or str
        The store of trajectories.
    settings : TransportSettings
        The section `transport` of the configuration.

    Returns
    -------
    diffusivity, msd, density : DataFrame
        As of `analyse_trajectories`.
    """
    stored = _stored_runs(cell["material_id"], runs, store_dir)
    diffusivity, msd, density = analyse_trajectories(stored, settings)
    asked_ps = pd.Series([run["production_ps"] for run in runs], dtype=float)
    diffusivity["production_ps"] = diffusivity["production_ps"].fillna(asked_ps)
    return diffusivity, msd, density


def _stored_runs(
    material_id: str, runs: list[dict[str, Any]], store_dir: Path | str
) -> Iterator[Run]:
    """Turn records of runs into what `analyse_trajectories` takes."""
    for run in runs:
        load = partial(_load, run, store_dir)
        yield material_id, run["replica"], run["temperature_k"], run["engine"], load


def _load(run: dict[str, Any], store_dir: Path | str) -> Trajectory:
    """Load a run that finished, from the store or from the user's files."""
    if run["status"] == "finished":
        if run["engine"] == EXTERNAL:
            return read_trajectory(run["files"], **run["reader"])
        return load_trajectory(store_dir, run["key"], run["production_ps"])
    exploded = run["status"] == "failed" and run["reason"].startswith(EXPLODED)
    verdict = EXPLODED if exploded else NOT_RUN
    raise RunFailedError(run["reason"], verdict)


def _at_temperature(trajectory: Trajectory, temperature_k: float | None) -> Trajectory:
    """Give a trajectory the temperature that its run is known to have."""
    if temperature_k is not None:
        return replace(trajectory, temperature_k=float(temperature_k))
    if trajectory.temperature_k is None:
        raise TransportError("the temperature is not known: give temperature_k")
    return trajectory


def _joined(tables: list[pd.DataFrame], columns: tuple[str, ...]) -> pd.DataFrame:
    """Stack tables, of which there may be none."""
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return joined.reindex(columns=list(columns))


def _typed(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Gather rows: numbers as floats, NaN where there is none, replicas counted."""
    table = pd.DataFrame(rows, columns=DIFFUSIVITY_COLUMNS)
    words = {"material_id", "engine", "verdict", "reason"}
    numbers = [name for name in DIFFUSIVITY_COLUMNS if name not in words]
    return table.astype(dict.fromkeys(numbers, float) | {"replica": int})
