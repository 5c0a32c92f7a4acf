"""Polite and stubborn requests to an OPTIMADE database."""

from __future__ import annotations

import email.utils
import json
import logging
import random
import re
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import metadata
from typing import Any
from urllib.parse import unquote

import httpx

from ionscout.errors import SourceError

logger = logging.getLogger("ionscout")

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
# A database that wants a longer pause is left alone; what was pulled is kept.
LONGEST_PAUSE_S = 600.0
_TRY_AGAIN = {408, 425, 429}
_DETAIL_LENGTH = 300


class NotFoundError(SourceError):
    """The address is not one of the database's."""


class _Fault(Exception):
    """Something that may not happen again."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_s = pause_s


class Client:
    """Gets JSON; tries again what may succeed later, and says so in the log.

    Between two tries it waits longer each time, by chance up to double, and at
    least as long as the database asked. While one request waits because the
    database asked for it, no other is sent.

    Parameters
    ----------
    connections : int
        Most requests at once.
    timeout_s : float
        Longest wait for a connection and for the next bytes, in seconds.
    max_retries : int
        Times that a request is tried again.
    """

    def __init__(self, *, connections: int, timeout_s: float, max_retries: int) -> None:
        self._http = httpx.Client(
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=connections),
            follow_redirects=True,
            headers={
                "User-Agent": f"ionscout/{metadata.version('ionscout')}",
                "Accept": "application/vnd.api+json, application/json",
            },
        )
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._random = random.Random()
        self._lock = threading.Lock()
        self._quiet_until = 0.0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, address: str) -> tuple[bytes, dict[str, Any]]:
        """Get an answer in JSON.

        Parameters
        ----------
        address : str

        Returns
        -------
        body : bytes
            As it came, decompressed.
        answer : dict

        Raises
        ------
        NotFoundError
            When there is nothing at the address.
        SourceError
            When the database refuses, does not speak JSON, or did not answer in
            any try.
        """
        tried = 0
        while True:
            tried += 1
            try:
                return self._try(address)
            except _Fault as fault:
                if tried > self._max_retries:
                    tries = "once" if tried == 1 else f"{tried} times"
                    raise SourceError(
                        f"{_short(address)} was asked {tries}, the last time: {fault}; check the "
                        "address and the network, or run again later"
                    ) from None
                self._wait(address, fault, tried)

    def get_text(self, address: str) -> str | None:
        """Get a short text, without a second try.

        Parameters
        ----------
        address : str

        Returns
        -------
        str or None
            None when there is none.
        """
        try:
            response = self._http.get(address)
        except httpx.HTTPError:
            return None
        return response.text if response.status_code == HTTPStatus.OK else None

    def pause(self, seconds: float) -> None:
        """Send nothing for a while.

        Parameters
        ----------
        seconds : float
            Ten minutes at most.
        """
        end = time.monotonic() + min(seconds, LONGEST_PAUSE_S)
        with self._lock:
            self._quiet_until = max(self._quiet_until, end)

    def _try(self, address: str) -> tuple[bytes, dict[str, Any]]:
        self._keep_quiet()
        try:
            response = self._http.get(address)
        except httpx.TimeoutException:
            raise _Fault(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Fault(f"connection failed ({_one_line(str(error))})") from None
        except (httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise SourceError(
                f"{_short(address)}: {_one_line(str(error))}; correct the address"
            ) from None
        _check_status(address, response)
        return response.content, _json_object(address, response)

    def _wait(self, address: str, fault: _Fault, tried: int) -> None:
        if fault.pause_s > LONGEST_PAUSE_S:
            raise SourceError(
                f"{_short(address)} asks for a pause of {fault.pause_s:.0f} s; run again after it, "
                "what was pulled is kept"
            )
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (tried - 1)) * self._random.uniform(1, 2)
        if fault.pause_s:
            wait_s = fault.pause_s + FIRST_WAIT_S * self._random.random()
            self.pause(fault.pause_s)
        logger.warning(
            "%s: %s; try %d of %d in %.1f s",
            _short(address),
            fault,
            tried + 1,
            self._max_retries + 1,
            wait_s,
        )
        time.sleep(wait_s)

    def _keep_quiet(self) -> None:
        while True:
            with self._lock:
                left_s = self._quiet_until - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(left_s)


def _check_status(address: str, response: httpx.Response) -> None:
    status = response.status_code
    if status == HTTPStatus.OK:
        return
    said = f"{status} {response.reason_phrase}".strip()
    detail = _detail(response)
    if status in _TRY_AGAIN or (status >= 500 and status != HTTPStatus.NOT_IMPLEMENTED):
        raise _Fault(f"{said}{detail}", _retry_after_s(response))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        hint = "lower `page_size`" if "page_limit" in detail else "it may not be open to all"
        raise SourceError(f"{_short(address)} refuses access: {said}{detail}; {hint}")
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise NotFoundError(f"{_short(address)} is not there: {said}{detail}; check the address")
    raise SourceError(
        f"{_short(address)} refuses the query: {said}{detail}; correct the key `filter` or "
        "`page_size`"
    )


def _json_object(address: str, response: httpx.Response) -> dict[str, Any]:
    content_type = response.headers.get("content-type", "nothing").split(";")[0]
    if "json" not in content_type:
        raise _Fault(f"answered {content_type} instead of JSON")
    try:
        answer = json.loads(response.content)
    except ValueError:
        raise _Fault("answered broken or truncated JSON") from None
    if not isinstance(answer, dict):
        raise SourceError(f"{_short(address)} does not answer as OPTIMADE does; check the address")
    return answer


def _detail(response: httpx.Response) -> str:
    try:
        errors = response.json()["errors"]
        details = [str(error.get("detail") or error.get("title")) for error in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    text = _one_line("; ".join(details))
    return f" ({text[:_DETAIL_LENGTH]})" if text else ""


def _retry_after_s(response: httpx.Response) -> float:
    stated = response.headers.get("retry-after", "").strip()
    if stated.isdigit():
        return float(stated)
    try:
        moment = email.utils.parsedate_to_datetime(stated)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _short(address: str) -> str:
    """Leave out the fields: they are long, and the same in every page."""
    return _one_line(unquote(re.sub(r"response_fields=[^&]*&?", "", address)))


def _one_line(text: str) -> str:
    return " ".join(text.split())
