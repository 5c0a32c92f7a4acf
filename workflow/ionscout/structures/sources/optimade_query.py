"""One query of an OPTIMADE database: what is asked, and which page follows which."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit, urlunsplit

from ionscout.config import OptimadeSource
from ionscout.errors import SourceError
from ionscout.structures.sources.optimade_client import Client, NotFoundError
from ionscout.structures.sources.optimade_providers import property_fields, resolve
from ionscout.structures.sources.optimade_records import FIELDS

logger = logging.getLogger("ionscout")

_MAJOR = "1"
_ALWAYS_THERE = {"lattice_vectors", "cartesian_site_positions", "species_at_sites"}
# Finding a provider has fallbacks, so it does not wait for long.
_LOOK_UP_S = 10.0


@dataclass(frozen=True)
class Query:
    """What is asked of which database; all that the pages depend on.

    Attributes
    ----------
    provider : str
        As in the config.
    address : str
        Of the database, with the version.
    api_version : str
        Of OPTIMADE, as the database says.
    filter : str
    fields : list of str
    page_limit : int
    snapshot : str
    started : str
        When it was first asked, in UTC.
    """

    provider: str
    address: str
    api_version: str
    filter: str
    fields: list[str]
    page_limit: int
    snapshot: str
    started: str

    def describe(self) -> dict[str, Any]:
        """Give all attributes.

        Returns
        -------
        dict
        """
        return asdict(self)

    @property
    def first_page(self) -> str:
        """The address of the first page."""
        return f"{self.address}/structures?{urlencode(self._parameters, quote_via=quote)}"

    @property
    def _parameters(self) -> dict[str, str]:
        return {
            "filter": self.filter,
            "response_fields": ",".join(self.fields),
            "page_limit": str(self.page_limit),
        }

    def next_page(self, page: str, answer: dict[str, Any]) -> str | None:
        """Find the page after one.

        Parameters
        ----------
        page : str
            Its address.
        answer : dict

        Returns
        -------
        str or None
            None after the last. What the database forgot of the query is added.
        """
        link = (answer.get("links") or {}).get("next")
        link = link.get("href") if isinstance(link, dict) else link
        if not link:
            return None
        parts = urlsplit(urljoin(page, link))
        return _with_parameters(parts.geturl(), self._parameters | dict(parse_qsl(parts.query)))

    def later_pages(self, answer: dict[str, Any], most: int | None) -> list[str]:
        """Foresee the pages after the first, where the database counts by offset.

        Parameters
        ----------
        answer : dict
            Of the first page.
        most : int, optional
            Structures that are wanted.

        Returns
        -------
        list of str
            Empty where they cannot be foreseen.
        """
        following = self.next_page(self.first_page, answer)
        total, step = count_of(answer), len(answer["data"])
        if following is None or total is None or not step:
            return []
        parameters = dict(parse_qsl(urlsplit(following).query))
        if parameters.get("page_offset") != str(step):
            return []
        offsets = range(step, min(total, most or total), step)
        return [_with_parameters(following, parameters | {"page_offset": str(n)}) for n in offsets]


def page_limit(settings: OptimadeSource) -> int:
    """Say how many structures a page has.

    Parameters
    ----------
    settings : OptimadeSource

    Returns
    -------
    int
    """
    return min(settings.page_size, settings.max_structures or settings.page_size)


def plan_query(settings: OptimadeSource, client: Client) -> Query:
    """Find the database, its version, and which fields it has.

    Parameters
    ----------
    settings : OptimadeSource
    client : Client

    Returns
    -------
    Query

    Raises
    ------
    SourceError
        When there is no such database, or it speaks another language.
    """
    with Client(connections=1, timeout_s=_LOOK_UP_S, max_retries=0) as hasty:
        stated = resolve(settings.provider, lambda address: hasty.get(address)[1])
    address, api_version = _versioned(stated, client)
    return Query(
        provider=settings.provider,
        address=address,
        api_version=api_version,
        filter=settings.filter,
        fields=_fields(address, client),
        page_limit=page_limit(settings),
        snapshot=settings.snapshot,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def count_of(answer: dict[str, Any]) -> int | None:
    """Say how many structures the database counts for the query.

    Parameters
    ----------
    answer : dict
        Any page.

    Returns
    -------
    int or None
    """
    count = (answer.get("meta") or {}).get("data_returned")
    return count if isinstance(count, int) else None


def _versioned(stated: str, client: Client) -> tuple[str, str]:
    has_version = re.search(r"/v\d+(\.\d+)*$", stated)
    for address in [stated] if has_version else [f"{stated}/v{_MAJOR}", stated]:
        try:
            _, info = client.get(f"{address}/info")
        except NotFoundError:
            continue
        return address, _api_version(address, info)
    versions = (client.get_text(f"{stated}/versions") or "").split()
    spoken = ", ".join(versions[1:]) if versions[:1] == ["version"] else ""
    reason = f"it speaks OPTIMADE {spoken} only, not 1" if spoken else "it has no /info"
    raise SourceError(f"{stated} cannot be used: {reason}; correct the key `provider`")


def _api_version(address: str, info: dict[str, Any]) -> str:
    meta = info.get("meta")
    version = meta.get("api_version") if isinstance(meta, dict) else None
    if not isinstance(version, str):
        raise SourceError(
            f"{address} answers with another schema than OPTIMADE's: there is no meta.api_version; "
            "correct the key `provider`"
        )
    if version.lstrip("v").split(".")[0] != _MAJOR:
        raise SourceError(f"{address} speaks OPTIMADE {version}, not 1; correct the key `provider`")
    return version


def _fields(address: str, client: Client) -> list[str]:
    try:
        _, info = client.get(f"{address}/info/structures")
    except NotFoundError:
        logger.warning("%s does not list its fields; its own ones are left out", address)
        return list(FIELDS)
    data = info.get("data")
    listed = data.get("properties") if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        raise SourceError(
            f"{address} answers with another schema than OPTIMADE's: /info/structures has no "
            "data.properties; correct the key `provider`"
        )
    standard = [field for field in FIELDS if field in listed or field in _ALWAYS_THERE]
    return standard + property_fields(listed)


def _with_parameters(address: str, parameters: dict[str, str]) -> str:
    return urlunsplit(urlsplit(address)._replace(query=urlencode(parameters, quote_via=quote)))
