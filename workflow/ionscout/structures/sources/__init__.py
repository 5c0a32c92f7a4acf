"""Sources of crystals behind one interface: a module a kind, `pull` for all."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

from pymatgen.core import Structure

from ionscout.config import MaterialsProjectSource, Settings
from ionscout.errors import SourceError
from ionscout.structures.records import Record, failure
from ionscout.structures.sources.cache import pulled_answers
from ionscout.structures.sources.context import PullContext

logger = logging.getLogger("ionscout")

SKIP = "skip"


def pull(name: str, settings: Settings, context: PullContext) -> list[Record]:
    """Pull all crystals of a source.

    Parameters
    ----------
    name : str
        The source's name in the config; it begins every material id.
    settings : one of the classes of sources
        Its `kind` is the name of the module that does it.
    context : PullContext

    Returns
    -------
    list of dict
        Records of materials and of failures, as a source file holds them.

    Raises
    ------
    SourceError
        When the source as a whole cannot be pulled.
    """
    return importlib.import_module(f"{__name__}.{settings.kind}").pull(name, settings, context)


def pull_or_skip(
    name: str, settings: Settings, folder: Path, parents: list[Record], *, refresh: bool
) -> list[Record]:
    """Pull all crystals of a source; one that may be skipped fails as a record.

    Parameters
    ----------
    name : str
    settings : one of the classes of sources
    folder : Path
        Where the source's raw answers are kept.
    parents : list of dict
        As `PullContext.parents`.
    refresh : bool
        Pull again what was pulled.

    Returns
    -------
    list of dict
        Its failure alone where the source as a whole failed and `on_failure` is `skip`.

    Raises
    ------
    SourceError
        When the source failed and may not be skipped.
    """
    try:
        with pulled_answers(folder, refresh=refresh) as answers:
            return pull(name, settings, PullContext(cache=answers, parents=parents))
    except SourceError as error:
        if getattr(settings, "on_failure", None) != SKIP:
            raise
        if refresh:
            logger.warning("%s; what it gave before is used", error)
            return pull_or_skip(name, settings, folder, parents, refresh=False)
        reason = f"{error}; `make refresh` tries again"
        return [failure(material_id=name, source=name, stage="pull", reason=reason)]


def pull_entries(
    name: str,
    settings: MaterialsProjectSource,
    folder: Path,
    records: list[Record],
    *,
    refresh: bool,
) -> list[Record]:
    """Pull the entries of the chemical systems that a source was asked for, or gave.

    Parameters
    ----------
    name : str
    settings : MaterialsProjectSource
    folder : Path
        Where the source's raw answers are kept.
    records : list of dict
        What the source gave.
    refresh : bool
        Pull again what was pulled.

    Returns
    -------
    list of dict
        Each a pymatgen `ComputedEntry`; none where the source was skipped.

    Raises
    ------
    SourceError
        When the source failed and may not be skipped.
    """
    module = importlib.import_module(f"{__name__}.{settings.kind}")
    systems = settings.chemical_systems or _systems_of(name, records, module.MOST_ELEMENTS)
    try:
        with pulled_answers(folder, refresh=refresh) as answers:
            return module.pull_entries(settings, systems, PullContext(cache=answers))
    except SourceError as error:
        if settings.on_failure != SKIP:
            raise
        logger.warning("%s: %s", name, error)
        return pull_entries(name, settings, folder, records, refresh=False) if refresh else []


def _systems_of(name: str, records: list[Record], most_elements: int) -> list[str]:
    structures = [record["structure"] for record in records if "structure" in record]
    found = {Structure.from_dict(structure).chemical_system for structure in structures}
    for system in [one for one in found if one.count("-") >= most_elements]:
        logger.warning("%s: %s has too many elements; its entries are left out", name, system)
        found.remove(system)
    return sorted(found)
