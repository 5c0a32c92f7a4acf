"""Upper bounds among the measured values: what they say, and what they do not."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr


def expect_below(bound: np.ndarray, mean: np.ndarray, deviation: float) -> np.ndarray:
    """Compute the mean of a normal variable that is known to lie below a bound.

    Parameters
    ----------
    bound, mean : array of float, shape (n,)
        The bound, and the mean without it.
    deviation : float
        Standard deviation without the bound; 0 puts all at the smaller of the two.

    Returns
    -------
    array of float, shape (n,)
        Never above the bound.
    """
    if deviation <= 0:
        return np.minimum(bound, mean)
    z = (bound - mean) / deviation
    hazard = np.exp(-(z**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(z))
    return np.minimum(mean - deviation * hazard, bound)


def signed_errors(y: np.ndarray, predicted: np.ndarray, is_upper_bound: np.ndarray) -> np.ndarray:
    """Subtract measured values from predictions.

    Parameters
    ----------
    y, predicted : array of float, shape (n,)
    is_upper_bound : array of bool, shape (n,)
        Where y is a bound, a prediction below it is no error.

    Returns
    -------
    array of float, shape (n,)
    """
    errors = predicted - y
    return np.where(is_upper_bound, np.maximum(errors, 0.0), errors)
