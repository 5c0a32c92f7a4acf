"""The labelled and described materials that a classifier may learn from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionscout.labels import duplicate_groups, known_classes

MIN_LABELS = 4


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
    """

    material_id: np.ndarray
    x: np.ndarray
    y: np.ndarray
    chemical_system: np.ndarray
    members: pd.Series

    @property
    def unusable(self) -> str:
        """Why nothing can be learned from it; empty when something can."""
        n, n_fast = len(self.y), int(self.y.sum())
        if n < MIN_LABELS:
            return f"{n} labelled materials with all descriptors; {MIN_LABELS} are needed"
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
        The descriptors, NaN where missing.
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
    complete = matrix.index[np.isfinite(matrix.to_numpy(dtype=float)).all(axis=1)]
    usable = groups[groups.index.isin(fast.index) & groups.index.isin(complete)]
    order = sorted(usable.index, key=lambda i: (usable[i], usable[i] != i, i))
    chosen = usable.loc[order].drop_duplicates()
    chosen = chosen.sort_index()
    standing_for = pd.Series(chosen.index, index=chosen.to_numpy(), dtype=str)
    members = groups[groups.isin(chosen)].map(standing_for)
    ids = chosen.index
    systems = manifest.set_index("material_id")["chemical_system"]
    return TrainingSet(
        material_id=ids.to_numpy(dtype=object),
        x=matrix.loc[ids].to_numpy(dtype=float),
        y=fast.loc[ids].to_numpy(dtype=bool),
        chemical_system=systems.loc[ids].to_numpy(dtype=object),
        members=members,
    )
