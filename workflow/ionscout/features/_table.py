"""Tables of descriptors: a shard at a time, and what was described before read back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pymatgen.core import Structure

from ionscout.config import FeatureSettings
from ionscout.features._base import DescriptorSet
from ionscout.stages import STAGE_VERSIONS
from ionscout.store import OutcomeStore, content_key

ROWS_AT_ONCE = 256

Material = tuple[str, dict[str, Any]]


def describe_shard(
    descriptors: DescriptorSet,
    materials: Iterable[Material],
    structure_hashes: Mapping[str, str],
    path: str | Path,
    store: OutcomeStore,
) -> tuple[int, int]:
    """Describe materials and write their table; memory does not grow with their number.

    Parameters
    ----------
    descriptors : DescriptorSet
    materials : iterable of (str, dict)
        Material ids and structures as pymatgen's plain data, taken some at a time.
    structure_hashes : mapping of str to str
        By material id.
    path : str or Path
        Parquet: index `material_id`, the set's columns (float, NaN where missing)
        and `reason` (empty where all is there), in the order given.
    store : OutcomeStore
        What was described before, by structure hash; failures are tried again.

    Returns
    -------
    n_materials, n_described : int
        Materials, and how many of them were not in the store.
    """
    n_materials, n_described = 0, 0

    def tables() -> Iterator[pd.DataFrame]:
        nonlocal n_materials, n_described
        for some in _some_at_a_time(materials):
            hashes = [structure_hashes[material_id] for material_id, _ in some]
            values, reasons, n_new = _describe_some(descriptors, some, hashes, store)
            n_materials += len(some)
            n_described += n_new
            yield _table([material_id for material_id, _ in some], descriptors, values, reasons)

    empty = _table([], descriptors, np.empty((0, len(descriptors.columns))), [])
    write_tables(path, itertools.chain([empty], tables()))
    return n_materials, n_described


def open_store(
    folder: Path,
    descriptors: DescriptorSet,
    settings: FeatureSettings,
    *,
    shard: int,
    n_shards: int,
) -> OutcomeStore:
    """Open what was described before with the same settings and versions.

    Parameters
    ----------
    folder : Path
    descriptors : DescriptorSet
    settings : FeatureSettings
    shard, n_shards : int
        Each shard has a file of its own, so that jobs on several nodes write to several files.

    Returns
    -------
    OutcomeStore
    """
    section = getattr(settings, descriptors.name, None)
    key = content_key(
        STAGE_VERSIONS["features"],
        STAGE_VERSIONS["structures"],
        {package: _version(package) for package in descriptors.packages},
        None if section is None else section.model_dump(mode="json"),
    )
    return OutcomeStore(folder / descriptors.name / key[:16] / f"{shard}-of-{n_shards}.sqlite")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_tables(path: str | Path, tables: Iterable[pd.DataFrame]) -> None:
    """Write tables of the same columns into one Parquet file, one after the other.

    Parameters
    ----------
    path : str or Path
    tables : iterable of pandas.DataFrame
        At least one.
    """
    arrow = map(pa.Table.from_pandas, tables)
    first = next(arrow)
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in itertools.chain([first], arrow):
            writer.write_table(table)


def read_tables(paths: Iterable[str | Path]) -> Iterator[pd.DataFrame]:
    """Read Parquet files of the same columns, some rows at a time.

    Parameters
    ----------
    paths : iterable of str or Path

    Yields
    ------
    pandas.DataFrame
    """
    for path in paths:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            yield schema.empty_table().to_pandas()
            for batch in file.iter_batches(ROWS_AT_ONCE):
                yield pa.Table.from_batches([batch], schema).to_pandas()


def list_failures(paths: Iterable[str | Path]) -> tuple[pd.DataFrame, int]:
    """List the materials with a reason in tables of a descriptor set.

    Parameters
    ----------
    paths : iterable of str or Path

    Returns
    -------
    failures : pandas.DataFrame
        Columns material_id, reason and has_values: False where no column has a value.
    n_materials : int
        With and without a reason.
    """
    found, n_materials = [], 0
    for table in read_tables(paths):
        n_materials += len(table)
        incomplete = table[table["reason"] != ""]
        values = incomplete.drop(columns="reason")
        found.append(incomplete[["reason"]].assign(has_values=values.notna().any(axis=1)))
    return pd.concat(found).reset_index(), n_materials


def _some_at_a_time(materials: Iterable[Material]) -> Iterator[list[Material]]:
    remaining = iter(materials)
    while some := list(itertools.islice(remaining, ROWS_AT_ONCE)):
        yield some


def _describe_some(
    descriptors: DescriptorSet, some: list[Material], hashes: list[str], store: OutcomeStore
) -> tuple[np.ndarray, list[str], int]:
    known = {key: _unpack(outcome) for key, outcome in store.read_outcomes(hashes).items()}
    new = [i for i, key in enumerate(hashes) if key not in known]
    values, reasons = descriptors.describe_many(Structure.from_dict(some[i][1]) for i in new)
    fresh = {hashes[i]: row for i, *row in zip(new, values, reasons, strict=True)}
    has_values = {key: row for key, row in fresh.items() if np.isfinite(row[0]).any()}
    store.write_outcomes({key: _pack(*row) for key, row in has_values.items()})
    rows = [{**known, **fresh}[key] for key in hashes]
    return np.array([row[0] for row in rows]), [row[1] for row in rows], len(new)


def _pack(values: np.ndarray, reason: str) -> bytes:
    return np.uint32(values.size).tobytes() + values.tobytes() + reason.encode()


def _unpack(outcome: bytes) -> tuple[np.ndarray, str]:
    end = 4 + 8 * int(np.frombuffer(outcome, np.uint32, 1)[0])
    return np.frombuffer(outcome[4:end]), outcome[end:].decode()


def _table(
    material_ids: list[str], descriptors: DescriptorSet, values: np.ndarray, reasons: list[str]
) -> pd.DataFrame:
    index = pd.Index(material_ids, name="material_id", dtype="str")
    table = pd.DataFrame(values, index=index, columns=list(descriptors.columns))
    table["reason"] = pd.array(reasons, dtype="str")
    return table
