"""Questions to the Materials Project through mp-api: answered once a snapshot, then kept."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from mp_api.client import MPRester
from mp_api.client.core.exceptions import MPRestError
from mp_api.client.core.utils import validate_endpoint

from ionscout.config import MaterialsProjectSource
from ionscout.errors import SourceError
from ionscout.structures.sources.pages import PageStore

logger = logging.getLogger("ionscout")

Document = dict[str, Any]
Ask = Callable[[MPRester, int], list[Document]]

KEY_VARIABLE = "MP_API_KEY"
_WHERE_KEYS_ARE = "https://materialsproject.org/api"
_ATTEMPTS = 6
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 60.0
_TIMEOUT_S = 60


class _PassingTroubleError(Exception):
    """Something that may be over when asked again."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class DatabaseChangedError(Exception):
    """The database has another version than the answers given before: collect them anew."""


class MaterialsProjectClient:
    """Asks the Materials Project and keeps the answers, compressed.

    With the same snapshot nothing is asked twice; answers of a pull that did not
    end are of use as long as the database is of the same version.

    Parameters
    ----------
    settings : MaterialsProjectSource
    cache : Path
        Of the source.
    purpose : str
        What the answers are for; each has a folder of its own.
    """

    def __init__(self, settings: MaterialsProjectSource, cache: Path, purpose: str) -> None:
        self._address = validate_endpoint(settings.address)
        identity = json.dumps([self._address, settings.snapshot])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._store = PageStore(cache / f"materials-project-{purpose}-{digest}")
        self._description = self._store.read_description() or {}
        self._rester: MPRester | None = None
        self._has_answered = False

    @property
    def database_version(self) -> str:
        """The version of the database that the answers are of."""
        return self._description["database_version"]

    def collect(
        self, question: str, ask: Ask, is_last: Callable[[int, list[Document]], bool]
    ) -> list[Document]:
        """Collect the answers to a question, a page after the other.

        Parameters
        ----------
        question : str
            Tells it from others; equal questions have equal answers.
        ask : callable
            Takes the rester and the number of the page, from 1; returns its documents.
        is_last : callable
            Takes the number of a page and its documents: is there no other?

        Returns
        -------
        list of dict
            The documents of all pages.

        Raises
        ------
        SourceError
            When the key is missing or refused, or the database cannot be reached,
            refuses the question or answers in another form.
        DatabaseChangedError
            When answers were given before that are of another version.
        """
        if question not in self._description.get("complete", []):
            self._connect()
        documents: list[Document] = []
        for number in itertools.count(1):
            address = f"{question}&database={self.database_version}&page={number}"
            kept = self._store.read(address)
            page = self._ask_and_keep(address, ask, number) if kept is None else kept["data"]
            documents += page
            if is_last(number, page):
                break
        complete = sorted({*self._description.get("complete", []), question})
        self._describe({**self._description, "complete": complete})
        self._has_answered = True
        return documents

    def _ask_and_keep(self, address: str, ask: Ask, number: int) -> list[Document]:
        rester = self._connect()
        page = self._patiently(lambda: ask(rester, number))
        if not isinstance(page, list) or not all(isinstance(one, dict) for one in page):
            raise self._foreign("no list of documents")
        self._store.write(address, json.dumps({"data": page}).encode("utf-8"))
        logger.info("Materials Project: page %d, %d documents", number, len(page))
        return page

    def _connect(self) -> MPRester:
        """Find out the version of the database; forget the answers of another one."""
        if self._rester is None:
            key = os.environ.get(KEY_VARIABLE, "").strip()
            if not key:
                raise SourceError(
                    f"Materials Project: {KEY_VARIABLE} is not set; get a key at {_WHERE_KEYS_ARE} "
                    "and set the environment variable"
                )
            session = requests.Session()
            session.hooks["response"].append(self._judge)
            version = self._patiently(lambda: self._ask_version(session))
            self._rester = self._patiently(lambda: self._log_in(key, session, version))
            if version != self._description.get("database_version"):
                self._describe({"database_version": version, "complete": []})
                if self._has_answered:
                    raise DatabaseChangedError(version)
        return self._rester

    def _describe(self, description: dict[str, Any]) -> None:
        asked = datetime.now(UTC).isoformat(timespec="seconds")
        self._description = {**description, "address": self._address, "asked_utc": asked}
        self._store.write_description(self._description)

    def _ask_version(self, session: requests.Session) -> str:
        heartbeat = session.get(f"{self._address}heartbeat", timeout=_TIMEOUT_S).json()
        version = heartbeat["db_version"]
        if not isinstance(version, str):
            raise TypeError(f"db_version {version!r}")
        return version

    def _log_in(self, key: str, session: requests.Session, version: str) -> MPRester:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return MPRester(
                    api_key=key,
                    endpoint=self._address,
                    use_document_model=False,
                    session=session,
                    mute_progress_bars=True,
                    db_version=version,
                )
            except MPRestError as error:
                if "API key" not in str(error):
                    raise
                raise SourceError(
                    f"Materials Project: {KEY_VARIABLE} does not hold a key, which has 32 "
                    f"characters; get one at {_WHERE_KEYS_ARE}"
                ) from None

    def _judge(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """Refuse an answer by its status, before mp-api reads it."""
        status = answer.status_code
        if status in (401, 403):
            raise SourceError(
                f"Materials Project: the key in {KEY_VARIABLE} was refused ({status}); get one at "
                f"{_WHERE_KEYS_ARE}"
            )
        if status == 429 or status >= 500:
            after = answer.headers.get("Retry-After", "")
            raise _PassingTroubleError(
                f"it answered {status}", float(after) if after.isdigit() else 0.0
            )
        if status >= 400:
            raise SourceError(
                f"Materials Project: it refused the question ({status}: "
                f"{_one_line(answer.text)}); check `chemical_systems`"
            )

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Ask, and ask again after trouble that may pass."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(ask)
            except _PassingTroubleError as trouble:
                if attempt == _ATTEMPTS:
                    raise SourceError(
                        f"Materials Project: {self._address} cannot be pulled, {trouble}; check "
                        "the network and run the campaign again, what was pulled is kept"
                    ) from None
                wait_s = min(trouble.wait_s or _FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)
                logger.warning("Materials Project: %s; again in %g s", trouble, wait_s)
                time.sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, ask: Callable[[], Any]) -> Any:
        """Ask once; what mp-api and requests raise becomes one of two errors."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ask()
        except json.JSONDecodeError:
            raise _PassingTroubleError("its answer is cut off, or not JSON") from None
        except requests.RequestException as error:
            raise _PassingTroubleError(_name_of(error)) from None
        except MPRestError as error:
            if isinstance(error.__context__, requests.RequestException):
                raise _PassingTroubleError(_name_of(error.__context__)) from None
            raise self._foreign(_one_line(str(error))) from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._foreign(_one_line(repr(error))) from None

    def _foreign(self, what: str) -> SourceError:
        return SourceError(
            f"Materials Project: {self._address} answered in a form that mp-api does not know "
            f"({what}); is it the right address, and mp-api up to date?"
        )


def _name_of(error: BaseException) -> str:
    return f"no answer ({type(error).__name__})"


def _one_line(text: str) -> str:
    """Shorten a text to a line, the key left out should it be there."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    hidden = text.replace(key, "***") if key else text
    return " ".join(hidden.split())[:200]
