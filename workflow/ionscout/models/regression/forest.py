"""Extremely randomised trees: the modern reference.

Geurts et al., Mach. Learn. 63, 3 (2006), doi:10.1007/s10994-006-6226-1. Nothing is tuned.
"""

from __future__ import annotations

from sklearn.ensemble import ExtraTreesRegressor
from sklearn.pipeline import Pipeline, make_pipeline

from ionscout.config import RegressionSettings
from ionscout.models.regression.preparation import Preparation
from ionscout.models.regression.replicated import Replicated

SHARE_OF_COLUMNS = 1 / 3


def learner(settings: RegressionSettings, seed: int) -> Pipeline:
    """Make the unfitted learner without intervals.

    Parameters
    ----------
    settings : RegressionSettings
    seed : int
        Seed of the trees.

    Returns
    -------
    Pipeline
    """
    trees = ExtraTreesRegressor(settings.n_trees, max_features=SHARE_OF_COLUMNS, random_state=seed)
    return make_pipeline(Preparation(), trees)


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
    return Replicated(learner(settings, seed), n_replicas=settings.n_inner_folds, random_state=seed)
