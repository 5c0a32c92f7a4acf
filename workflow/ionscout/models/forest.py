"""Random forest on structure and composition: the modern reference."""

from __future__ import annotations

from functools import partial

from sklearn.ensemble import RandomForestClassifier

from ionscout.config import ModelSettings
from ionscout.features.elemental import COLUMNS as ELEMENTAL_COLUMNS
from ionscout.features.sendek import PAPER_COLUMNS
from ionscout.features.structural import StructuralSet
from ionscout.models.base import Classifier
from ionscout.models.skops_format import dump_skops, load_skops

COLUMNS = (
    *(f"sendek.{column}" for column in PAPER_COLUMNS),
    *(f"elemental.{column}" for column in ELEMENTAL_COLUMNS),
    *(f"structural.{column}" for column in StructuralSet.columns),
)
MIN_SAMPLES_LEAF = 2


def build(settings: ModelSettings, seed: int) -> RandomForestClassifier:
    """Make the unfitted forest; nothing of it is tuned.

    Parameters
    ----------
    settings : ModelSettings
    seed : int
        Seed of the trees.

    Returns
    -------
    RandomForestClassifier
        The probability is the mean over the trees of the share of fast materials in a
        leaf of at least two (Breiman, Mach. Learn. 45, 5 (2001)).
    """
    return RandomForestClassifier(
        settings.n_trees, min_samples_leaf=MIN_SAMPLES_LEAF, random_state=seed
    )


CLASSIFIER = Classifier(
    columns=COLUMNS,
    learns=True,
    build=build,
    dump=dump_skops,
    load=partial(load_skops, kind=RandomForestClassifier, n_columns=len(COLUMNS)),
)
