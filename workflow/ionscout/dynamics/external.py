"""The engine `external`: trajectories that the user ran elsewhere, in place of runs of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from ionscout.dynamics.records import EXTERNAL, empty_cell, empty_run
from ionscout.errors import TransportError
from ionscout.transport.folder import SAME_KELVIN, Run, find_runs
from ionscout.transport.readers import format_of


def describe_external_cell(
    structure: Structure, *, material_id: str, unused: Sequence[str]
) -> dict[str, Any]:
    """Return the content of `cell.json` for a material whose runs lie in a folder.

    Parameters
    ----------
    structure : Structure
        The curated crystal, which stays as it is.
    material_id : str
    unused : sequence of str
        Runs of the folder that no run of the campaign takes, from `unused_runs`.

    Returns
    -------
    dict
        As of `prepare_cell`; what a relaxation would say is None.
    """
    remark = "run elsewhere: neither relaxed nor repeated here"
    if unused:
        remark += f"; not on the ladder of temperatures and replicas: {', '.join(unused)}"
    return empty_cell(material_id, EXTERNAL) | {
        "structure": structure.as_dict(),
        "n_atoms": len(structure),
        "status": "ready",
        "reason": remark,
    }


def runs_at(runs: Iterable[Run], material_id: str, temperature_k: float) -> list[Run]:
    """Return the replicas of a material at a temperature, known to 1 K."""
    return [
        run
        for run in runs
        if run.material_id == material_id
        and run.temperature_k is not None
        and abs(run.temperature_k - temperature_k) <= SAME_KELVIN
    ]


def unused_runs(
    runs: Sequence[Run], material_id: str, ladder: Iterable[tuple[float, int]]
) -> list[str]:
    """Name a material's runs in the folder that no run of the campaign takes.

    Parameters
    ----------
    runs : sequence of Run
        From `find_runs`.
    material_id : str
    ladder : iterable of (temperature_k, replica)
        The campaign's runs of the material.

    Returns
    -------
    list of str
        Their places in the folder.
    """
    taken = [
        run.source
        for temperature_k, replica in ladder
        for run in runs_at(runs, material_id, temperature_k)[replica : replica + 1]
    ]
    own = [run.source for run in runs if run.material_id == material_id]
    return [source for source in own if source not in taken]


def read_external(
    cell: dict[str, Any], *, temperature_k: float, replica: int, folder: str | Path
) -> dict[str, Any]:
    """Return the record of a run that lies in a folder.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    temperature_k : float
    replica : int
        Counts, from 0, the folder's runs of the material at the temperature.
    folder : str or Path
        Laid out as `find_runs` says, its first folders named by material_id.

    Returns
    -------
    dict
        The content of `run.json`, with `files` and the keyword arguments of
        `read_trajectory` in `reader`. `engine_version` holds the format and a hash of the
        files, so that a change of theirs is one of the record. A run that cannot be read
        has failed; one that is not there is not_run.
    """
    run = empty_run(cell, temperature_k=temperature_k, replica=replica, reason="")
    run |= {"files": [], "reader": {}}
    try:
        found = runs_at(find_runs(folder), cell["material_id"], temperature_k)
    except TransportError as error:
        return run | {"reason": f"dynamics.external: {error}"}
    if replica >= len(found):
        where = f"below {folder}/{cell['material_id']}"
        return run | {
            "reason": f"{len(found)} runs at {temperature_k:g} K {where}, {replica + 1} wanted"
        }
    chosen = found[replica]
    run["files"] = [str(path) for path in chosen.paths]
    run["reader"] = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in chosen.keywords.items()
    }
    try:
        return run | _describe(chosen, cell) | {"status": "finished"}
    except (TransportError, OSError) as error:
        return run | {"status": "failed", "reason": str(error)}


def _describe(chosen: Run, cell: dict[str, Any]) -> dict[str, Any]:
    """Read a run, and say its length and what it is."""
    trajectory = chosen.load()
    wanted = sorted({site.specie.symbol for site in Structure.from_dict(cell["structure"])})
    if sorted(set(trajectory.species)) != wanted:
        raise TransportError(
            f"{chosen.source}: holds {', '.join(sorted(set(trajectory.species)))}, but"
            f" {cell['material_id']} is of {', '.join(wanted)}; is it in the right folder?"
        )
    kinetic_k = trajectory.kinetic_temperature_k
    formats = sorted({format_of(path) for path in chosen.paths})
    return {
        "engine_version": f"{', '.join(formats)}, sha256 {_digest(chosen.paths)}",
        "frame_interval_fs": trajectory.frame_interval_fs,
        "production_ps": len(trajectory.positions_ang) * trajectory.frame_interval_fs / 1000,
        "n_frames": len(trajectory.positions_ang),
        "mean_temperature_k": None if kinetic_k is None else float(kinetic_k.mean()),
    }


def _digest(paths: Iterable[Path]) -> str:
    """Hash the contents of files, however large."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
