"""Measured conductivities, joined to the materials of the manifest."""

from ionscout.labels.classes import known_classes
from ionscout.labels.duplicates import duplicate_groups
from ionscout.labels.join import LABEL_COLUMNS, join_labels

__all__ = ["LABEL_COLUMNS", "duplicate_groups", "join_labels", "known_classes"]
