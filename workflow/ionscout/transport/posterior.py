"""The posterior of a diffusivity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

N_WALK, N_BACK = 512, 32


@dataclass(frozen=True)
class Posterior:
    """What is known of a diffusivity D after a fit of the slope of an MSD.

    A slope is a sum of squares, so that D = slope * shape / G, where G follows a
    gamma distribution of that shape (the posterior of a variance under the scale-free
    prior 1/D). Ions that tend to jump back leave a slope that still falls beyond the
    window: D = slope * shape / G / (1 + B), where B is the positive part of a normal variable
    of width `excess`.

    Parameters
    ----------
    slope : float
        The estimate, in the unit of D.
    sd : float
        Its standard deviation.
    excess : float
        Width of the relative excess of the slope over D.
    """

    slope: float
    sd: float
    excess: float

    @property
    def shape(self) -> float:
        """Half the number of independent squares that the slope is worth."""
        return (max(self.slope, 0.0) / self.sd) ** 2 if self.sd > 0 else np.inf

    @property
    def resolved(self) -> bool:
        """Whether the slope exceeds its standard deviation."""
        return self.shape > 1

    def quantiles(self, probabilities: NDArray | list[float]) -> NDArray[np.float64]:
        """Quantiles of D.

        Parameters
        ----------
        probabilities : array_like, shape (n,)
            Between 0 and 1.

        Returns
        -------
        ndarray, shape (n,)
            In the unit of `slope`. An unresolved slope has a normal posterior, cut
            at zero below and twice as wide above.
        """
        p = np.asarray(probabilities, dtype=float)
        if not self.resolved:
            return np.maximum(max(self.slope, 0.0) + 2 * self.sd * special.ndtri(p), 0.0)
        if np.isinf(self.shape):
            return np.full(p.shape, self.slope)
        return np.exp(np.quantile(self._ln_samples(), p))

    def ln_moments(self) -> tuple[float, float]:
        """Mean and standard deviation of ln D, where D is resolved.

        Returns
        -------
        mean, sd : float
            Of the natural logarithm of D in the unit of `slope`.
        """
        if np.isinf(self.shape):
            return float(np.log(self.slope)), 0.0
        samples = self._ln_samples()
        return float(samples.mean()), float(samples.std())

    def _ln_samples(self) -> NDArray[np.float64]:
        """Spread a regular grid of equally probable values of ln D."""
        fine = (np.arange(N_WALK) + 0.5) / N_WALK
        coarse = (np.arange(N_BACK) + 0.5) / N_BACK
        walk = np.log(self.slope * self.shape / stats.gamma.ppf(fine, self.shape))
        back = np.log1p(self.excess * np.maximum(special.ndtri(coarse), 0.0))
        return (walk[:, None] - back[None, :]).ravel()
