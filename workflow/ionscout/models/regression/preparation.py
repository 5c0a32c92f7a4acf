"""Missing values and scales, fitted with the learner and so inside each fold."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ionscout.models._missing import find_known
from ionscout.models._scaling import fit_scaling


class Preparation(TransformerMixin, BaseEstimator):
    """Replace missing values by the median of their column, and standardise.

    What is not finite, or beyond 1e30, is missing: its square would not be a number. A column
    that is missing altogether becomes 0, and so does a constant one.

    Parameters
    ----------
    n_kept : int
        The last columns, which keep their scale.

    Attributes
    ----------
    median_, mean_, scale_ : array of float, shape (n_columns,)
    """

    def __init__(self, n_kept: int = 0) -> None:
        self.n_kept = n_kept

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> Preparation:
        """Compute medians, means and scales.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
        y : ignored

        Returns
        -------
        Preparation
        """
        x = np.where(find_known(x), x, np.nan)
        known = np.isfinite(x).any(axis=0)
        self.n_features_in_ = x.shape[1]
        self.median_ = np.zeros(x.shape[1])
        self.median_[known] = np.nanmedian(x[:, known], axis=0)
        self.mean_, self.scale_ = fit_scaling(self._fill(x))
        kept = slice(x.shape[1] - self.n_kept, None)
        self.mean_[kept], self.scale_[kept] = 0.0, 1.0
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Fill and scale.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)

        Returns
        -------
        array of float, shape (n, n_columns)
        """
        return (self._fill(x) - self.mean_) / self.scale_

    def _fill(self, x: np.ndarray) -> np.ndarray:
        return np.where(find_known(x), x, self.median_)
