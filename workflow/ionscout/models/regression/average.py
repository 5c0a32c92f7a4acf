"""The mean of the Gaussian process and the forest: two learners that err differently."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone

from ionscout.config import RegressionSettings
from ionscout.models.regression import forest, gaussian_process
from ionscout.models.regression.replicated import Replicated


class MeanRegressor(RegressorMixin, BaseEstimator):
    """Unweighted mean of several regressors.

    Parameters
    ----------
    members : list of scikit-learn regressor

    Attributes
    ----------
    estimators_ : list of scikit-learn regressor
        Fitted.
    """

    def __init__(self, members: list[BaseEstimator]) -> None:
        self.members = members

    def fit(self, x: np.ndarray, y: np.ndarray) -> MeanRegressor:
        """Fit each member.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
        y : array of float, shape (n,)

        Returns
        -------
        MeanRegressor
        """
        self.estimators_ = [clone(member).fit(x, y) for member in self.members]
        self.n_features_in_ = x.shape[1]
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Average the members' predictions.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)

        Returns
        -------
        array of float, shape (n,)
        """
        return np.mean([np.ravel(member.predict(x)) for member in self.estimators_], axis=0)


def build(settings: RegressionSettings, seed: int) -> Replicated:
    """Make the unfitted regressor.

    Parameters
    ----------
    settings : RegressionSettings
    seed : int

    Returns
    -------
    Replicated
    """
    return Replicated(
        MeanRegressor([forest.learner(settings, seed), gaussian_process.learner()]),
        n_replicas=settings.n_inner_folds,
        random_state=seed,
    )
