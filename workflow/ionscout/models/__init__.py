"""Classifiers and clusterings: who conducts fast, and who resembles whom."""

from ionscout.models.clustering import Clustering
from ionscout.models.clusterings import CLUSTERINGS, cluster_materials
from ionscout.models.enrichment import enrich_clusters
from ionscout.models.predictor import Predictor, held_out_where_trained
from ionscout.models.registry import CLASSIFIERS, TrainedModel, load_model, train_model
from ionscout.models.ward import cluster_ward

__all__ = [
    "CLASSIFIERS",
    "CLUSTERINGS",
    "Clustering",
    "Predictor",
    "TrainedModel",
    "cluster_materials",
    "cluster_ward",
    "enrich_clusters",
    "held_out_where_trained",
    "load_model",
    "train_model",
]
