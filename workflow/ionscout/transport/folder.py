"""A folder of trajectories that were run elsewhere: which files are which run, and analysis."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ionscout.config import TransportSettings
from ionscout.dynamics.records import EXTERNAL
from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.analysis import analyse_trajectories
from ionscout.transport.conclusion import conclude_runs
from ionscout.transport.readers import (
    format_of,
    natural_key,
    read_trajectory,
    temperature_of,
)

RUN_FILE = "run.yaml"
INCAR = "INCAR"
NAMES = "XDATCAR, vasprun.xml, *.lammpstrj, *.dump, dump.*, *.extxyz, *.traj, *.xtc, *.trr, *.dcd"
VASP_FORMATS = ["vasprun", "xdatcar"]
KEYS = tuple(name for name in inspect.signature(read_trajectory).parameters if name != "paths")
PATH_KEYS = ("topology", "scratch_dir")
KELVIN = re.compile(r"(?:^|[_\-. ])T?=?(\d+(?:\.\d+)?)[ _]?K(?:$|[_\-. ])", re.IGNORECASE)
ONLY_KELVIN = re.compile(r"T?=?\d+(?:\.\d+)?[ _]?K", re.IGNORECASE)
SAME_KELVIN = 1.0


@dataclass(frozen=True)
class Run:
    """A run of a folder.

    `replica` counts, from 0, the runs of one material at one temperature. `temperature_k`
    is None where only the files may say it; `load` then gives it with the trajectory.
    `fault` says why a run cannot be read, in one line.
    """

    material_id: str
    replica: int
    temperature_k: float | None
    source: str
    paths: list[Path] = field(default_factory=list)
    keywords: dict[str, Any] = field(default_factory=dict)
    fault: str | None = None

    def load(self) -> Trajectory:
        """Read the trajectory.

        Returns
        -------
        Trajectory
            With a temperature.

        Raises
        ------
        TransportError
            As `read_trajectory`, or if nobody said the temperature.
        """
        if self.fault is not None:
            raise TransportError(self.fault)
        trajectory = read_trajectory(self.paths, **self.keywords)
        if trajectory.temperature_k is None:
            raise TransportError(
                f"{self.source}: the temperature is not known: give temperature_k in "
                f"{RUN_FILE}, or name a folder such as 600K"
            )
        return trajectory


def find_runs(folder: str | Path, **keywords: Any) -> list[Run]:
    """Find the runs below a folder.

    Each folder that holds trajectory files is one run, its files consecutive pieces. The
    material is the first folder below the root, or the root's name where there is none or
    it is a bare temperature. Links to folders elsewhere are followed.
    Keyword arguments of `read_trajectory` come from `run.yaml`, a nearer folder's before
    one further up, with paths relative to it; the temperature also from the files and from
    the name of the nearest folder such as `600K`, which have to agree.

    Parameters
    ----------
    folder : path
        The root.
    **keywords
        Keyword arguments of `read_trajectory` for all runs; `run.yaml` comes first.

    Returns
    -------
    list of Run
        By material, temperature and place. What cannot be read carries its `fault`.

    Raises
    ------
    TransportError
        If there is no such folder, or no trajectory in it.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise TransportError(f"{folder}: no such folder")
    found = []
    for place in _folders(root):
        try:
            paths = _trajectories(place)
        except OSError as error:
            found.append(_unread(root, place, f"{place}: cannot be read ({error.strerror})"))
            continue
        if paths:
            found.append(_run(root, place, paths, keywords))
    if not found:
        raise TransportError(f"{folder}: no trajectory files below it (named {NAMES})")
    return _with_replicas(found)


def input_files(folder: str | Path) -> list[Path]:
    """List all files that the analysis of a folder reads.

    Parameters
    ----------
    folder : path
        The root.

    Returns
    -------
    list of Path
        Trajectories, each `run.yaml` and INCAR of theirs, and topologies.

    Raises
    ------
    TransportError
        As `find_runs`.
    """
    return sorted({path for run in find_runs(folder) for path in files_of(run, folder)})


def files_of(run: Run, folder: str | Path) -> list[Path]:
    """List all files that the reading of one run of a folder takes, as `input_files`."""
    if not run.paths:
        return []
    place, topology = run.paths[0].parent, run.keywords.get("topology")
    said = _run_files(Path(folder).resolve(), place)
    wanted = [place / INCAR, *said, *([topology] if topology else [])]
    return sorted({*run.paths, *(path for path in wanted if os.path.isfile(path))})


def analyse_folder(
    runs: list[Run],
    output: Path,
    settings: TransportSettings,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge the runs of a folder and write the tables.

    Parameters
    ----------
    runs : list of Run
        From `find_runs`.
    output : Path
        The folder for diffusivity.csv, msd.parquet, density.parquet, conductivity.csv and
        arrhenius.json; made where it is missing.
    settings : TransportSettings
        The section `transport` of the configuration.
    progress : callable, optional
        Gets a line at the end of each run.

    Returns
    -------
    diffusivity, conductivity : DataFrame
        One row a run, and one a material.
    """
    output.mkdir(parents=True, exist_ok=True)
    described = [
        (run.material_id, run.replica, run.temperature_k, EXTERNAL, run.load) for run in runs
    ]
    diffusivity, msd, density = analyse_trajectories(described, settings, progress=progress)
    conductivity, arrhenius = conclude_runs(diffusivity, settings)
    diffusivity.to_csv(output / "diffusivity.csv", index=False)
    msd.to_parquet(output / "msd.parquet", index=False)
    density.to_parquet(output / "density.parquet", index=False)
    conductivity.to_csv(output / "conductivity.csv", index=False)
    (output / "arrhenius.json").write_text(json.dumps(arrhenius, indent=2))
    return diffusivity, conductivity


def _folders(root: Path) -> list[Path]:
    """List the folders below the root and itself; links that lead out of it are followed."""
    found, seen, closed = [], set(), []
    for name, below, _ in os.walk(
        root, followlinks=True, onerror=lambda error: closed.append(Path(error.filename))
    ):
        place = Path(name)
        real = place.resolve()
        if real in seen or (place.is_symlink() and real.is_relative_to(root)):
            below.clear()
            continue
        seen.add(real)
        found.append(place)
    return sorted([*found, *closed], key=natural_key)


def _trajectories(place: Path) -> list[Path]:
    """List the trajectory files of a folder in natural order."""
    found = []
    for path in sorted(filter(Path.is_file, place.iterdir()), key=natural_key):
        try:
            format_of(path)
        except TransportError:
            continue
        found.append(path)
    return found


def _run(root: Path, place: Path, paths: list[Path], keywords: dict[str, Any]) -> Run:
    """Describe one run, with its fault where `run.yaml` or its files are at odds."""
    try:
        said = {**keywords, **_said(root, place)}
        paths = _one_format(place, paths, said)
    except TransportError as error:
        return _unread(root, place, str(error), paths)
    kelvin = said.get("temperature_k")
    if kelvin is None:
        kelvin, named = _kelvin_of_files(paths, said), _named_kelvin(root, place)
        if kelvin is None:
            kelvin = said["temperature_k"] = named
        elif named is not None and abs(kelvin - named) > SAME_KELVIN:
            fault = (
                f"{place}: {kelvin:g} K in the files, but {named:g} K in the folder's name: "
                f"give temperature_k in {RUN_FILE}"
            )
            return _unread(root, place, fault, paths)
    return replace(_unread(root, place, None, paths), temperature_k=kelvin, keywords=said)


def _unread(root: Path, place: Path, fault: str | None, paths: Sequence[Path] = ()) -> Run:
    """Describe a run by its place."""
    parts = place.relative_to(root).parts
    named = bool(parts) and not ONLY_KELVIN.fullmatch(parts[0])
    return Run(
        material_id=parts[0] if named else root.name,
        replica=0,
        temperature_k=_named_kelvin(root, place),
        source=str(place.relative_to(root)) if parts else place.name,
        paths=list(paths),
        fault=fault,
    )


def _kelvin_of_files(paths: list[Path], said: dict[str, Any]) -> float | None:
    """Ask the first file for its temperature, without reading its frames."""
    try:
        return temperature_of(paths[0], format=said.get("format"))
    except TransportError:
        return None


def _said(root: Path, place: Path) -> dict[str, Any]:
    """Merge the `run.yaml` of a folder with those above it, up to the root."""
    said: dict[str, Any] = {}
    for path in _run_files(root, place):
        said |= _read_run_file(path)
    return said


def _run_files(root: Path, place: Path) -> list[Path]:
    """List the `run.yaml` of a folder and those above it, the root's first."""
    within = place.relative_to(root).parts
    paths = [root.joinpath(*within[:depth]) / RUN_FILE for depth in range(len(within) + 1)]
    return [path for path in paths if os.path.isfile(path)]


def _read_run_file(path: Path) -> dict[str, Any]:
    """Read one `run.yaml`; paths in it are relative to it."""
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TransportError(f"{path}: no YAML ({' '.join(str(error).split())})") from error
    except OSError as error:
        raise TransportError(f"{path}: cannot be read ({error.strerror})") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise TransportError(f"{path}: keys with values are due, of {', '.join(KEYS)}")
    for key, value in content.items():
        if key not in KEYS:
            raise TransportError(f"{path}: unknown key {key!r}; one of {', '.join(KEYS)}")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if key in ("frame_interval_fs", "temperature_k") and not is_number:
            raise TransportError(f"{path}: {key} = {value!r} is not a number")
        if key == "species" and not isinstance(value, list):
            raise TransportError(f"{path}: species = {value!r} is not a list of elements")
    return {
        key: path.parent / str(value) if key in PATH_KEYS else value
        for key, value in content.items()
    }


def _one_format(place: Path, paths: list[Path], said: dict[str, Any]) -> list[Path]:
    """Keep the files of the format that was asked for; refuse two formats at once.

    VASP writes the same run twice: its XDATCAR is read where an INCAR has the time step.
    """
    wanted = said.get("format")
    formats = sorted({format_of(path) for path in paths})
    if wanted is None and formats == VASP_FORMATS:
        wanted = "xdatcar" if (place / INCAR).is_file() else "vasprun"
    if wanted is not None:
        same = [path for path in paths if format_of(path) == wanted]
        return same or paths
    if len(formats) > 1:
        raise TransportError(
            f"{place}: files of the formats {' and '.join(formats)}; say which by format in "
            f"{RUN_FILE}"
        )
    return paths


def _named_kelvin(root: Path, place: Path) -> float | None:
    """Temperature from the name of the nearest folder that has one."""
    for name in (*reversed(place.relative_to(root).parts), root.name):
        match = KELVIN.search(name)
        if match and float(match[1]) > 0:
            return float(match[1])
    return None


def _with_replicas(runs: list[Run]) -> list[Run]:
    """Sort the runs and number those of one material at one temperature."""
    counts: dict[tuple[str, float | None], int] = {}
    numbered = []
    for run in sorted(
        runs, key=lambda run: (natural_key(run.material_id), run.temperature_k or 0.0)
    ):
        key = run.material_id, run.temperature_k
        numbered.append(replace(run, replica=counts.get(key, 0)))
        counts[key] = counts.get(key, 0) + 1
    return numbered
