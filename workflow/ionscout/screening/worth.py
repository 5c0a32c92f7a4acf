"""What a choice among known conductors is worth, with exact intervals for small numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, softmax
from scipy.stats import beta, hypergeom

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
# Wider than the logarithm of any ratio of binomial coefficients that funnels have.
_LARGEST_LOG_ODDS = 1e4


class Estimate(NamedTuple):
    """A value and its 95 % interval; NaN where nothing is known."""

    value: float
    low: float
    high: float


NOTHING = Estimate(np.nan, np.nan, np.nan)


def estimate_share(n_of: int, n: int) -> Estimate:
    """Estimate a share, with the interval of Clopper and Pearson.

    Parameters
    ----------
    n_of, n : int
        How many of how many.

    Returns
    -------
    Estimate
        NaN where n is 0.

    References
    ----------
    Clopper and Pearson, Biometrika 26, 404 (1934).
    """
    if n == 0:
        return NOTHING
    low = beta.ppf(_TAIL, n_of, n - n_of + 1) if n_of > 0 else 0.0
    high = beta.ppf(1 - _TAIL, n_of + 1, n - n_of) if n_of < n else 1.0
    return Estimate(n_of / n, float(low), float(high))


def estimate_enrichment(n_fast_kept: int, n_kept: int, n_fast: int, n_known: int) -> Estimate:
    """Estimate how many times more fast conductors a choice holds than a random one.

    The number of fast ones among those kept is hypergeometric for a random choice, and
    Fisher's noncentral hypergeometric for one that favours them by some odds. The interval
    holds the odds that the count does not exclude, each tail at 2.5 %, and is given as
    the mean count at these odds over the mean of a random choice. Where all are kept
    nothing is chosen: 1 for sure.

    Parameters
    ----------
    n_fast_kept, n_kept : int
        Fast and known conductors that remain.
    n_fast, n_known : int
        Fast and known conductors there were.

    Returns
    -------
    Estimate
        NaN where none is kept or none is fast.

    References
    ----------
    Fisher, J. R. Stat. Soc. 98, 39 (1935): the conditional distribution.
    """
    if n_kept == 0 or n_fast == 0:
        return NOTHING
    fewest, most = max(0, n_kept - (n_known - n_fast)), min(n_fast, n_kept)
    counts = np.arange(fewest, most + 1)
    log_ways = _log_choose(n_fast, counts) + _log_choose(n_known - n_fast, n_kept - counts)

    def mean_at_chance(is_tail: np.ndarray) -> float:
        def excess(log_odds: float) -> float:
            return softmax(log_ways + log_odds * counts)[is_tail].sum() - _TAIL

        log_odds = brentq(excess, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS)
        return float(softmax(log_ways + log_odds * counts) @ counts)

    low = mean_at_chance(counts >= n_fast_kept) if n_fast_kept > fewest else fewest
    high = mean_at_chance(counts <= n_fast_kept) if n_fast_kept < most else most
    at_random = n_kept * n_fast / n_known
    return Estimate(n_fast_kept / at_random, low / at_random, high / at_random)


def _log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def draw_at_random(n_kept: int, n_fast: int, n_known: int) -> Estimate:
    """Say how many fast conductors a random draw of as many known ones would hold.

    Parameters
    ----------
    n_kept : int
        How many are drawn.
    n_fast, n_known : int
        From which.

    Returns
    -------
    Estimate
        The mean, and what 95 % of the draws hold; NaN where none is known.
    """
    if n_known == 0:
        return NOTHING
    drawn = hypergeom(n_known, n_fast, n_kept)
    low, high = (float(drawn.ppf(tail)) for tail in (_TAIL, 1 - _TAIL))
    return Estimate(n_kept * n_fast / n_known, low, high)


def chance_of_as_many(n_fast_kept: int, n_kept: int, n_fast: int, n_known: int) -> float:
    """Compute the probability that a random draw holds as many fast conductors, or more.

    Parameters
    ----------
    n_fast_kept, n_kept, n_fast, n_known : int
        As in `estimate_enrichment`.

    Returns
    -------
    float
        One-sided and exact; NaN where none is known.
    """
    if n_known == 0:
        return np.nan
    return float(hypergeom.sf(n_fast_kept - 1, n_known, n_fast, n_kept))
