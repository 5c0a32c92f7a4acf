"""Which descriptors speak for a material: its log-odds, dealt out to the columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator

N_ORDERS = 64
LEAST_PROBABILITY = 1e-3


def log_odds(model: BaseEstimator, x: np.ndarray) -> np.ndarray:
    """Compute the log-odds of fast, those of less than 0.1 or more than 99.9 % cut.

    Parameters
    ----------
    model : scikit-learn classifier
    x : array of float, shape (n, n_columns)

    Returns
    -------
    array of float, shape (n,)
    """
    p = model.predict_proba(x)[:, 1]
    return logit(np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))


def attribute_linear(
    weights: np.ndarray, x: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Deal out linear log-odds: weight times deviation from the mean training material.

    Parameters
    ----------
    weights, mean : array of float, shape (n_columns,)
        Of the columns before scaling.
    x : array of float, shape (n, n_columns)
        The materials asked about.

    Returns
    -------
    attribution, standard_error : array of float, shape (n, n_columns)
        Exact: the errors are 0.
    """
    attribution = weights * (x - mean)
    return attribution, np.zeros_like(attribution)


def attribute_by_sampling(
    judge: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    background: np.ndarray,
    *,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate Shapley's values of the columns.

    In a random order, and then in the reverse of it, the columns of a random training
    material are replaced by those of the material asked about; what a replacement adds
    is the column's. 64 such pairs are averaged, no material drawn again before all
    have been. With independent columns the value of a
    linear model is that of `attribute_linear`.

    Parameters
    ----------
    judge : callable
        From descriptors, shape (n, n_columns), to log-odds, shape (n,).
    x : array of float, shape (n, n_columns)
        The materials asked about.
    background : array of float, shape (n_training, n_columns)
        The training materials.
    seed : int
        Of orders and drawn materials; the same for each material asked about.

    Returns
    -------
    attribution, standard_error : array of float, shape (n, n_columns)
        The attributions of a material add up to its log-odds less the mean of those of
        the training materials drawn.

    References
    ----------
    Strumbelj and Kononenko, Knowl. Inf. Syst. 41, 647 (2014),
    doi:10.1007/s10115-013-0679-x; Mitchell et al., JMLR 23, 43 (2022), for the pairs.
    """
    n_columns = x.shape[1]
    rng = np.random.default_rng(seed)
    orders = np.array([rng.permutation(n_columns) for _ in range(N_ORDERS)])
    drawn = background[np.resize(rng.permutation(len(background)), N_ORDERS)]
    results = np.empty((2, *x.shape))
    for i, row in enumerate(x):
        values = np.zeros((N_ORDERS, n_columns))
        for way in (orders, orders[:, ::-1]):
            values += _walk(judge, row, drawn, way) / 2
        results[0, i] = values.mean(axis=0)
        results[1, i] = values.std(axis=0, ddof=1) / np.sqrt(N_ORDERS)
    return results[0], results[1]


def _walk(
    judge: Callable[[np.ndarray], np.ndarray],
    row: np.ndarray,
    start: np.ndarray,
    orders: np.ndarray,
) -> np.ndarray:
    """Compute what each replacement adds, by column, shape (n_orders, n_columns)."""
    n_orders, n_columns = orders.shape
    place = np.argsort(orders, axis=1)
    steps = np.arange(n_columns + 1)
    is_replaced = place[:, np.newaxis, :] < steps[:, np.newaxis]
    path = np.where(is_replaced, row, start[:, np.newaxis, :])
    said = judge(path.reshape(-1, n_columns)).reshape(n_orders, n_columns + 1)
    return np.take_along_axis(np.diff(said, axis=1), place, axis=1)
