"""Compounds and entries of the Materials Project (10.1063/1.4812323)."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mp_api.client import MPRester
from pymatgen.core import Element, Structure
from pymatgen.entries.computed_entries import ComputedEntry

from ionscout.config import MaterialsProjectSource
from ionscout.errors import SourceError, StructureError
from ionscout.structures.checks import check_stated
from ionscout.structures.records import Record, failure
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.identifiers import Identifiers
from ionscout.structures.sources.materials_project_client import (
    DatabaseChangedError,
    Document,
    MaterialsProjectClient,
)

Collected = TypeVar("Collected")

logger = logging.getLogger("ionscout")

PAGE_SIZE = 500
THERMO_TYPE = "GGA_GGA+U"
_SYSTEMS_AT_ONCE = 50
MOST_ELEMENTS = 9
_NEEDED = (
    "material_id",
    "structure",
    "formation_energy_per_atom",
    "energy_above_hull",
    "band_gap",
)
_MODULI = ("shear_modulus", "bulk_modulus")


def pull(name: str, settings: MaterialsProjectSource, context: PullContext) -> list[Record]:
    """Pull lithium compounds with their computed properties.

    Parameters
    ----------
    name : str
    settings : MaterialsProjectSource
    context : PullContext

    Returns
    -------
    list of dict
        `properties` has formation_energy_ev_atom, energy_above_hull_ev_atom and
        band_gap_ev, with `elasticity` also shear_modulus_gpa and bulk_modulus_gpa
        (averages of Voigt, Reuss and Hill), each None where it is unknown.

    Raises
    ------
    SourceError
        When the key is missing or refused, or the database cannot be pulled.
    """
    client = MaterialsProjectClient(settings, context.cache, "structures")
    documents = _of_one_version(lambda: _all_summaries(client, settings))
    wanted = list(documents.values())[: settings.max_structures]
    identifiers = Identifiers(name)
    return [
        _record(identifiers.new(str(one.get("material_id"))), name, one, settings, client)
        for one in wanted
    ]


def pull_entries(
    settings: MaterialsProjectSource, chemical_systems: Sequence[str], context: PullContext
) -> list[dict[str, Any]]:
    """Pull the entries of whole chemical systems, for phase diagrams.

    Of GGA and GGA+U, which have one scale of energies throughout; those mixed
    with r2SCAN have another in each chemical system.

    Parameters
    ----------
    settings : MaterialsProjectSource
    chemical_systems : sequence of str
        Such as `Li-P-S`; all their subsystems are included, without lithium too.
    context : PullContext

    Returns
    -------
    list of dict
        Each a pymatgen `ComputedEntry`, sorted by id: energy in eV a cell before
        the correction and correction, which its `energy` adds; parameters with
        run_type; data with material_id, thermo_type and database_version.

    Raises
    ------
    SourceError
        When a system is not one, the key is missing or refused, or the database
        cannot be pulled.
    """
    client = MaterialsProjectClient(settings, context.cache, "entries")
    return _of_one_version(lambda: _all_entries(client, chemical_systems))


def _of_one_version(collect: Callable[[], Collected]) -> Collected:
    """Collect again where the database changed its version meanwhile."""
    try:
        return collect()
    except DatabaseChangedError:
        return collect()


def _all_summaries(
    client: MaterialsProjectClient, settings: MaterialsProjectSource
) -> dict[str, Document]:
    documents: dict[str, Document] = {}
    for systems in _asked_systems(settings):
        for document in _summaries(client, settings, systems, _left(settings, documents)):
            documents.setdefault(str(document.get("material_id")), document)
        if _left(settings, documents) == 0:
            break
    return documents


def _all_entries(
    client: MaterialsProjectClient, chemical_systems: Sequence[str]
) -> list[dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for systems in _batches(sorted({one for s in chemical_systems for one in _subsystems(s)})):

        def ask(rester: MPRester, _: int, systems: list[str] = systems) -> list[Document]:
            documents = rester.materials.thermo.search(
                chemsys=systems,
                thermo_types=[THERMO_TYPE],
                all_fields=False,
                fields=["material_id", "thermo_type", "entries"],
            )
            for document in documents:
                _entries(document, database_version="")
            return documents

        question = f"thermo?thermo_type={THERMO_TYPE}&chemsys={','.join(systems)}"
        for document in client.collect(question, ask, lambda *_: True):
            for entry in _entries(document, database_version=client.database_version):
                entries.setdefault(entry["entry_id"], entry)
    return [entries[entry_id] for entry_id in sorted(entries)]


def _asked_systems(settings: MaterialsProjectSource) -> list[list[str] | None]:
    """List the chemical systems with lithium to ask for, some at once; None for all."""
    if settings.chemical_systems is None:
        return [None]
    asked = set()
    for system in settings.chemical_systems:
        with_lithium = {one for one in _subsystems(system) if "Li" in one.split("-")}
        if not with_lithium:
            raise SourceError(
                f"Materials Project: no lithium in {system!r}; correct `chemical_systems`"
            )
        asked |= with_lithium
    return _batches(sorted(asked))


def _subsystems(system: str) -> list[str]:
    """List a chemical system and all within it, each sorted as the database has it."""
    symbols = sorted({symbol.strip() for symbol in system.split("-")})
    if not all(map(Element.is_valid_symbol, symbols)) or len(symbols) > MOST_ELEMENTS:
        raise SourceError(
            f"Materials Project: {system!r} is not a chemical system of up to {MOST_ELEMENTS} "
            "elements, such as Li-P-S; correct `chemical_systems`"
        )
    sizes = range(1, len(symbols) + 1)
    return ["-".join(some) for n in sizes for some in itertools.combinations(symbols, n)]


def _batches(systems: list[str]) -> list[list[str]]:
    starts = range(0, len(systems), _SYSTEMS_AT_ONCE)
    return [systems[start : start + _SYSTEMS_AT_ONCE] for start in starts]


def _left(settings: MaterialsProjectSource, documents: dict[str, Document]) -> int | None:
    most = settings.max_structures
    return None if most is None else max(most - len(documents), 0)


def _summaries(
    client: MaterialsProjectClient,
    settings: MaterialsProjectSource,
    systems: list[str] | None,
    limit: int | None,
) -> list[Document]:
    """Ask for the summaries of some systems, a page after the other, up to a limit."""
    criteria: dict[str, Any] = {"chemsys": systems} if systems else {"elements": ["Li"]}
    if settings.max_energy_above_hull_ev_atom is not None:
        criteria["energy_above_hull"] = (0.0, settings.max_energy_above_hull_ev_atom)
    fields = [*_NEEDED, *(_MODULI if settings.elasticity else ())]

    def ask(rester: MPRester, page: int) -> list[Document]:
        documents = rester.materials.summary.search(
            **criteria,
            deprecated=False,
            all_fields=False,
            fields=fields,
            chunk_size=PAGE_SIZE,
            _page=page,
            _sort_fields="material_id",
        )
        _refuse_other_schema(documents)
        return documents

    def is_last(page: int, documents: list[Document]) -> bool:
        enough = limit is not None and page * PAGE_SIZE >= limit
        return enough or len(documents) < PAGE_SIZE

    question = f"summary?{criteria}&fields={','.join(fields)}&per_page={PAGE_SIZE}"
    pages = "all" if limit is None else math.ceil(limit / PAGE_SIZE)
    return client.collect(f"{question}&pages={pages}", ask, is_last)


def _refuse_other_schema(documents: list[Document]) -> None:
    """Refuse a page on which a field is nowhere."""
    for field in _NEEDED:
        if documents and all(field not in document for document in documents):
            raise KeyError(f"no document has the field {field}")


def _record(
    material_id: str,
    source: str,
    document: Document,
    settings: MaterialsProjectSource,
    client: MaterialsProjectClient,
) -> Record:
    own_id = document.get("material_id")
    try:
        structure = _structure(document)
        properties = _properties(document, elasticity=settings.elasticity)
    except StructureError as error:
        reason = f"{own_id}: {error}"
        return failure(material_id=material_id, source=source, stage="pull", reason=reason)
    return {
        "material_id": material_id,
        "source": source,
        "structure": structure.as_dict(),
        "properties": properties,
        "labels": [],
        "provenance": f"{own_id} of the Materials Project, database {client.database_version}",
        "parent_id": None,
    }


def _structure(document: Document) -> Structure:
    """Take the crystal alone: lattice, elements and positions."""
    try:
        stated = Structure.from_dict(
            {
                "lattice": document["structure"]["lattice"],
                "sites": [
                    {"species": site["species"], "abc": site["abc"]}
                    for site in document["structure"]["sites"]
                ],
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StructureError(f"not a structure ({error!r}); leave it out") from None
    check_stated(stated)
    return stated


def _properties(document: Document, *, elasticity: bool) -> dict[str, float | None]:
    properties = {
        "formation_energy_ev_atom": _number(document, "formation_energy_per_atom"),
        "energy_above_hull_ev_atom": _number(document, "energy_above_hull"),
        "band_gap_ev": _number(document, "band_gap"),
    }
    if elasticity:
        for modulus in _MODULI:
            averages = document.get(modulus) or {}
            properties[f"{modulus}_gpa"] = _number(averages, "vrh")
    return properties


def _number(document: Document, field: str) -> float | None:
    value = document.get(field) if isinstance(document, dict) else math.nan
    if value is None:
        return None
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise StructureError(f"its {field} is {value!r}, not a number; leave it out")
    return float(value)


def _entries(document: Document, *, database_version: str) -> list[dict[str, Any]]:
    """Make entries without crystals of a thermochemical document."""
    entries = []
    for run_type, entry in document["entries"].items():
        computed = ComputedEntry(
            entry["composition"],
            entry["energy"],
            correction=entry.get("correction") or 0.0,
            parameters={"run_type": (entry.get("parameters") or {}).get("run_type", run_type)},
            data={
                "material_id": str(document["material_id"]),
                "thermo_type": document["thermo_type"],
                "database_version": database_version,
            },
            entry_id=entry.get("entry_id") or f"{document['material_id']}-{run_type}",
        )
        entries.append(computed.as_dict())
    return entries
