"""Measured and described materials, and who must not be split between training and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ionscout.models._folds import anion_chemistry, merge_groups
from ionscout.models.regression.scores import Measured

MIN_LABELS = 4
RANDOM, SYSTEM, FRAMEWORK, PAPER = (
    "random",
    "grouped_system",
    "grouped_framework",
    "grouped_paper",
)


@dataclass(frozen=True)
class Labelled:
    """Materials to learn from.

    Attributes
    ----------
    names : array of str, shape (n,)
    x : array of float, shape (n, n_columns)
        Their description, NaN where missing.
    y : array of float, shape (n,)
    is_upper_bound : array of bool, shape (n,)
    groups : dict of str to array, shape (n,)
        By scheme of validation, the rows that must not be split.
    """

    names: np.ndarray
    x: np.ndarray
    y: np.ndarray
    is_upper_bound: np.ndarray
    groups: dict[str, np.ndarray]

    @property
    def measured(self) -> Measured:
        """The values."""
        return Measured(self.y, self.is_upper_bound)

    @property
    def inner_groups(self) -> np.ndarray:
        """The groups that held-out errors of intervals, and choices, part: a new paper's if known.

        Materials of one paper err alike, so that errors at systems of known papers are too small.
        """
        return self.groups.get(PAPER, self.groups[SYSTEM])

    @property
    def unusable(self) -> str:
        """Why nothing can be learned from it; empty when something can."""
        n_values = int((~self.is_upper_bound).sum())
        if n_values < MIN_LABELS:
            return f"{n_values} measured values of described materials; {MIN_LABELS} are needed"
        return ""

    @property
    def sha256(self) -> str:
        """Hash of names, descriptions and values."""
        digest = hashlib.sha256("\n".join(map(str, self.names)).encode())
        for column in (self.x, self.y, self.is_upper_bound):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def make_groups(
    x: np.ndarray, chemical_systems: np.ndarray, papers: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Say for each scheme of validation which materials go together.

    Parameters
    ----------
    x : array of float, shape (n, n_columns)
        Materials whose descriptions are the same share a group in each scheme.
    chemical_systems : array of str, shape (n,)
        Elements joined by hyphens.
    papers : array of str, shape (n,), optional
        Where each was published; empty where not known.

    Returns
    -------
    dict of str to array
        `random` by description alone, `grouped_system`, `grouped_framework` by the
        non-metals, and with papers `grouped_paper`, by paper and chemical system.
    """
    same = np.array([row.tobytes() for row in np.round(np.nan_to_num(x, nan=-1.0), 6)], object)
    groups = {RANDOM: merge_groups(same), SYSTEM: merge_groups(chemical_systems, same)}
    groups[FRAMEWORK] = merge_groups(anion_chemistry(chemical_systems), groups[SYSTEM])
    if papers is not None:
        groups[PAPER] = merge_groups(groups[SYSTEM], group_papers(chemical_systems, papers))
    return groups


def group_papers(chemical_systems: np.ndarray, papers: np.ndarray) -> np.ndarray:
    """Group materials that share a paper or a chemical system.

    Parameters
    ----------
    chemical_systems, papers : array of str, shape (n,)
        Empty where not known; such a row shares none.

    Returns
    -------
    array of int, shape (n,)
    """
    return merge_groups(_name_unknown(chemical_systems), _name_unknown(papers))


def _name_unknown(names: np.ndarray) -> np.ndarray:
    return np.array([name or f"row {row}" for row, name in enumerate(names)], dtype=object)
