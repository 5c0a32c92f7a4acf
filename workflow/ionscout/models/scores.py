"""Scores of held-out probabilities, each with a 95 % interval that a perfect score does not shrink.

A score from some tens of materials is a rough one: the intervals say how rough.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

METRICS = ("misclassification", "balanced_accuracy", "roc_auc", "log_loss")
INTERVAL_PERCENT = (2.5, 97.5)
Z_VALUE = norm.ppf(0.975)
N_BOOTSTRAP = 2000
TINY = 1e-9

Score = tuple[float, float, float]
UNDEFINED: Score = (math.nan, math.nan, math.nan)


def score(y: np.ndarray, p: np.ndarray, groups: np.ndarray, *, seed: int) -> pd.DataFrame:
    """Compute every metric with its 95 % interval.

    Fast is p >= 0.5. Each interval takes the materials as independent, which those
    of a group are not: where groups hold several, it is widened to hold the
    percentile bootstrap over groups too.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    p : array of float, shape (n,)
        Held-out probability of fast; rows with NaN are left out.
    groups : array of shape (n,)
        Rows that are drawn together in the bootstrap.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        Columns metric, value, low, high, n; one row a metric, NaN where it has no meaning.
    """
    known = np.isfinite(p)
    y, p, groups = y[known], p[known], groups[known]
    values = (
        misclassification(y, p),
        balanced_accuracy(y, p),
        roc_auc(y, p),
        log_loss(y, p, groups, seed=seed),
    )
    table = pd.DataFrame(values, columns=["value", "low", "high"])
    if 1 < len(np.unique(groups)) < len(y):
        low, high = _bootstrap(y, p, groups, seed=seed)
        table["low"] = np.fmin(table["low"], low).where(table["value"].notna())
        table["high"] = np.fmax(table["high"], high).where(table["value"].notna())
    return table.assign(metric=METRICS, n=len(y))


def score_repeats(
    y: np.ndarray, probabilities: np.ndarray, groups: np.ndarray, *, seed: int
) -> pd.DataFrame:
    """Average the scores, and the ends of their intervals, of a repeated cross-validation.

    Repeats deal the same materials anew: they steady the score and narrow no interval.

    Parameters
    ----------
    y, groups, seed
        As in `score`.
    probabilities : array of float, shape (n_repeats, n)
        Held-out probability of fast.

    Returns
    -------
    DataFrame
        As `score` returns it.
    """
    tables = [score(y, p, groups, seed=seed) for p in probabilities]
    mean = pd.concat(tables).groupby("metric", sort=False)[["value", "low", "high"]].mean()
    return mean.reset_index().assign(n=tables[0]["n"].to_numpy())


def tie_constant(table: pd.DataFrame) -> pd.DataFrame:
    """Set the ROC-AUC of a constant to one half: its folds differ by what they hold out alone.

    Parameters
    ----------
    table : DataFrame
        As `score` returns it for a constant.

    Returns
    -------
    DataFrame
        With the column note, which says so beside the ROC-AUC and is empty elsewhere.
    """
    is_auc = (table["metric"] == "roc_auc") & table["value"].notna()
    note = np.where(is_auc, "by definition: a constant ranks nothing", "")
    tied = table.assign(note=note)
    tied.loc[is_auc, ["value", "low", "high"]] = 0.5
    return tied


def misclassification(y: np.ndarray, p: np.ndarray) -> Score:
    """Share of wrong classes, with Wilson's interval.

    Parameters
    ----------
    y : array of bool, shape (n,)
        True for fast.
    p : array of float, shape (n,)
        Probability of fast.

    Returns
    -------
    value, low, high : float
        NaN without rows.
    """
    if len(y) == 0:
        return UNDEFINED
    wrong = np.count_nonzero((p >= 0.5) != y)
    low, high = binomtest(wrong, len(y)).proportion_ci(method="wilson")
    return wrong / len(y), low, high


def balanced_accuracy(y: np.ndarray, p: np.ndarray) -> Score:
    """Mean over the two classes of the share that is right.

    The interval combines the Wilson intervals of the two shares.

    Parameters
    ----------
    y, p
        As in `misclassification`.

    Returns
    -------
    value, low, high : float
        NaN without both classes.

    References
    ----------
    Newcombe, Stat. Med. 17, 873 (1998), method 10, for the mean in place of the difference.
    """
    if len(np.unique(y)) < 2:
        return UNDEFINED
    wrong = np.array([misclassification(y[of], p[of]) for of in (y, ~y)])
    right, high, low = (1 - wrong).T
    value = right.mean()
    return (
        value,
        value - np.hypot(*(right - low)) / 2,
        value + np.hypot(*(high - right)) / 2,
    )


def roc_auc(y: np.ndarray, p: np.ndarray) -> Score:
    """Probability that a fast material ranks above a slow one, ties counting half.

    Held-out probabilities of many small folds are pooled here: the fold that
    leaves out a fast material expects fewer of them, which pulls the score of a
    model that knows nothing below one half.

    Parameters
    ----------
    y, p
        As in `misclassification`.

    Returns
    -------
    value, low, high : float
        NaN without both classes.

    References
    ----------
    The interval is method 5 of Newcombe, Stat. Med. 25, 559 (2006), doi:10.1002/sim.2324.
    """
    if len(np.unique(y)) < 2:
        return UNDEFINED
    value = float(roc_auc_score(y, p))
    n_fast, n_slow = np.count_nonzero(y), np.count_nonzero(~y)
    surplus = (n_fast + n_slow) / 2 - 1

    def excess(area: float) -> float:
        """By how much `area` is further from the value than its own standard error allows."""
        spread = 1 + surplus * ((1 - area) / (2 - area) + area / (1 + area))
        variance = area * (1 - area) * spread / (n_fast * n_slow)
        return (area - value) ** 2 - Z_VALUE**2 * variance

    inside = np.clip(value, TINY, 1 - TINY)
    low = brentq(excess, 0, inside) if value > 0 else 0.0
    high = brentq(excess, inside, 1) if value < 1 else 1.0
    return value, low, high


def log_loss(y: np.ndarray, p: np.ndarray, groups: np.ndarray, *, seed: int) -> Score:
    """Mean negative log-likelihood in nats, with the percentile bootstrap over groups.

    Parameters
    ----------
    y, p
        As in `misclassification`.
    groups : array of shape (n,)
        Rows that are drawn together.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    value, low, high : float
        NaN without rows.
    """
    if len(y) == 0:
        return UNDEFINED
    losses = losses_nats(y, p)
    weights = draw_groups(groups, seed=seed)
    low, high = np.percentile(weights @ losses / weights.sum(axis=1), INTERVAL_PERCENT)
    return losses.mean(), low, high


def _bootstrap(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of every metric, in their order, when groups are drawn with replacement."""
    weights = draw_groups(groups, seed=seed)
    wrong = ((p >= 0.5) != y).astype(float)
    fast, slow = weights[:, y], weights[:, ~y]
    is_above = (p[y][:, np.newaxis] > p[~y]) + 0.5 * (p[y][:, np.newaxis] == p[~y])
    with np.errstate(invalid="ignore"):
        missed = fast @ wrong[y] / fast.sum(axis=1), slow @ wrong[~y] / slow.sum(axis=1)
        pairs = fast.sum(axis=1) * slow.sum(axis=1)
        area = np.einsum("ij,ij->i", fast @ is_above, slow) / pairs
    every = weights.sum(axis=1)
    metrics = (
        weights @ wrong / every,
        1 - np.mean(missed, axis=0),
        area,
        weights @ losses_nats(y, p) / every,
    )
    known = [values[np.isfinite(values)] for values in metrics]
    ends = [np.percentile(v, INTERVAL_PERCENT) if len(v) else (np.nan, np.nan) for v in known]
    low, high = np.transpose(ends)
    return low, high


def draw_groups(groups: np.ndarray, *, seed: int, n_drawn: int = N_BOOTSTRAP) -> np.ndarray:
    """Draw groups with replacement, for a bootstrap.

    Parameters
    ----------
    groups : array of shape (n,)
        Rows that are drawn together.
    seed : int
        Seed of the drawing.
    n_drawn : int
        How many times all are drawn.

    Returns
    -------
    array of int, shape (n_drawn, n)
        How often each row is drawn.
    """
    names, member_of = np.unique(groups, return_inverse=True)
    shares = np.full(len(names), 1 / len(names))
    rng = np.random.default_rng(seed)
    return rng.multinomial(len(names), shares, size=n_drawn)[:, member_of]


def losses_nats(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Compute the negative log-likelihood of each row in nats.

    Parameters
    ----------
    y, p
        As in `misclassification`.

    Returns
    -------
    array of float, shape (n,)
    """
    return -np.log(np.clip(np.where(y, p, 1 - p), np.finfo(float).eps, 1))
