"""The crystals that come with Ionscout."""

from __future__ import annotations

from ionscout.config import BundledSource
from ionscout.structures.crystals import bundled_records
from ionscout.structures.records import Record


def pull(name: str, settings: BundledSource, parents: list[Record]) -> list[Record]:
    """Return the bundled crystals.

    Parameters
    ----------
    name : str
    settings : BundledSource
    parents : list of dict
        Not used: these crystals have no parents.

    Returns
    -------
    list of dict
    """
    return bundled_records()
