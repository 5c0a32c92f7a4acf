"""The crystals that come with Ionscout."""

from __future__ import annotations

from ionscout.config import BundledSource
from ionscout.structures.crystals import bundled_records
from ionscout.structures.records import Record
from ionscout.structures.sources.context import PullContext


def pull(name: str, settings: BundledSource, context: PullContext) -> list[Record]:
    """Return the bundled crystals.

    Parameters
    ----------
    name : str
    settings : BundledSource
    context : PullContext

    Returns
    -------
    list of dict
    """
    return bundled_records()
