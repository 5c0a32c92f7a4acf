"""The median of what was measured: the baseline beside all regressors."""

from __future__ import annotations

from sklearn.dummy import DummyRegressor

from ionscout.config import RegressionSettings
from ionscout.models.regression.replicated import Replicated


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
        DummyRegressor(strategy="median"), n_replicas=settings.n_inner_folds, random_state=seed
    )
