"""The classifiers on real training compounds of Sendek 2017, described by this package."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Structure

from ionscout.config import ModelSettings
from ionscout.features import get_set
from ionscout.models import train_model
from ionscout.models.sendek2017 import TRAINED_ON

# Its value in the table is a slip of a thousand: single crystals of Li3N reach 5.75e-4 S/cm.
CORRECTED_S_CM = {"Li3N": 5.75e-4}


@pytest.fixture(scope="module")
def sendek40(shared_data):
    folder = shared_data / "sendek40"
    table = pd.read_csv(folder / "ion_conductivity.csv")
    crystals = [Structure.from_file(folder / name) for name in table["Filename"]]
    ids = [name.removesuffix(".cif") for name in table["Filename"]]
    sigma = table["Ionic_Conductivity"].astype(float)
    corrected = table["Composition"].map(CORRECTED_S_CM)
    labels = pd.DataFrame(
        {"material_id": ids, "sigma_rt_s_cm": corrected.fillna(sigma), "is_upper_bound": False}
    )
    systems = [crystal.chemical_system for crystal in crystals]
    manifest = pd.DataFrame({"material_id": ids, "duplicate_of": None, "chemical_system": systems})
    manifest["reduced_formula"] = [crystal.composition.reduced_formula for crystal in crystals]
    descriptors = get_set("sendek")
    values, reasons = descriptors.describe_many(crystals)
    index = pd.Index(ids, name="material_id")
    features = pd.DataFrame(values, index=index, columns=descriptors.columns)
    features["reason"] = reasons
    return features, labels, manifest


def values(model):
    return model.metrics.set_index(["model", "metric"])["value"]


def test_the_list_of_training_compounds_is_that_of_the_crystals(sendek40):
    assert set(TRAINED_ON) == set(sendek40[2]["reduced_formula"])


def test_the_published_model_knows_its_training_compounds(sendek40):
    model = train_model(
        "sendek2017", {"sendek": sendek40[0]}, *sendek40[1:], ModelSettings(), seed=1
    )
    found = values(model)
    assert model.predictions["in_training"].all()
    assert found["sendek2017", "published_misclassification"] <= 0.15
    assert found["sendek2017", "published_roc_auc"] > 0.85
    assert np.isnan(found["sendek2017", "published_unseen_roc_auc"])
    assert found["sendek2017", "x_randomised_misclassification"] > 0.3


def test_the_retrained_model_beats_the_constant(sendek40):
    features, labels, manifest = sendek40
    found = values(
        train_model("logistic", {"sendek": features}, labels, manifest, ModelSettings(), seed=1)
    )
    assert found["constant", "loo_misclassification"] == pytest.approx(9 / 32)
    for metric in ("loo_misclassification", "loo_log_loss", "grouped_system_log_loss"):
        assert found["logistic", metric] < found["constant", metric]
    assert found["logistic", "loo_roc_auc"] > 0.7
