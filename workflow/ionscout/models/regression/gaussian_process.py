"""Gaussian process on the description, its profile of the composition in a kernel of its own."""

from __future__ import annotations

from sklearn.pipeline import Pipeline, make_pipeline

from ionscout.config import RegressionSettings
from ionscout.models.regression._profile_process import ProfileGaussianProcess
from ionscout.models.regression.description import N_PROFILE
from ionscout.models.regression.preparation import Preparation
from ionscout.models.regression.replicated import Replicated


def learner() -> Pipeline:
    """Make the unfitted learner without intervals.

    Returns
    -------
    Pipeline
    """
    return make_pipeline(Preparation(n_kept=N_PROFILE), ProfileGaussianProcess(N_PROFILE))


def build(settings: RegressionSettings, seed: int) -> Replicated:
    """Make the unfitted regressor.

    Parameters
    ----------
    settings : RegressionSettings
    seed : int

    Returns
    -------
    Replicated
        Lengths and noise are those of the largest marginal likelihood.
    """
    return Replicated(learner(), n_replicas=settings.n_inner_folds, random_state=seed)
