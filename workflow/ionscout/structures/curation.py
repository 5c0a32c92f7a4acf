"""From what the sources gave to the campaign's materials: checked, standard, ordered."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from ionscout.config import StructureSettings
from ionscout.failures import check_failure_rate
from ionscout.structures.curated import (
    CuratedCrystal,
    CuratedMaterial,
    Refused,
    unpack,
)
from ionscout.structures.curation_cache import CurationCache
from ionscout.structures.curation_crystal import CurationTask, curate_packed
from ionscout.structures.curation_manifest import (
    MANIFEST_DTYPES,
    make_manifest,
    make_shards,
    shard_of,
)
from ionscout.structures.curation_pool import work_through
from ionscout.structures.duplicates import StatedCrystal, find_duplicates
from ionscout.structures.records import Record, failure, is_failure, is_label_only
from ionscout.structures.vacancies import VacancyTask, make_variants_packed

__all__ = ["FAILURE_COLUMNS", "MANIFEST_DTYPES", "curate_all", "shard_of"]

logger = logging.getLogger("ionscout")

FAILURE_COLUMNS = ["material_id", "source", "stage", "reason"]
_KEPT_AT_ONCE = 200


class Task(Protocol):
    """What is to be done, and the name of all that decides its outcome."""

    @property
    def key(self) -> str: ...


def curate_all(
    records: dict[str, list[Record]],
    settings: StructureSettings,
    *,
    seed: int,
    max_failure_rate: float,
    n_workers: int = 1,
    cache_path: Path | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[list[Record]]]:
    """Curate what all sources gave.

    Neither the number of workers nor what the cache holds changes the result.

    Parameters
    ----------
    records : dict of str to list of dict
        Materials and failures by source.
    settings : StructureSettings
    seed : int
        The campaign's; a disordered material draws from it and its own id.
    max_failure_rate : float
        Largest share of the materials that may fail, those that could not be
        pulled included; a failure of a source as a whole, or of its labels, is none.
    n_workers : int
        Processes that share the work.
    cache_path : Path, optional
        Of what was curated before (`CurationCache`).

    Returns
    -------
    manifest : pandas.DataFrame
        A row a material, with the columns `MANIFEST_DTYPES`, sorted by id.
    failures : pandas.DataFrame
        Columns `FAILURE_COLUMNS`.
    shards : list of list of dict
        `settings.shards` lists of material_id and structure, sorted by id.

    Raises
    ------
    CampaignError
        When too many materials fail, or none is left.
    """
    workshop = _Workshop(CurationCache(cache_path), n_workers)
    crystals, failures = _curate_crystals(records, settings, seed, workshop)
    of_materials = [one for one in failures if one["material_id"] != one["source"]]
    check_failure_rate("structures", of_materials, n_left=len(crystals), limit=max_failure_rate)
    duplicates = find_duplicates(
        [_stated(record, crystal) for record, crystal in crystals],
        workshop.cache,
        n_workers=n_workers,
    )
    materials = [
        material
        for record, crystal in crystals
        for material in _materials_of(record, crystal, settings, duplicates)
    ]
    variants, without = _vacancy_variants(materials, settings, workshop)
    materials, repeated = _first_of_each_id(materials + variants)
    failures = pd.DataFrame(failures + without + repeated, columns=FAILURE_COLUMNS)
    n_shards = settings.shards
    return make_manifest(materials, n_shards), failures, make_shards(materials, n_shards)


class _Workshop:
    """Does what the cache does not hold, and keeps it there."""

    def __init__(self, cache: CurationCache, n_workers: int) -> None:
        self.cache = cache
        self._n_workers = n_workers

    def outcomes(
        self, what: str, function: Callable[[Task], bytes], tasks: Sequence[Task]
    ) -> list[CuratedCrystal | Refused]:
        """Find the outcomes of tasks, in their order."""
        keys = [task.key for task in tasks]
        found = {}
        for key, packed in self.cache.read_outcomes(set(keys)).items():
            try:
                found[key] = unpack(packed)
            except ValueError as error:
                logger.warning("a kept outcome is damaged (%s): it is computed again", error)
        missing = {key: task for key, task in zip(keys, tasks, strict=True) if key not in found}
        if tasks:
            logger.info("%d %s, %d of them new", len(set(keys)), what, len(missing))
        results = work_through(function, list(missing.values()), self._n_workers)
        pairs = zip(missing, results, strict=True)
        while kept := dict(itertools.islice(pairs, _KEPT_AT_ONCE)):
            self.cache.write_outcomes(kept)
            found |= {key: unpack(packed) for key, packed in kept.items()}
        return [found[key] for key in keys]


def _curate_crystals(
    records: dict[str, list[Record]], settings: StructureSettings, seed: int, workshop: _Workshop
) -> tuple[list[tuple[Record, CuratedCrystal]], list[Record]]:
    """Curate the crystals of all records; failures keep their places among each other."""
    ordered = list(_real_candidates_first(records, settings))
    materials = [record for record in ordered if not is_failure(record)]
    tasks = [
        CurationTask.of(record["material_id"], record["structure"], settings, seed=seed)
        for record in materials
    ]
    outcomes = iter(workshop.outcomes("crystals", curate_packed, tasks))
    crystals, failures = [], []
    for record in ordered:
        outcome = record if is_failure(record) else next(outcomes)
        if isinstance(outcome, CuratedCrystal):
            crystals.append((record, outcome))
        elif isinstance(outcome, Refused):
            failures.append(_failure(record, outcome.reason))
        else:
            failures.append(record)
    return crystals, failures


def _real_candidates_first(
    records: dict[str, list[Record]], settings: StructureSettings
) -> Iterator[Record]:
    """Order the records so that the original of duplicates comes first; ids are unique.

    Values measured on materials without a crystal are the labels' business.
    """
    sources, seen = settings.sources, set()
    for name in sorted(
        sources,
        key=lambda name: (not sources[name].candidates, sources[name].kind == "substitution"),
    ):
        for record in records[name]:
            if is_label_only(record):
                continue
            material_id = record["material_id"]
            if material_id in seen and not is_failure(record):
                record = _failure(record, _repeated(material_id))
            seen.add(material_id)
            yield record


def _stated(record: Record, crystal: CuratedCrystal) -> StatedCrystal:
    """Ready a crystal for comparison; disordered ones may be written in multiples of a formula."""
    cell = crystal.cells[0]
    bucket = cell.chemical_system if cell.was_disordered else cell.reduced_formula
    return StatedCrystal(
        material_id=record["material_id"],
        key=crystal.stated_key,
        bucket=f"disordered {bucket}" if cell.was_disordered else bucket,
        structure=crystal.stated,
    )


def _materials_of(
    record: Record,
    crystal: CuratedCrystal,
    settings: StructureSettings,
    duplicates: dict[str, str],
) -> list[CuratedMaterial]:
    """Name the cells of a crystal; a duplicate leaves the other orderings to its original."""
    first = CuratedMaterial(
        material_id=record["material_id"],
        source=record["source"],
        candidate=settings.sources[record["source"]].candidates,
        cell=crystal.cells[0],
        properties=record["properties"],
        parent_id=record["parent_id"],
        duplicate_of=duplicates.get(record["material_id"]),
    )
    if first.duplicate_of:
        return [first]
    others = enumerate(crystal.cells[1:], start=2)
    return [first, *(first.other_representative(number, cell) for number, cell in others)]


def _vacancy_variants(
    materials: Sequence[CuratedMaterial], settings: StructureSettings, workshop: _Workshop
) -> tuple[list[CuratedMaterial], list[Record]]:
    """Make the variants asked for, of candidates that were ordered and are no duplicates."""
    if not settings.vacancy_variants:
        return [], []
    hosts = [
        one
        for one in materials
        if one.candidate and not one.cell.was_disordered and one.duplicate_of is None
    ]
    tasks = [VacancyTask(one.cell, settings.vacancy_variants, settings.max_sites) for one in hosts]
    outcomes = workshop.outcomes("hosts of vacancies", make_variants_packed, tasks)
    variants, failures = [], []
    for host, outcome in zip(hosts, outcomes, strict=True):
        if isinstance(outcome, Refused):
            failures.append(
                _failure({**vars(host), "material_id": f"{host.material_id}.v1"}, outcome.reason)
            )
        else:
            cells = enumerate(outcome.cells, start=1)
            variants += [host.vacancy_variant(number, cell) for number, cell in cells]
    return variants, failures


def _first_of_each_id(
    materials: Sequence[CuratedMaterial],
) -> tuple[list[CuratedMaterial], list[Record]]:
    """Leave out representatives and variants whose id a source gave to another material."""
    kept: dict[str, CuratedMaterial] = {}
    failures = []
    # Ids of sources are unique already: they come before the ids made from them.
    for one in sorted(materials, key=_is_derived):
        if one.material_id in kept:
            failures.append(_failure(vars(one), _repeated(one.material_id)))
        else:
            kept[one.material_id] = one
    return list(kept.values()), failures


def _is_derived(material: CuratedMaterial) -> bool:
    return material.representative > 1 or material.cell.vacancies_per_cell > 0


def _repeated(material_id: str) -> str:
    return f"another source has a material {material_id}; rename a source"


def _failure(record: Record, reason: str) -> Record:
    return failure(
        material_id=record["material_id"], source=record["source"], stage="curate", reason=reason
    )
