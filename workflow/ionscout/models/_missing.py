"""Which descriptors are there."""

from __future__ import annotations

import numpy as np

LARGEST = 1e30


def find_known(x: np.ndarray) -> np.ndarray:
    """Find the values that a model can be given.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array of bool, of the shape of x
        False for NaN, and for what is no descriptor of a crystal but of a fault: infinite,
        or above 1e30 by size, whose square or rounding to 32 bits overflows.
    """
    return np.abs(x) <= LARGEST
