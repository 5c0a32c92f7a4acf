"""Standardisation of columns."""

from __future__ import annotations

import numpy as np

CONSTANT_WITHIN = 1e-12


def fit_scaling(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean and the standard deviation of each column.

    Parameters
    ----------
    x : array of float, shape (n, n_columns)

    Returns
    -------
    mean, scale : array of float, shape (n_columns,)
        The scale of a constant column is 1.
    """
    return x.mean(axis=0), np.where(find_constant(x), 1.0, x.std(axis=0))


def find_constant(x: np.ndarray) -> np.ndarray:
    """Find the columns that vary by less than rounding.

    Parameters
    ----------
    x : array of float, shape (n, n_columns)

    Returns
    -------
    array of bool, shape (n_columns,)
        True where the standard deviation is at most 1e-12 of the largest value by size.
    """
    return x.std(axis=0) <= CONSTANT_WITHIN * np.abs(x).max(axis=0, initial=0.0)
