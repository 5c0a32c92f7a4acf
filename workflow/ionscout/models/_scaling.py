"""Standardisation of columns."""

from __future__ import annotations

import numpy as np


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
    scale = x.std(axis=0)
    return x.mean(axis=0), np.where(np.ptp(x, axis=0) > 0, scale, 1.0)
