"""What was curated and compared before, in one SQLite file that campaigns share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pymatgen.core
import spglib

from ionscout import store
from ionscout.stages import STAGE_VERSIONS

_VERSIONS = [
    STAGE_VERSIONS["structures"],
    pymatgen.core.__version__,
    spglib.__version__,
    np.__version__,
]

Pairs = dict[tuple[str, str], bool]


def content_key(*content: Any) -> str:
    """Name a content, together with the versions of what works on it.

    Parameters
    ----------
    *content : plain JSON types

    Returns
    -------
    str
        Forty hexadecimal digits; raising the version of the stage changes it.
    """
    return store.content_key(_VERSIONS, content)


class CurationCache(store.OutcomeStore):
    """Outcomes of curation, and which pairs of crystals are the same."""

    tables = (
        store.OutcomeStore.tables
        + """
CREATE TABLE IF NOT EXISTS pairs (
    first TEXT, second TEXT, is_same INTEGER NOT NULL, PRIMARY KEY (first, second)
) WITHOUT ROWID;
"""
    )

    def read_pairs(self, firsts: Iterable[str]) -> Pairs:
        """Return what is known of pairs that begin with one of some keys."""
        query = "SELECT first, second, is_same FROM pairs WHERE first IN"
        rows = self._work(lambda file: store.select(file, query, firsts), [])
        return {(first, second): bool(is_same) for first, second, is_same in rows}

    def write_pairs(self, pairs: Pairs) -> None:
        """Keep whether pairs are the same crystal."""
        insert = "INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)"
        rows = [(*pair, int(is_same)) for pair, is_same in pairs.items()]
        self._work(lambda file: file.executemany(insert, rows), None)
