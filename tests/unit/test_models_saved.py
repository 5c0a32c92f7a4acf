"""Models on disk: the same to the bit, and refused where damaged or doctored."""

import base64
import copy
import io
import json
import os
import pickle
import zipfile
from functools import cache

import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from small_campaign import campaign, train

from ionscout.config import CLASSIFIER_SETS
from ionscout.errors import ModelError
from ionscout.models import CLASSIFIERS, load_model
from ionscout.models.saved_model import checksum
from ionscout.models.skops_format import KEY
from ionscout.models.training_set import join_feature_sets

IN_SKOPS = ("kernel_svm", "forest")
SAVED = [name for name in CLASSIFIERS if name != "stack"]


@cache
def trained(name):
    return train(name, *campaign())


def content_of(name):
    return copy.deepcopy(trained(name).to_json())


def with_parameters(name, parameters):
    """A model with other parameters and a checksum that is right."""
    content = {**content_of(name), "parameters": parameters}
    content["sha256"] = checksum({k: v for k, v in content.items() if k != "sha256"})
    return content


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_saved_model_predicts_the_same_to_the_bit(name):
    model, tables = trained(name), campaign()[0]
    saved = json.loads(json.dumps(model.to_json(), allow_nan=False))
    features = join_feature_sets({kind: tables[kind] for kind in CLASSIFIER_SETS[name]})
    again = load_model(saved).predict(features)
    expected = model.predictions[["material_id", "probability", "reason"]]
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    assert (saved["n_training"], saved["n_fast"], saved["n_pool"]) == (
        *(12, int((campaign()[1]["sigma_rt_s_cm"] > 1e-4).sum())),
        12,
    )
    assert saved["settings"]["n_trees"] == 5
    assert {"scikit-learn", "numpy", "ionscout", "skops"} <= set(saved["versions"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda c: c.pop("parameters"),
        lambda c: c.update(surprise=1),
        lambda c: c.update(format="pickle"),
        lambda c: c.update(model="oracle"),
        lambda c: c.update(seed="3"),
        lambda c: c.update(seed=4),
        lambda c: c["parameters"].update(intercept=0.0),
        lambda c: c["feature_names"].reverse(),
        lambda c: c.update(feature_sets=["mxrd"]),
        lambda c: c.update(sha256="0" * 64),
    ],
)
@pytest.mark.parametrize("name", SAVED)
def test_a_damaged_model_is_refused(name, damage):
    content = content_of(name)
    damage(content)
    with pytest.raises(ModelError) as error:
        load_model(content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, [], "x", {}])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(ModelError):
        load_model(content)


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": [0.0]},
        {"scale": [0.0] * 5},
        {"intercept": float("nan")},
        {"code": "import os"},
    ],
)
def test_parameters_are_checked_even_with_a_right_checksum(name, change):
    with pytest.raises(ModelError):
        load_model(with_parameters(name, {**trained(name).to_json()["parameters"], **change}))


@pytest.mark.parametrize("name", IN_SKOPS)
@pytest.mark.parametrize("text", ["", "no base 64!", 5, None, base64.b64encode(b"PK").decode()])
def test_a_damaged_archive_is_refused(name, text):
    with pytest.raises(ModelError, match=f"saved model '{name}'"):
        load_model(with_parameters(name, {KEY: text}))


def test_a_pickle_is_refused_and_not_run(tmp_path):
    target = tmp_path / "was-here"

    class Touch:
        def __reduce__(self):
            return os.system, (f"touch {target}",)

    text = base64.b64encode(pickle.dumps(Touch())).decode()
    with pytest.raises(ModelError, match="no model can be read"):
        load_model(with_parameters("forest", {KEY: text}))
    assert not target.exists()


def doctored(name, find, replacement):
    """The archive of a model with another text in its schema."""
    content = base64.b64decode(trained(name).to_json()["parameters"][KEY])
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry == "schema.json":
                assert find in data
                data = data.replace(find, replacement, 1)
            new.writestr(entry, data)
    return {KEY: base64.b64encode(written.getvalue()).decode()}


def test_an_untrusted_type_is_refused_by_name():
    parameters = doctored(
        "forest",
        b'"__class__": "RandomForestClassifier",\n  "__module__": "sklearn.ensemble._forest"',
        b'"__class__": "system",\n  "__module__": "os"',
    )
    with pytest.raises(ModelError, match=r"untrusted type (os|posix)\.system"):
        load_model(with_parameters("forest", parameters))


def test_a_function_inside_an_estimator_is_refused(tmp_path):
    target = tmp_path / "was-here"
    forest = RandomForestClassifier(2)
    forest.run = os.system
    forest.argument = f"touch {target}"
    text = base64.b64encode(skops.io.dumps(forest)).decode()
    with pytest.raises(ModelError, match=r"untrusted type (os|posix)\.system"):
        load_model(with_parameters("forest", {KEY: text}))
    assert not target.exists()


def test_another_estimator_is_refused():
    other = trained("kernel_svm").to_json()["parameters"]
    with pytest.raises(ModelError, match="it is no RandomForestClassifier"):
        load_model(with_parameters("forest", other))


def test_a_tree_that_leads_out_of_itself_is_refused():
    from ionscout.models.skops_format import dump_skops

    forest = trained("forest").predictor.estimator
    forest = skops.io.loads(skops.io.dumps(forest), trusted=["sklearn.tree._tree.Tree"])
    tree = forest.estimators_[0].tree_
    assert tree.node_count > 1
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = 10_000_000
    tree.__setstate__(state)
    with pytest.raises(ModelError, match="a tree in it leads nowhere"):
        load_model(with_parameters("forest", dump_skops(forest)))
