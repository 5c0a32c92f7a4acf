"""What a source is given besides its settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ionscout.structures.records import Record


@dataclass(frozen=True)
class PullContext:
    """What a source is given besides its settings.

    Attributes
    ----------
    cache : Path
        A folder of the source's own. It outlives a failed job, so that what was
        fetched is not fetched again.
    parents : list of dict
        The records of the source that this one is made from; mostly empty.
    """

    cache: Path
    parents: list[Record] = field(default_factory=list)
