"""Raw answers of a database, kept compressed until its snapshot changes."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import threading
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

logger = logging.getLogger("ionscout")

_PARTIAL = ".partial"


class PageStore:
    """A folder of answers by address, with a description beside them.

    An answer is there whole or not at all: it is written under another name
    first, so that a killed job leaves no half of one.

    Parameters
    ----------
    folder : Path
        Made if it is not there. One job at a time may use it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"*{_PARTIAL}"):
            leftover.unlink()
        self._folder = folder

    def path(self, address: str) -> Path:
        """Say where the answer of an address is kept.

        Parameters
        ----------
        address : str
            The order of its query's parameters does not matter.

        Returns
        -------
        Path
        """
        parts = urlsplit(address)
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        identity = json.dumps([parts.scheme, parts.netloc, parts.path, query])
        return self._folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json.gz"

    def read(self, address: str) -> dict[str, Any] | None:
        """Read an answer.

        Parameters
        ----------
        address : str

        Returns
        -------
        dict or None
            None when it is not there, or damaged on the disk.
        """
        path = self.path(address)
        try:
            return json.loads(gzip.decompress(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, EOFError, zlib.error, ValueError):
            logger.warning("%s is damaged; it is fetched again", path)
            return None

    def write(self, address: str, body: bytes) -> None:
        """Keep an answer.

        Parameters
        ----------
        address : str
        body : bytes
            As it came.
        """
        self._put(self.path(address), gzip.compress(body, mtime=0))

    def clear(self) -> None:
        """Forget all answers, and what was written about them."""
        for path in self._folder.iterdir():
            path.unlink()

    def read_description(self) -> dict[str, Any] | None:
        """Read what was written about the pages.

        Returns
        -------
        dict or None
            None when nothing was.
        """
        path = self._folder / "meta.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write_description(self, description: dict[str, Any]) -> None:
        """Write about the pages, in place of what was written before.

        Parameters
        ----------
        description : dict
            Of plain JSON types.
        """
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        self._put(self._folder / "meta.json", text.encode("utf-8"))

    def _put(self, path: Path, content: bytes) -> None:
        partial = path.with_name(f"{path.name}.{threading.get_ident()}{_PARTIAL}")
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
