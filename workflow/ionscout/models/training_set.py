"""The labelled and described materials that a classifier may learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ionscout.labels import duplicate_groups, known_classes
from ionscout.models._folds import anion_chemistry, find_twins, merge_groups
from ionscout.models._missing import find_known

MIN_LABELS = 4


@dataclass(frozen=True)
class Pool:
    """Materials without a label, each crystal once.

    Attributes
    ----------
    x : array of float, shape (n, n_columns)
        Descriptors, none missing.
    chemical_system : array of str, shape (n,)
    """

    x: np.ndarray
    chemical_system: np.ndarray

    def without(self, chemical_systems: np.ndarray) -> Pool:
        """Leave out whole chemical systems.

        Parameters
        ----------
        chemical_systems : array of str
            Of the materials that a score is to be held out from.

        Returns
        -------
        Pool
        """
        kept = ~np.isin(self.chemical_system, chemical_systems)
        return Pool(self.x[kept], self.chemical_system[kept])


@dataclass(frozen=True)
class TrainingSet:
    """Labelled materials, each crystal once.

    Attributes
    ----------
    material_id : array of str, shape (n,)
        The member that stands for its duplicate group, sorted.
    x : array of float, shape (n, n_columns)
        Descriptors, none missing.
    y : array of bool, shape (n,)
        True for fast.
    chemical_system : array of str, shape (n,)
        Materials that must not be split between training and test.
    members : Series of str, indexed by material_id
        For every material of a training group, the one that stands for it.
    pool : Pool, optional
        The materials without a label.
    empty_columns : tuple of str
        Descriptors that no material has.
    """

    material_id: np.ndarray
    x: np.ndarray
    y: np.ndarray
    chemical_system: np.ndarray
    members: pd.Series
    pool: Pool | None = None
    empty_columns: tuple[str, ...] = ()

    @cached_property
    def twins(self) -> np.ndarray:
        """Groups of materials that the descriptors do not tell apart, shape (n,)."""
        return find_twins(self.x)

    @cached_property
    def systems(self) -> np.ndarray:
        """Groups by chemical system, twins in one, shape (n,)."""
        return merge_groups(self.chemical_system, self.twins)

    @cached_property
    def frameworks(self) -> np.ndarray:
        """Groups by anion framework (`anion_chemistry`), systems and twins in one, shape (n,)."""
        return merge_groups(anion_chemistry(self.chemical_system), self.systems)

    def keep(self, rows: np.ndarray) -> TrainingSet:
        """Keep some of the labelled materials; the pool stays as it is.

        Parameters
        ----------
        rows : array of bool, shape (n,)

        Returns
        -------
        TrainingSet
        """
        ids = self.material_id[rows]
        parts = (ids, self.x[rows], self.y[rows], self.chemical_system[rows])
        return TrainingSet(*parts, self.members[self.members.isin(ids)], self.pool)

    @property
    def unusable(self) -> str:
        """Why nothing can be learned from it; empty when something can."""
        n, n_fast = len(self.y), int(self.y.sum())
        if n < MIN_LABELS:
            few = f"{n} labelled materials with all descriptors; {MIN_LABELS} are needed"
            lacking = ", ".join(self.empty_columns)
            return f"{few}; no material has a value of {lacking}" if lacking else few
        if n_fast in (0, n):
            return f"all {n} labelled materials are {'fast' if n_fast else 'slow'} conductors"
        return ""

    @property
    def sha256(self) -> str:
        """Hash of ids, descriptors and classes."""
        digest = hashlib.sha256("\n".join(self.material_id).encode())
        digest.update(np.ascontiguousarray(self.x).tobytes())
        digest.update(self.y.tobytes())
        return digest.hexdigest()


def make_training_set(
    matrix: pd.DataFrame,
    labels: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    fast_threshold_s_cm: float,
) -> TrainingSet:
    """Select what can be learned from.

    A group of duplicates counts once: the original stands for it or, where a
    descriptor of the original is missing, the first duplicate that has them all.

    Parameters
    ----------
    matrix : DataFrame, index material_id
        The descriptors, NaN where missing; so counts what is above 1e30 by size.
    labels : DataFrame
        As `join_labels` returns it.
    manifest : DataFrame
        Columns material_id, duplicate_of, chemical_system.
    fast_threshold_s_cm : float
        Conductivity in S/cm from which a material is fast.

    Returns
    -------
    TrainingSet
        Empty when no labelled material has all descriptors.
    """
    fast = known_classes(labels, fast_threshold_s_cm=fast_threshold_s_cm)
    groups = duplicate_groups(manifest)
    known = find_known(matrix.to_numpy(dtype=float))
    complete = matrix.index[known.all(axis=1)]
    chosen = one_a_group(groups[groups.index.isin(fast.index) & groups.index.isin(complete)])
    standing_for = pd.Series(chosen.index, index=chosen.to_numpy(), dtype=str)
    members = groups[groups.isin(chosen)].map(standing_for)
    ids = chosen.index
    systems = manifest.set_index("material_id")["chemical_system"]
    labelled = groups[groups.index.isin(labels["material_id"])]
    unlabelled = groups[groups.index.isin(complete) & ~groups.isin(labelled)]
    pool_ids = one_a_group(unlabelled).index
    return TrainingSet(
        material_id=ids.to_numpy(dtype=object),
        x=matrix.loc[ids].to_numpy(dtype=float),
        y=fast.loc[ids].to_numpy(dtype=bool),
        chemical_system=systems.loc[ids].to_numpy(dtype=object),
        members=members,
        pool=Pool(
            matrix.loc[pool_ids].to_numpy(dtype=float),
            systems.loc[pool_ids].to_numpy(dtype=object),
        ),
        empty_columns=tuple(matrix.columns[~known.any(axis=0)]),
    )


def join_feature_sets(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the descriptor sets that a classifier reads side by side.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By set, index material_id, with the column `reason`.

    Returns
    -------
    DataFrame, index material_id
        One table is returned as it is. Of several, the columns are named `set.column`,
        there is a row for each material that all describe, and `reason` joins theirs.
    """
    if len(tables) == 1:
        return next(iter(tables.values()))
    parts = [table.drop(columns="reason").add_prefix(f"{name}.") for name, table in tables.items()]
    joined = pd.concat(parts, axis=1, join="inner")
    reasons = pd.DataFrame({name: table["reason"] for name, table in tables.items()})
    stated = reasons.reindex(joined.index).fillna("")
    joined["reason"] = [
        "; ".join(f"{name}: {said}" for name, said in row.items() if said)
        for row in stated.to_dict("records")
    ]
    return joined


def one_a_group(groups: pd.Series) -> pd.Series:
    """Choose the original of each duplicate group, or else its first member by id.

    Parameters
    ----------
    groups : Series of str, indexed by material_id
        The original of each candidate's duplicate group.

    Returns
    -------
    Series of str, indexed by material_id
        Those chosen, sorted by id.
    """
    order = sorted(groups.index, key=lambda i: (groups[i], groups[i] != i, i))
    return groups.loc[order].drop_duplicates().sort_index()
