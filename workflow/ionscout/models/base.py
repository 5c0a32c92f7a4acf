"""What a classifier of the registry has to offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator

from ionscout.config import ModelSettings


@dataclass(frozen=True)
class Classifier:
    """A method that judges whether a material conducts fast.

    Attributes
    ----------
    feature_set : str
        The descriptor set it reads.
    columns : tuple of str
        The columns of that set, in the order of its matrix.
    learns : bool
        False for a model that is used as published.
    build : callable
        Makes the unfitted scikit-learn estimator from settings and seed.
    dump, load : callable
        From a fitted estimator to parameters that JSON can hold, and back;
        `load` raises `ValueError` for what it cannot trust.
    note : str
        What a reader of its scores has to know.
    trained_on : tuple of str
        Reduced formulas, as pymatgen writes them, of the compounds that a
        published model was fitted to by its authors.
    """

    feature_set: str
    columns: tuple[str, ...]
    learns: bool
    build: Callable[[ModelSettings, int], BaseEstimator]
    dump: Callable[[BaseEstimator], dict[str, Any]]
    load: Callable[[dict[str, Any]], BaseEstimator]
    note: str = ""
    trained_on: tuple[str, ...] = ()
