"""Sources of crystals behind one interface: a module a kind, `pull` for all."""

from __future__ import annotations

from collections.abc import Callable

from ionscout.config import Settings
from ionscout.structures.records import Record, is_failure
from ionscout.structures.sources import bundled, folder, substitution

_PULL: dict[str, Callable[[str, Settings, list[Record]], list[Record]]] = {
    "bundled": bundled.pull,
    "folder": folder.pull,
    "substitution": substitution.pull,
}


def pull(
    name: str, settings: Settings, *, records_of_parent: list[Record] | None = None
) -> list[Record]:
    """Pull all crystals of a source.

    Parameters
    ----------
    name : str
        The source's name in the config; it begins every material id.
    settings : BundledSource, SubstitutionSource or FolderSource
        Its `kind` says which module does it.
    records_of_parent : list of dict, optional
        What the parent source gave, for a source made from another one.

    Returns
    -------
    list of dict
        Records of materials and of failures, as a source file holds them.
    """
    parents = [record for record in records_of_parent or [] if not is_failure(record)]
    return _PULL[settings.kind](name, settings, parents)
