"""The posterior of a diffusivity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

N_WALK, N_MEMORY = 512, 32


@dataclass(frozen=True)
class Posterior:
    """What is known of a diffusivity D after a fit of the slope of an MSD.

    A slope is a sum of squares, so that D = slope * shape / G, where G follows a
    gamma distribution of that shape (the posterior of a variance under the scale-free
    prior 1/D). Ions that tend to jump back leave a slope that still falls beyond the
    window, ions in flight one that still rises: D lies lower by 1 + `excess` B, or higher by
    1 + `deficit` B, where B is the positive part of a standard normal variable. Each
    widens its own side of the distribution and leaves the other.

    Parameters
    ----------
    slope : float
        The estimate, in the unit of D.
    sd : float
        Its standard deviation.
    excess, deficit : float, optional
        Width of the relative excess and deficit of the slope over D.
    """

    slope: float
    sd: float
    excess: float = 0.0
    deficit: float = 0.0

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
        below = np.quantile(self._ln_samples(-self.excess), p)
        above = np.quantile(self._ln_samples(self.deficit), p)
        return np.exp(np.where(p < 0.5, below, above))

    def ln_moments(self) -> tuple[float, float]:
        """Mean and standard deviation of ln D, where D is resolved.

        Returns
        -------
        mean, sd : float
            Of the natural logarithm of D in the unit of `slope`.
        """
        if np.isinf(self.shape):
            return float(np.log(self.slope)), 0.0
        halves = [self._ln_samples(memory) for memory in (-self.excess, self.deficit)]
        samples = np.concatenate(halves)
        return float(samples.mean()), float(samples.std())

    def _ln_samples(self, memory: float) -> NDArray[np.float64]:
        """Spread a regular grid of equally probable values of ln D, moved by a memory."""
        fine = (np.arange(N_WALK) + 0.5) / N_WALK
        coarse = (np.arange(N_MEMORY) + 0.5) / N_MEMORY
        walk = np.log(self.slope * self.shape / stats.gamma.ppf(fine, self.shape))
        moved = np.log1p(abs(memory) * np.maximum(special.ndtri(coarse), 0.0))
        return (walk[:, None] + np.sign(memory) * moved[None, :]).ravel()
