"""Models on disk: the same to the bit, and refused where damaged or doctored."""

import base64
import copy
import io
import json
import os
import pickle
import zipfile
from functools import cache

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree._tree import Tree
from small_campaign import campaign, train

from ionscout.config import CLASSIFIER_SETS
from ionscout.errors import ModelError
from ionscout.models import CLASSIFIERS, load_model
from ionscout.models.saved_model import checksum
from ionscout.models.skops_format import (
    KEY,
    TRUSTED_TYPES,
    dump_skops,
    load_skops,
    refuse_unsound,
)
from ionscout.models.stack import Stack
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


def a_copy_of(estimator):
    return skops.io.loads(skops.io.dumps(estimator), trusted=list(TRUSTED_TYPES))


def spoil_tree(estimator, *, n_features=None, **nodes):
    """Change the nodes of a decision tree that branch, and how many columns it claims."""
    old = estimator.tree_
    state = old.__getstate__()
    branches = state["nodes"]["left_child"] >= 0
    assert branches.any()
    for key, value in nodes.items():
        state["nodes"][key][branches] = value
    estimator.tree_ = Tree(n_features or old.n_features, old.n_classes, old.n_outputs)
    estimator.tree_.__setstate__(state)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"left_child": 10_000_000},
        {"left_child": 0},
        {"right_child": -5},
        {"feature": 10_000_000},
        {"feature": 500_000_000, "n_features": 1_000_000_000},
        {"feature": -1},
    ],
)
def test_a_tree_that_leads_out_of_itself_is_refused(spoiled):
    forest = a_copy_of(trained("forest").predictor.estimator)
    spoil_tree(forest.estimators_[-1], **spoiled)
    with pytest.raises(ModelError, match="a tree in it leads nowhere"):
        load_model(with_parameters("forest", dump_skops(forest)))


def test_a_tree_of_other_columns_than_its_forest_is_refused():
    forest = a_copy_of(trained("forest").predictor.estimator)
    spoil_tree(forest.estimators_[0], n_features=1_000_000)
    forest.estimators_[0].n_features_in_ = 1_000_000
    with pytest.raises(ModelError, match="it is no DecisionTreeClassifier of"):
        load_model(with_parameters("forest", dump_skops(forest)))


def a_stack():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(2, random_state=0))
    return Stack([("forest", forest, [0, 2, 3])], n_folds=2).fit(x, x[:, 0] > 0)


def test_a_tree_in_a_pipeline_in_a_stack_is_looked_at():
    stack = a_stack()
    asked = np.ones((3, 5))
    again = load_skops(dump_skops(stack), kind=Stack, n_columns=5)
    np.testing.assert_array_equal(again.predict_proba(asked), stack.predict_proba(asked))
    spoil_tree(stack.fitted_[0].steps[1][1].estimators_[0], left_child=10_000_000)
    with pytest.raises(ValueError, match="a tree in it leads nowhere"):
        load_skops(dump_skops(stack), kind=Stack, n_columns=5)


def test_a_tree_where_none_belongs_is_looked_at():
    stack = a_stack()
    stack.combine_ = stack.fitted_[0].steps[1][1].estimators_[0]
    refuse_unsound(stack, 5)
    spoil_tree(stack.combine_, left_child=10_000_000)
    with pytest.raises(ValueError, match="a tree in it leads nowhere"):
        refuse_unsound(stack, 5)
    stack = a_stack()
    stack.combine_ = NearestNeighbors()
    with pytest.raises(ValueError, match="holds a NearestNeighbors, which no model has"):
        refuse_unsound(stack, 5)


def machine_of(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    return kind().fit(x, x[:, 0] > 0 if kind is SVC else x[:, 0])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: {"_dual_coef_": m._dual_coef_[:, :1].copy()},
        lambda m: {"_dual_coef_": m._dual_coef_[:0].copy()},
        lambda m: {"support_vectors_": m.support_vectors_[:, :1].copy()},
        lambda m: {"support_vectors_": m.support_vectors_[:2].copy()},
        lambda m: {"_n_support": m._n_support[:1].copy() + np.int32(len(m.support_))},
        lambda m: {"_n_support": m._n_support * np.int32(1000)},
        lambda m: {"_intercept_": m._intercept_[:0].copy()},
        lambda m: {"_probA": np.zeros(7), "_probB": np.zeros(7)},
        lambda m: {"_probA": np.zeros(1)},
        lambda m: {"support_": m.support_[:1].copy()},
        lambda m: {"kernel": "precomputed"},
        lambda m: {"_impl": "one_class"},
    ],
)
@pytest.mark.parametrize("kind", [SVC, SVR])
def test_a_machine_whose_arrays_do_not_fit_together_is_refused(kind, spoil):
    machine = machine_of(kind)
    refuse_unsound(machine, 4)
    machine.__dict__.update(spoil(machine))
    with pytest.raises(ValueError, match="support-vector machine in it do not fit together"):
        refuse_unsound(machine, 4)


def test_a_doctored_machine_on_disk_is_refused():
    fitted = a_copy_of(trained("kernel_svm").predictor.estimator)
    fitted.machine_._dual_coef_ = fitted.machine_._dual_coef_[:, :1].copy()
    with pytest.raises(ModelError, match="saved model 'kernel_svm': the arrays of a support"):
        load_model(with_parameters("kernel_svm", dump_skops(fitted)))


def test_an_incomplete_machine_is_refused():
    machine = machine_of(SVC)
    del machine._dual_coef_
    with pytest.raises(ValueError, match="a part of it is incomplete"):
        refuse_unsound(machine, 4)


@pytest.mark.parametrize("versions", [{}, {"scikit-learn": "0.24.1"}])
def test_a_model_of_another_version_of_scikit_learn_is_refused(versions):
    content = {**content_of("forest"), "versions": versions}
    content["sha256"] = checksum({k: v for k, v in content.items() if k != "sha256"})
    with pytest.raises(ModelError, match=r"written by scikit-learn (unknown|0\.24\.1)"):
        load_model(content)


def test_an_archive_of_another_version_of_scikit_learn_is_refused():
    here = sklearn.__version__
    with pytest.raises(ModelError, match=r"written by scikit-learn 0\.24\.1"):
        load_model(with_parameters("forest", doctored("forest", here.encode(), b"0.24.1")))
    patch = ".".join([*here.split(".")[:2], "99"])
    load_model(with_parameters("forest", doctored("forest", here.encode(), patch.encode())))
