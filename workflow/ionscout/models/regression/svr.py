"""Support vector regression with a Gaussian kernel.

Fujimura et al., Adv. Energy Mater. 3, 980 (2013), doi:10.1002/aenm.201300060, with the
description and the labels of this package in place of theirs.
"""

from __future__ import annotations

from sklearn.pipeline import make_pipeline
from sklearn.svm import SVR

from ionscout.config import RegressionSettings
from ionscout.models.regression.preparation import Preparation
from ionscout.models.regression.replicated import BOOTSTRAP, Replicated

GRID = {"svr__C": (3.0, 10.0, 30.0), "svr__gamma": (0.003, 0.01, 0.03)}
TUBE_DECADES = 0.2


def build(settings: RegressionSettings, seed: int) -> Replicated:
    """Make the unfitted regressor.

    Parameters
    ----------
    settings : RegressionSettings
    seed : int

    Returns
    -------
    Replicated
        Errors below 0.2 decades cost nothing; penalty and width of the kernel are
        chosen by grouped folds.
    """
    return Replicated(
        make_pipeline(Preparation(), SVR(epsilon=TUBE_DECADES)),
        grid=GRID,
        resampling=BOOTSTRAP,
        n_replicas=settings.n_bootstrap,
        random_state=seed,
    )
