"""VASP's vasprun.xml, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers.expat import errors

import numpy as np
from numpy.typing import NDArray

from ionscout.errors import TransportError
from ionscout.transport.readers import incar as incar_keys
from ionscout.transport.readers.source import (
    Frame,
    Options,
    Source,
    expand_species,
    refuse_unknown,
    warn_cut_off,
)
from ionscout.transport.readers.text import open_binary

ATOMS = "atominfo"
STEP = "calculation"
PARAMETERS = ("incar", "parameters")
CUT_OFF = (
    errors.codes[errors.XML_ERROR_NO_ELEMENTS],
    errors.codes[errors.XML_ERROR_UNCLOSED_TOKEN],
    errors.codes[errors.XML_ERROR_PARTIAL_CHAR],
)


def open_vasprun(path: Path, options: Options) -> Source:
    """Open a vasprun.xml.

    It has every ionic step (NBLOCK thins XDATCAR alone), but each ML_OUTBLOCK-th one of a
    run with a machine-learned force field.

    Raises
    ------
    TransportError
        If it holds no atoms or is no vasprun.xml.
    """
    keys: dict[str, str] = {}
    species: list[str] = []
    events = ElementTree.iterparse(open_binary(path), events=("start", "end"))
    try:
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag in PARAMETERS:
                keys = {**_parameters(element), **keys}
            elif event == "end" and element.tag == ATOMS:
                species = _species(element)
                break
    except (ElementTree.ParseError, StopIteration, EOFError) as error:
        raise TransportError(f"{path}: no vasprun.xml, or cut off before the atoms") from error
    if not species:
        raise TransportError(f"{path}: a vasprun.xml without atoms")
    if options.species is not None:
        species = expand_species(options.species, len(species), str(path))
    refuse_unknown(species, str(path))
    interval_fs = None
    if options.frame_interval_fs is None:
        interval_fs = incar_keys.frame_interval_fs(keys, str(path), block_key="ML_OUTBLOCK")
    return Source(
        species=species,
        frames=_frames(path, root, events),
        frame_interval_fs=interval_fs,
        temperature_k=incar_keys.temperature_k(keys),
    )


def _frames(path: Path, root: Any, events: Iterator[tuple[str, Any]]) -> Iterator[Frame]:
    """Yield the structure of each ionic step, forgetting what has been read."""
    try:
        for event, element in events:
            if event == "end" and element.tag == STEP:
                structure = element.find("structure")
                if structure is not None:
                    yield Frame(
                        _table(structure, "./varray[@name='positions']", path),
                        _table(structure, "./crystal/varray[@name='basis']", path),
                    )
                root.clear()
    except EOFError:
        warn_cut_off(str(path))
    except ElementTree.ParseError as error:
        if error.code not in CUT_OFF:
            raise TransportError(f"{path}: damaged ({error})") from error
        warn_cut_off(str(path))


def _table(structure: Any, where: str, path: Path) -> NDArray[np.float64]:
    rows = structure.findall(f"{where}/v")
    try:
        return np.array(" ".join(row.text for row in rows).split(), dtype=float).reshape(-1, 3)
    except ValueError as error:
        raise TransportError(f"{path}: a structure has {error}") from error


def _parameters(element: Any) -> dict[str, str]:
    return {item.get("name", "").upper(): (item.text or "").strip() for item in element.iter("i")}


def _species(element: Any) -> list[str]:
    rows = element.findall("./array[@name='atoms']/set/rc")
    return [row.find("c").text.strip() for row in rows]
