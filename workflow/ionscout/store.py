"""What was computed before, in SQLite files that jobs and campaigns share."""

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

logger = logging.getLogger("ionscout")

Result = TypeVar("Result")

_TABLES = """
CREATE TABLE IF NOT EXISTS outcomes (key TEXT PRIMARY KEY, outcome BLOB NOT NULL) WITHOUT ROWID;
"""
_WAIT_S = 30.0
_AT_ONCE = 500


def content_key(*content: Any) -> str:
    """Name a content.

    Parameters
    ----------
    *content : plain JSON types
        The versions of what works on it among them.

    Returns
    -------
    str
        Forty hexadecimal digits.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:40]


class OutcomeStore:
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
        Longest wait, in seconds, for another job to finish writing.
    """

    tables = _TABLES

    def __init__(self, path: Path | None, wait_s: float = _WAIT_S) -> None:
        self._path = path
        self._wait_s = wait_s

    def read_outcomes(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is kept of some keys."""
        query = "SELECT key, outcome FROM outcomes WHERE key IN"
        return dict(self._work(lambda file: select(file, query, keys), []))

    def write_outcomes(self, outcomes: dict[str, bytes]) -> None:
        """Keep outcomes by their keys."""
        insert = "INSERT OR REPLACE INTO outcomes VALUES (?, ?)"
        self._work(lambda file: file.executemany(insert, list(outcomes.items())), None)

    def _work(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        if self._path is None:
            return otherwise
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with (
                contextlib.closing(sqlite3.connect(self._path, timeout=self._wait_s)) as file,
                file,
            ):
                file.executescript(self.tables)
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


def select(file: sqlite3.Connection, query: str, keys: Iterable[str]) -> list[tuple]:
    """Run a query that ends in IN over many keys, some at a time."""
    rows: list[tuple] = []
    remaining = iter(keys)
    while chunk := list(itertools.islice(remaining, _AT_ONCE)):
        rows += file.execute(f"{query} ({','.join('?' * len(chunk))})", chunk).fetchall()
    return rows
