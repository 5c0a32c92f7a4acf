"""A small campaign with random descriptors, for the tests of the classifiers."""

import numpy as np
import pandas as pd

from ionscout.config import CLASSIFIER_SETS, ModelSettings
from ionscout.features import get_set
from ionscout.models import train_model

# As fast as settings can make it: scores are not what these tests are about.
SETTINGS = ModelSettings(n_trees=5, n_repeats=1, n_folds=2, n_randomisations=2, max_features=1)
KINDS = ("sendek", "elemental", "structural")


def campaign(n=24, n_labelled=12, seed=0, signal=1.0):
    """Descriptor tables, labels of the first half and manifest; each second column tells."""
    rng = np.random.default_rng(seed)
    ids = pd.Index([f"m{i:02d}" for i in range(n)], name="material_id")
    speed = rng.permutation(np.arange(n) % 2 * 2.0 - 1)
    tables = {}
    for kind in KINDS:
        columns = get_set(kind).columns
        values = rng.normal(3.0, 0.7, size=(n, len(columns)))
        values[:, 1::2] += signal * speed[:, np.newaxis]
        tables[kind] = pd.DataFrame(values, index=ids, columns=columns).assign(reason="")
    tables["sendek"]["lasd_ang"] += signal * speed
    labels = pd.DataFrame(
        {
            "material_id": ids[:n_labelled],
            "sigma_rt_s_cm": np.where(speed > 0, 1e-3, 1e-8)[:n_labelled],
            "is_upper_bound": False,
        }
    )
    manifest = pd.DataFrame(
        {
            "material_id": ids,
            "duplicate_of": None,
            "chemical_system": [f"Li-{i}" for i in ids],
            "reduced_formula": [f"LiX{i}" for i in ids],
        }
    )
    return tables, labels, manifest


def train(name, tables, labels, manifest, settings=SETTINGS):
    """Train a classifier on the sets that it reads."""
    own = {kind: tables[kind] for kind in CLASSIFIER_SETS.get(name, tables)}
    return train_model(name, own, labels, manifest, settings, seed=3)
