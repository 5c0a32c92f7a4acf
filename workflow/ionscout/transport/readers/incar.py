"""The few keys of a VASP run that its trajectory lacks."""

from __future__ import annotations

import re
from pathlib import Path

from ionscout.errors import TransportError

MOLECULAR_DYNAMICS = 0


def read_incar(path: Path) -> dict[str, str]:
    """Read an INCAR: keys in capitals, values as they stand."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        for part in re.split("[!#]", line)[0].split(";"):
            key, equals, value = part.partition("=")
            if equals:
                found[key.strip().upper()] = value.strip()
    return found


def frame_interval_fs(incar: dict[str, str], where: str, *, block_key: str) -> float | None:
    """Time between frames, POTIM times the steps of a frame; None without POTIM.

    Parameters
    ----------
    incar : dict
        Keys and values.
    where : str
        The file, for messages.
    block_key : str
        The key with the steps between frames (NBLOCK of XDATCAR), 1 by default.

    Raises
    ------
    TransportError
        If the run was no molecular dynamics, or a value is not a number.
    """
    ibrion = _number(incar, "IBRION", where)
    if ibrion is not None and ibrion != MOLECULAR_DYNAMICS:
        raise TransportError(f"{where}: IBRION = {ibrion:g} is not molecular dynamics (0)")
    potim_fs = _number(incar, "POTIM", where)
    block = _number(incar, block_key, where)
    return None if potim_fs is None else potim_fs * (1.0 if block is None else block)


def temperature_k(incar: dict[str, str]) -> float | None:
    """TEBEG in kelvin; None where it is missing, no number, or TEEND differs."""
    try:
        begin = float(incar["TEBEG"])
        return begin if float(incar.get("TEEND", begin)) == begin else None
    except (KeyError, ValueError):
        return None


def _number(incar: dict[str, str], key: str, where: str) -> float | None:
    if key not in incar:
        return None
    try:
        value = float(incar[key].split()[0])
    except (ValueError, IndexError) as error:
        raise TransportError(f"{where}: {key} = {incar[key]} is not a number") from error
    if key != "IBRION" and not value > 0:
        raise TransportError(f"{where}: {key} = {incar[key]} is not positive")
    return value
