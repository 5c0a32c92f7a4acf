"""Classifiers and clusterings: who conducts fast, and who resembles whom."""

from ionscout.models.clusters.agreement import compare_clusterings, summarise_clusterings
from ionscout.models.clusters.base import Clustering
from ionscout.models.clusters.enrichment import enrich_clusters
from ionscout.models.clusters.label_variance import measure_label_variance
from ionscout.models.clusters.registry import CLUSTERINGS, cluster_materials
from ionscout.models.comparison import compare_models
from ionscout.models.explanation import explain_predictions
from ionscout.models.predictor import Predictor, held_out_where_trained
from ionscout.models.registry import CLASSIFIERS
from ionscout.models.regression import (
    REGRESSORS,
    TrainedRegressor,
    dump_regressor,
    load_regressor,
    score_split,
    train_regressor,
    write_split,
)
from ionscout.models.saved_model import load_model
from ionscout.models.training import TrainedModel, train_model

__all__ = [
    "CLASSIFIERS",
    "CLUSTERINGS",
    "REGRESSORS",
    "Clustering",
    "Predictor",
    "TrainedModel",
    "TrainedRegressor",
    "cluster_materials",
    "compare_clusterings",
    "compare_models",
    "dump_regressor",
    "enrich_clusters",
    "explain_predictions",
    "held_out_where_trained",
    "load_model",
    "load_regressor",
    "measure_label_variance",
    "score_split",
    "summarise_clusterings",
    "train_model",
    "train_regressor",
    "write_split",
]
