"""Gaussian process on a description and the profile of a composition."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, RegressorMixin

PROFILE_LENGTHS = (5.0, 10.0, 20.0)
RELATIVE_LENGTHS = (0.7, 1.0, 1.5, 2.5)
NOISE_RATIOS = (0.03, 0.1, 0.3, 1.0)


class ProfileGaussianProcess(RegressorMixin, BaseEstimator):
    """Gaussian process whose kernel is a product of two.

    An exponential of the distance of the profiles, times a Gaussian of the distance of the
    other columns. The lengths and the noise are those of the largest
    marginal likelihood on a grid, the variance the best one for them.

    Parameters
    ----------
    n_profile : int
        The last columns, which are the profile.

    Attributes
    ----------
    lengths_ : tuple of float
        Of the profile, and of the other columns in units of the square root of their number.
    noise_ratio_ : float
        Variance of the noise over that of the process.
    variance_ : float
        Of the process.
    """

    def __init__(self, n_profile: int = 0) -> None:
        self.n_profile = n_profile

    def fit(self, x: np.ndarray, y: np.ndarray) -> ProfileGaussianProcess:
        """Fit the process.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
            Columns before the profile standardised.
        y : array of float, shape (n,)

        Returns
        -------
        ProfileGaussianProcess
        """
        self.n_features_in_ = x.shape[1]
        self.x_, self.mean_ = x, float(np.mean(y))
        centred = y - self.mean_
        profile, others = self._distances(x)
        best = -np.inf
        for length, relative in itertools.product(PROFILE_LENGTHS, RELATIVE_LENGTHS):
            kernel = np.exp(-profile / length - others / (2 * relative**2))
            for ratio in NOISE_RATIOS:
                score, weights, variance = _likelihood(kernel, centred, ratio)
                if score > best:
                    best, self.lengths_, self.noise_ratio_ = score, (length, relative), ratio
                    self.weights_, self.variance_ = weights, variance
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the mean.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)

        Returns
        -------
        array of float, shape (n,)
        """
        return self.mean_ + self._kernel(x) @ self.weights_

    def _kernel(self, x: np.ndarray) -> np.ndarray:
        profile, others = self._distances(x)
        return np.exp(-profile / self.lengths_[0] - others / (2 * self.lengths_[1] ** 2))

    def _distances(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances to the rows of `x_`: of profiles, and mean square ones of other columns."""
        n_others = x.shape[1] - self.n_profile
        profile = cdist(x[:, n_others:], self.x_[:, n_others:], "cityblock")
        others = cdist(x[:, :n_others], self.x_[:, :n_others], "sqeuclidean")
        return profile, others / max(n_others, 1)


def _likelihood(kernel: np.ndarray, y: np.ndarray, ratio: float) -> tuple[float, np.ndarray, float]:
    """Log marginal likelihood up to a constant, weights, and the best variance."""
    noisy = kernel + ratio * np.eye(len(y))
    try:
        factor = cho_factor(noisy, lower=True)
    except LinAlgError:
        return -np.inf, np.zeros(len(y)), 0.0
    weights = cho_solve(factor, y)
    variance = max(float(y @ weights) / len(y), np.finfo(float).tiny)
    log_determinant = 2 * np.log(np.diag(factor[0])).sum()
    return -(len(y) * np.log(variance) + log_determinant) / 2, weights, variance
