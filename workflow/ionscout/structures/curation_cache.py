"""What was curated and compared before, in one SQLite file that campaigns share."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pymatgen.core
import spglib

from ionscout.stages import STAGE_VERSIONS

logger = logging.getLogger("ionscout")

Result = TypeVar("Result")

_VERSIONS = [
    STAGE_VERSIONS["structures"],
    pymatgen.core.__version__,
    spglib.__version__,
    np.__version__,
]
_TABLES = """
CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, outcome BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairs (
    first TEXT, second TEXT, is_same INTEGER NOT NULL, PRIMARY KEY (first, second)
) WITHOUT ROWID;
"""
_WAIT_S = 30.0
_AT_ONCE = 500

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
    text = json.dumps([_VERSIONS, content], sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:40]


class CurationCache:
    """Outcomes by the key of what they were made from; losing the file costs time alone.

    Connections last as long as one reading or writing, so that several campaigns
    can share the file. It has no write-ahead log, which shared file systems do not
    carry. A damaged file is begun anew and one that cannot be locked is left
    alone, with a warning.

    Parameters
    ----------
    path : Path or None
        None keeps nothing.
    wait_s : float
        Longest wait, in seconds, for another campaign to finish writing.
    """

    def __init__(self, path: Path | None, wait_s: float = _WAIT_S) -> None:
        self._path = path
        self._wait_s = wait_s

    def read_outcomes(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is kept of some keys."""
        query = "SELECT key, outcome FROM outcomes WHERE key IN"
        return dict(self._work(lambda file: _select(file, query, keys), []))

    def write_outcomes(self, outcomes: dict[str, bytes]) -> None:
        """Keep outcomes by their keys."""
        insert = "INSERT OR REPLACE INTO outcomes VALUES (?, ?)"
        self._work(lambda file: file.executemany(insert, list(outcomes.items())), None)

    def read_pairs(self, firsts: Iterable[str]) -> Pairs:
        """Return what is known of pairs that begin with one of some keys."""
        query = "SELECT first, second, is_same FROM pairs WHERE first IN"
        rows = self._work(lambda file: _select(file, query, firsts), [])
        return {(first, second): bool(is_same) for first, second, is_same in rows}

    def write_pairs(self, pairs: Pairs) -> None:
        """Keep whether pairs are the same crystal."""
        insert = "INSERT OR REPLACE INTO pairs VALUES (?, ?, ?)"
        rows = [(*pair, int(is_same)) for pair, is_same in pairs.items()]
        self._work(lambda file: file.executemany(insert, rows), None)

    def _work(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        if self._path is None:
            return otherwise
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with (
                contextlib.closing(sqlite3.connect(self._path, timeout=self._wait_s)) as file,
                file,
            ):
                file.executescript(_TABLES)
                return work(file)
        except (OSError, sqlite3.OperationalError) as error:
            logger.warning(
                "%s cannot be used (%s): what it keeps is computed again", self._path, error
            )
            self._path = None
        except sqlite3.DatabaseError as error:
            logger.warning("%s is damaged (%s): it is begun anew", self._path, error)
            with contextlib.suppress(OSError):
                self._path.unlink()
        return otherwise


def _select(file: sqlite3.Connection, query: str, keys: Iterable[str]) -> list[tuple]:
    rows: list[tuple] = []
    remaining = iter(keys)
    while chunk := list(itertools.islice(remaining, _AT_ONCE)):
        rows += file.execute(f"{query} ({','.join('?' * len(chunk))})", chunk).fetchall()
    return rows
