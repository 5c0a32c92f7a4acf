"""One Haven ratio from the runs of a material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport.spread import prior_spread
from ionscout.transport.straightness import WORST_P


@dataclass(frozen=True)
class PooledRatio:
    """A positive ratio with its credible interval, taken as lognormal."""

    median: float
    low: float
    high: float

    def divide(self, value: float, low: float, high: float) -> tuple[float, float, float]:
        """Divide a lognormal quantity by the ratio, the two taken as independent.

        Parameters
        ----------
        value, low, high : float
            Median and bounds of the quantity at the same credible level.

        Returns
        -------
        median, low, high : float
            In its unit.
        """
        up = np.hypot(np.log(high / value), np.log(self.median / self.low))
        down = np.hypot(np.log(value / low), np.log(self.high / self.median))
        median = value / self.median
        return median, float(median * np.exp(-down)), float(median * np.exp(up))


def pool_haven_ratio(rows: pd.DataFrame, *, credible_level: float = 0.95) -> PooledRatio | None:
    """Pool the Haven ratios of runs, in ln with the weights of their intervals.

    Parameters
    ----------
    rows : DataFrame
        Runs with the columns haven_ratio, haven_ratio_low and haven_ratio_high; those
        without numbers are left out.
    credible_level : float, optional
        Probability inside the intervals, those of the runs and the pooled one.

    Returns
    -------
    PooledRatio or None
        None where no run has one.

    Raises
    ------
    TransportError
        If the runs disagree beyond their errors.
    """
    columns = ["haven_ratio", "haven_ratio_low", "haven_ratio_high"]
    if not set(columns) <= set(rows.columns):
        return None
    values = rows[columns].to_numpy(dtype=float)
    values = values[np.isfinite(values).all(axis=1) & (values > 0).all(axis=1)]
    values = values[values[:, 1] < values[:, 2]]
    if not len(values):
        return None
    _, low, high = np.log(values).T
    quantile = stats.norm.ppf((1 + credible_level) / 2)
    centre, sd = (low + high) / 2, (high - low) / (2 * quantile)
    _refuse_disagreement(values[:, 0], centre, sd)
    fit = prior_spread(sd).fit(np.ones((len(sd), 1)), centre)
    weights, means = fit.spread.weights, fit.centres[:, 0]
    mean = weights @ means
    spread = np.sqrt(weights @ (fit.covariances[:, 0, 0] + (means - mean) ** 2))
    ends = np.exp(mean + np.array([0, -quantile, quantile]) * spread)
    return PooledRatio(*(float(end) for end in ends))


def _refuse_disagreement(ratios: NDArray, centre: NDArray, sd: NDArray) -> None:
    """Refuse ratios whose ln scatter about their weighted mean beyond their errors."""
    mean = (centre / sd**2).sum() / (1 / sd**2).sum()
    p = stats.chi2.sf((((centre - mean) / sd) ** 2).sum(), len(sd) - 1) if len(sd) > 1 else 1.0
    if p < WORST_P:
        raise TransportError(
            f"the Haven ratios of the runs, {ratios.min():.2g} to {ratios.max():.2g}, disagree "
            f"(p = {p:.1e})"
        )
