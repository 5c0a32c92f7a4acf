"""Which materials must not be split between training and test, and how they are dealt out."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform
from sklearn.model_selection import StratifiedGroupKFold

from ionscout.models._scaling import CONSTANT_WITHIN, find_constant

SAME_WITHIN = 1e-3
_QUARTILES_APART = 1.349  # of a normal distribution, in its standard deviations

_NON_METALS = frozenset(
    ("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I")
)


def assign_folds(y: np.ndarray, groups: np.ndarray, n_folds: int, *, seed: int) -> np.ndarray:
    """Deal out groups to folds, the classes balanced as far as the groups allow.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    groups : array of shape (n,)
        Rows of a group share a fold.
    n_folds : int
        Fewer are made where there are fewer groups, or fewer materials in both classes.
    seed : int
        Seed of the dealing.

    Returns
    -------
    array of int, shape (n,)
        The fold of each row; all 0 where there is one group only.
    """
    folds = np.zeros(len(y), dtype=int)
    larger_class = max(np.count_nonzero(y), np.count_nonzero(~np.asarray(y, dtype=bool)))
    n_folds = min(n_folds, len(np.unique(groups)), larger_class)
    if n_folds < 2:
        return folds
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, test) in enumerate(splitter.split(folds, y, groups)):
            folds[test] = fold
    return folds


def inner_folds(y: np.ndarray, groups: np.ndarray | None, n_folds: int, *, seed: int) -> np.ndarray:
    """Deal out the rows of a training part for choices made inside it.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    groups : array of shape (n,), optional
        Rows that share a fold. Without them, or where all rows are one group,
        each row is a group of its own.
    n_folds, seed : int
        As in `assign_folds`.

    Returns
    -------
    array of int, shape (n,)
    """
    if groups is None or len(np.unique(groups)) < 2:
        groups = np.arange(len(y))
    return assign_folds(y, groups, n_folds, seed=seed)


def find_twins(x: np.ndarray) -> np.ndarray:
    """Group materials that the descriptors do not tell apart.

    Two are twins where no descriptor differs by more than 1e-3 of its spread (from the
    quartiles, which one odd material does not move); so are those that a chain of twins
    connects. What stands on both sides of a fold as a twin
    is a leak, whatever its name.

    Parameters
    ----------
    x : array of float, shape (n, n_columns)
        Descriptors, finite.

    Returns
    -------
    array of int, shape (n,)
        The group of each row.
    """
    if len(x) < 2 or x.shape[1] == 0:
        return np.arange(len(x))
    low, high = np.percentile(x, [25, 75], axis=0)
    rounding = CONSTANT_WITHIN * np.abs(x).max(axis=0)
    spread = np.where(high - low > rounding, (high - low) / _QUARTILES_APART, x.std(axis=0))
    scaled = x / np.where(find_constant(x), 1.0, spread)
    is_same = squareform(pdist(scaled, "chebyshev") <= SAME_WITHIN)
    return connected_components(is_same)[1]


def merge_groups(*groupings: np.ndarray) -> np.ndarray:
    """Merge groupings: rows that share a group in any of them share one.

    Parameters
    ----------
    *groupings : array of shape (n,)
        At least one.

    Returns
    -------
    array of int, shape (n,)
    """
    n = len(groupings[0])
    codes, offset = [], n
    for grouping in groupings:
        code, names = pd.factorize(grouping)
        codes.append(code + offset)
        offset += len(names)
    rows, columns = np.tile(np.arange(n), len(codes)), np.concatenate(codes)
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(offset, offset))
    return connected_components(graph, directed=False)[1][:n]


def anion_chemistry(chemical_systems: np.ndarray) -> np.ndarray:
    """Name the anion framework of each material by its non-metals.

    Li-La-Zr-O is O, Li-Ti-P-O is O-P, Li-Ge-P-S is P-S. The geometry does not count: two
    lattices of the same anions are one framework, and the same lattice of other anions
    is another. A material without non-metals is named by its whole chemical system.

    Parameters
    ----------
    chemical_systems : array of str, shape (n,)
        Elements joined by hyphens.

    Returns
    -------
    array of str, shape (n,)
    """
    names = []
    for system in chemical_systems:
        anions = sorted(_NON_METALS.intersection(str(system).split("-")))
        names.append("-".join(anions) or str(system))
    return np.array(names, dtype=object)
