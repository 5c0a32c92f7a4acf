"""Partial least squares.

Jalem et al., J. Mater. Chem. A 2, 720 (2014), doi:10.1039/C3TA13235H, who fitted
activation energies; with the description and the labels of this package in place of theirs.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import make_pipeline

from ionscout.config import RegressionSettings
from ionscout.models.regression.preparation import Preparation
from ionscout.models.regression.replicated import BOOTSTRAP, Replicated

GRID = {"boundedpls__n_components": (1, 2, 3, 5, 8)}


class BoundedPLS(PLSRegression):
    """Partial least squares that never leaves the range of what it has learned.

    A linear model of many columns has no limit on a material unlike all others.
    Fewer components are made where there are fewer rows.
    """

    def fit(self, x: np.ndarray, y: np.ndarray) -> BoundedPLS:
        """Fit.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
        y : array of float, shape (n,)

        Returns
        -------
        BoundedPLS
        """
        self.range_ = (float(np.min(y)), float(np.max(y)))
        self.is_constant_ = self.range_[0] == self.range_[1] or not np.ptp(x, axis=0).any()
        self.mean_ = float(np.mean(y))
        if not self.is_constant_:
            asked = self.n_components
            self.n_components = min(asked, len(y) - 1, x.shape[1])
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="y residual is constant")
                super().fit(x, y)
            self.n_components = asked
        return self

    def predict(self, x: np.ndarray, copy: bool = True) -> np.ndarray:
        """Predict.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
        copy : bool
            As in scikit-learn.

        Returns
        -------
        array of float, shape (n,)
        """
        if self.is_constant_:
            return np.full(len(x), self.mean_)
        return np.clip(np.ravel(super().predict(x, copy)), *self.range_)


def build(settings: RegressionSettings, seed: int) -> Replicated:
    """Make the unfitted regressor.

    Parameters
    ----------
    settings : RegressionSettings
    seed : int

    Returns
    -------
    Replicated
        The number of components is chosen by grouped folds.
    """
    return Replicated(
        make_pipeline(Preparation(), BoundedPLS(scale=False)),
        grid=GRID,
        resampling=BOOTSTRAP,
        n_replicas=settings.n_bootstrap,
        random_state=seed,
    )
