"""Regression of the room-temperature conductivity, on composition and unit cell."""

from ionscout.models.regression.registry import REGRESSORS
from ionscout.models.regression.saved import dump_regressor, load_regressor
from ionscout.models.regression.split import score_split, write_split
from ionscout.models.regression.training import TrainedRegressor, train_regressor

__all__ = [
    "REGRESSORS",
    "TrainedRegressor",
    "dump_regressor",
    "load_regressor",
    "score_split",
    "train_regressor",
    "write_split",
]
