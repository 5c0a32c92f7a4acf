"""What a classifier of the registry has to offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ionscout.config import ModelSettings


@dataclass(frozen=True)
class Classifier:
    """A method that judges whether a material conducts fast.

    Attributes
    ----------
    columns : tuple of str
        What it is fitted to, in the order of its matrix, named as
        `join_feature_sets` names them. The sets are in `ionscout.config.CLASSIFIER_SETS`.
    learns : bool
        False for a model that is used as published.
    build : callable
        Makes the unfitted scikit-learn estimator from settings and seed.
    dump, load : callable
        From the estimator that judges to parameters that JSON can hold, and back;
        `load` raises `ValueError` for what it cannot trust.
    linear : callable, optional
        For a model whose log-odds are linear: from the estimator that judges to the
        weights of the columns before scaling, shape (n_columns,), and the intercept.
    judged_columns : tuple of str
        What it judges a material by, where that is less than `columns`.
    judge : callable
        From the fitted estimator to the one that judges by `judged_columns`.
    published : dict of str to float
        Published coefficients, to be shown beside the fitted ones, by column.
    note : str
        What a reader of its scores has to know.
    trained_on : tuple of str
        Reduced formulas, as pymatgen writes them, of the compounds that a
        published model was fitted to by its authors.
    """

    columns: tuple[str, ...]
    learns: bool
    build: Callable[[ModelSettings, int], BaseEstimator]
    dump: Callable[[BaseEstimator], dict[str, Any]]
    load: Callable[[dict[str, Any]], BaseEstimator]
    linear: Callable[[BaseEstimator], tuple[np.ndarray, float]] | None = None
    judged_columns: tuple[str, ...] = ()
    judge: Callable[[BaseEstimator], BaseEstimator] = lambda fitted: fitted
    published: dict[str, float] = field(default_factory=dict)
    note: str = ""
    trained_on: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it judges a material by."""
        return self.judged_columns or self.columns

    @property
    def read_positions(self) -> np.ndarray:
        """Positions of `reads` in `columns`, shape (n_read,)."""
        return np.array([self.columns.index(column) for column in self.reads])
