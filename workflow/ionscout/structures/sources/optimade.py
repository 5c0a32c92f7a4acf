"""Any database that speaks OPTIMADE, by name or address."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from ionscout.config import OptimadeSource
from ionscout.errors import SourceError, StructureError
from ionscout.structures.records import Record, failure
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.identifiers import Identifiers
from ionscout.structures.sources.optimade_client import Client
from ionscout.structures.sources.optimade_providers import PROPERTIES, properties_of
from ionscout.structures.sources.optimade_query import Query, count_of, page_limit, plan_query
from ionscout.structures.sources.optimade_records import FIELDS, structure_of
from ionscout.structures.sources.pages import PageStore

logger = logging.getLogger("ionscout")

LONGEST_PULL = timedelta(days=1)


def pull(name: str, settings: OptimadeSource, context: PullContext) -> list[Record]:
    """Pull the structures of a database that match a filter.

    Pages are kept as they came, so that a pull goes on after the last whole
    page, and is not done again while the snapshot's name stays.

    Parameters
    ----------
    name : str
    settings : OptimadeSource
    context : PullContext

    Returns
    -------
    list of dict
        A failure takes the place of each structure that cannot be used.

    Raises
    ------
    SourceError
        When there is no such database, it does not answer, refuses the query,
        or speaks another language.
    """
    store = PageStore(context.cache / _key(settings))
    try:
        with Client(
            connections=settings.concurrency,
            timeout_s=settings.timeout_s,
            max_retries=settings.max_retries,
        ) as client:
            query = _query(settings, store, client)
            pages = _Pages(name, query, store, client)
            records = list(_records(name, query, pages.resources(settings)))
    except SourceError as error:
        raise SourceError(f"source {name}: {error}") from None
    pages.conclude(len(records))
    return [*_missing(name, pages.counted, len(records), settings), *records]


class _Pages:
    """The pages of one query, from the store or the database."""

    def __init__(self, name: str, query: Query, store: PageStore, client: Client) -> None:
        self._name, self._query, self._store, self._client = name, query, store, client
        self._fetched: list[str] = []
        self.counted: int | None = None

    def resources(self, settings: OptimadeSource) -> Iterator[dict[str, Any]]:
        """Give the structures in the database's order, each once."""
        given: set[str] = set()
        for answer in self._answers(settings):
            for resource in answer["data"]:
                identity = str(resource["id"])
                if identity in given:
                    logger.warning("%s: %s came twice", self._name, identity)
                    continue
                given.add(identity)
                yield resource
                if len(given) == settings.max_structures:
                    return
        if not given:
            self._store.clear()
            raise SourceError(f"no structure matches the filter {self._query.filter!r}; correct it")

    def conclude(self, structures: int) -> None:
        """Write down what was pulled."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        logger.info(
            "%s: %d structures; %d pages fetched", self._name, structures, len(self._fetched)
        )
        if self._fetched:
            self._store.write_description(
                {**self._query.describe(), "finished": now, "structures": structures}
            )

    def _answers(self, settings: OptimadeSource) -> Iterator[dict[str, Any]]:
        page: str | None = self._query.first_page
        visited: set[str] = set()
        while page is not None:
            if page in visited:
                raise SourceError(f"{page} leads back to itself; the database is at fault")
            visited.add(page)
            answer = self._answer(page)
            if len(visited) == 1:
                self.counted = count_of(answer)
                self._fetch_ahead(answer, settings)
            yield answer
            more = answer["data"] and answer["meta"].get("more_data_available") is not False
            page = self._query.next_page(page, answer) if more else None

    def _answer(self, page: str) -> dict[str, Any]:
        answer = self._store.read(page)
        return self._fetch(page) if answer is None else answer

    def _fetch_ahead(self, first: dict[str, Any], settings: OptimadeSource) -> None:
        pages = self._query.later_pages(first, settings.max_structures)
        wanted = [page for page in pages if not self._store.path(page).exists()]
        pool = ThreadPoolExecutor(settings.concurrency)
        try:
            for _ in pool.map(self._fetch, wanted):
                pass
        finally:
            pool.shutdown(cancel_futures=True)

    def _fetch(self, page: str) -> dict[str, Any]:
        body, answer = self._client.get(page)
        _check_page(page, answer)
        self._store.write(page, body)
        self._fetched.append(page)
        structures = len(answer["data"])
        logger.info("%s: page %d, %d structures", self._name, len(self._fetched), structures)
        delay_s = answer["meta"].get("request_delay")
        if isinstance(delay_s, int | float):
            self._client.pause(delay_s)
        return answer


def _key(settings: OptimadeSource) -> str:
    query = [settings.provider, settings.filter, settings.snapshot, page_limit(settings)]
    identity = json.dumps([query, FIELDS, PROPERTIES], sort_keys=True)
    return f"optimade-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _query(settings: OptimadeSource, store: PageStore, client: Client) -> Query:
    description = store.read_description()
    if description is not None and _is_stale(description):
        logger.info(
            "the pull of %s was not finished and is old; it is begun anew", settings.provider
        )
        store.clear()
        description = None
    if description is None:
        query = plan_query(settings, client)
        store.write_description(query.describe())
        return query
    return Query(**{key: description[key] for key in Query.__annotations__})


def _is_stale(description: dict[str, Any]) -> bool:
    """Tell a pull whose first pages may not fit the last ones any more."""
    age = datetime.now(UTC) - datetime.fromisoformat(description["started"])
    return "finished" not in description and age > LONGEST_PULL


def _check_page(page: str, answer: dict[str, Any]) -> None:
    data, meta = answer.get("data"), answer.get("meta")
    if not (isinstance(data, list) and isinstance(meta, dict)) or not all(
        isinstance(resource, dict) and "id" in resource for resource in data
    ):
        raise SourceError(
            f"{page} answers with another schema than OPTIMADE's: `data` is not a list of "
            "structures with ids beside `meta`; correct the key `provider`"
        )


def _missing(name: str, counted: int | None, given: int, settings: OptimadeSource) -> list[Record]:
    expected = min(counted or 0, settings.max_structures or counted or 0)
    if given >= expected:
        return []
    reason = (
        f"the database counts {counted} structures and gave {given}; change the key `snapshot` to "
        "pull them again"
    )
    logger.warning("%s: %s", name, reason)
    return [failure(material_id=name, source=name, stage="pull", reason=reason)]


def _records(name: str, query: Query, resources: Iterable[dict[str, Any]]) -> Iterator[Record]:
    identifiers = Identifiers(name)
    for resource in resources:
        own_id = str(resource["id"])
        material_id = identifiers.new(own_id)
        try:
            yield _material(material_id, name, query, resource)
        except StructureError as error:
            yield failure(material_id=material_id, source=name, stage="pull", reason=str(error))


def _material(material_id: str, source: str, query: Query, resource: dict[str, Any]) -> Record:
    attributes = resource.get("attributes")
    if not isinstance(attributes, dict):
        raise StructureError("attributes: it has none")
    structure, note = structure_of(attributes)
    modified = attributes.get("last_modified")
    origin = [
        f"structure {resource['id']} of {query.provider}",
        f"{query.address} (OPTIMADE {query.api_version})",
        f"filter {query.filter}",
        *([f"last modified {modified}"] if modified else []),
        *([note] if note else []),
    ]
    return {
        "material_id": material_id,
        "source": source,
        "structure": structure.as_dict(),
        "properties": properties_of(attributes),
        "labels": [],
        "provenance": " ".join("; ".join(origin).split()),
        "parent_id": None,
    }
