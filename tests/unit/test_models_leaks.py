"""What is held out moves nothing that is said without it; each test fails on a planted leak."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from small_campaign import SETTINGS, campaign, train

from ionscout.models import comparison
from ionscout.models._svm import _held_out
from ionscout.models.base import Classifier
from ionscout.models.domain import Domain
from ionscout.models.held_out import BaseRateClassifier, Fold, fit_folds, fit_rows
from ionscout.models.importance import permute_columns
from ionscout.models.logistic import build_logistic
from ionscout.models.scores import misclassification
from ionscout.models.training import gather_training
from ionscout.models.training_set import TrainingSet
from ionscout.models.uncertainty import COLUMNS, fit_resamples, hold_out_uncertainty
from ionscout.models.validation import validate, validate_published

RIDGE = build_logistic(ridge_penalty=1.0, seed=0)


def make_set(x, y, systems=None):
    ids = np.array([f"m{i:03d}" for i in range(len(y))], dtype=object)
    return TrainingSet(ids, x, y, ids if systems is None else systems, pd.Series(ids, index=ids))


def noise(n=60, n_columns=4, seed=0):
    """Materials whose labels their columns know nothing of."""
    rng = np.random.default_rng(seed)
    return make_set(rng.normal(size=(n, n_columns)), rng.permutation(np.arange(n) % 2 == 0))


def spoil(training, rows):
    """Change the columns of some rows beyond reason, and flip their labels."""
    x, y = training.x.copy(), training.y.copy()
    x[rows] = 50 * x[rows] + 1e4
    y[rows] = ~y[rows]
    return replace(training, x=x, y=y)


# Of four folds the first keeps two materials, and the others of it are spoiled: fewer than
# a quarter of all, so that they move no quartile that twins are told by.
FOLDS = np.arange(60) % 4
KEPT = np.array([0, 4])
SPOILED = np.arange(8, 60, 4)


def test_the_doubts_of_a_material_do_not_hang_on_what_its_fold_holds_out():
    training = noise()
    found = []
    for one in (training, spoil(training, SPOILED)):
        folds = fit_folds(RIDGE, one, FOLDS)
        table = hold_out_uncertainty(RIDGE, one, folds, np.arange(4), seed=1)
        found.append(table.loc[KEPT].astype(float))
    assert found[0].notna().all(axis=None)
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_decisions_of_inner_folds_do_not_hang_on_what_the_fold_holds_out():
    training = noise()
    candidate = {"kernel": "rbf", "C": 1.0, "gamma": 0.2}
    said = [
        _held_out(candidate, one.x, one.y, FOLDS)[KEPT]
        for one in (training, spoil(training, SPOILED))
    ]
    np.testing.assert_array_equal(*said)
    assert np.abs(said[0]).min() > 0


def test_the_inner_decisions_by_hand():
    training = noise()
    test = FOLDS == 1
    mean, std = training.x[~test].mean(axis=0), training.x[~test].std(axis=0)
    machine = SVC(C=2.0).fit((training.x[~test] - mean) / std, training.y[~test])
    said = _held_out({"C": 2.0}, training.x, training.y, FOLDS)
    np.testing.assert_allclose(
        said[test], machine.decision_function((training.x[test] - mean) / std)
    )


class Memory(KNeighborsClassifier):
    """Says of a material what the nearest one is, with some caution."""

    def predict_proba(self, X):
        return 0.1 + 0.8 * super().predict_proba(X)


@pytest.fixture
def two_classifiers(monkeypatch):
    """A constant, and a memory that is right about what it has seen."""
    made = {"constant_one": BaseRateClassifier, "memory": lambda: Memory(1)}
    monkeypatch.setattr(
        comparison,
        "get_classifier",
        lambda name: Classifier((), True, lambda *_: made[name](), None, None),
    )
    return tuple(made)


def test_the_choice_of_a_fold_does_not_hang_on_what_it_holds_out(two_classifiers):
    folds, groups = (np.arange(60) < 20).astype(int), np.arange(60)
    training = noise()
    spoiled = replace(training, x=training.x.copy(), y=training.y.copy())
    rows = np.arange(22, 60)  # of fold 0: two heaps that the memory tells apart
    spoiled.y[rows] = np.arange(len(rows)) % 2 == 0
    spoiled.x[rows] = 1e3 * np.where(spoiled.y[rows], 1, -1)[:, np.newaxis]
    kept = np.array([20, 21])
    said = []
    for one in (training, spoiled):
        sets = dict.fromkeys(two_classifiers, one)
        held_out, chosen = comparison._hold_out(sets, groups, folds, SETTINGS, seed=1)
        said.append({name: p[kept] for name, p in held_out.items()})
    for name in said[0]:
        np.testing.assert_array_equal(said[0][name], said[1][name])
    np.testing.assert_array_equal(said[1]["selected"], said[1]["constant_one"])
    # Fold 1 may learn from the heaps, and so they do decide a choice.
    assert chosen == {"constant_one": 1, "memory": 1}


def test_the_choice_goes_by_what_is_held_out(two_classifiers):
    training = noise()
    sets = dict.fromkeys(two_classifiers, training)
    rows = np.arange(60)
    assert comparison._choose(sets, rows, rows, SETTINGS, seed=1) == "constant_one"


def test_the_doubts_of_training_materials_are_those_of_the_folds():
    tables, labels, manifest = campaign()
    model = train("logistic", tables, labels, manifest)
    own = {"sendek": tables["sendek"]}
    training = gather_training("logistic", own, labels, manifest, SETTINGS).training
    read = np.arange(training.x.shape[1])
    doubts = validate(
        *("logistic", build_logistic(ridge_penalty=SETTINGS.ridge_penalty, seed=3), training),
        *(SETTINGS,),
        **{"read": read, "note": "", "seed": 3},
    ).doubts.set_axis(training.material_id)
    told = model.predictions.set_index("material_id").loc[training.material_id]
    for column in COLUMNS[:3]:
        np.testing.assert_array_equal(told[column].astype(float), doubts[column])
    in_sample = Domain.around(training.x).distance(training.x)
    assert (told["distance"].to_numpy() > in_sample + 1e-3).mean() > 0.8


class Recorder(BaseRateClassifier):
    """Keeps what it is fitted to."""

    seen: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def fit(self, X, y, groups=None):
        self.seen.append((X[:, 0].astype(int), groups))
        return super().fit(X, y)


def test_resamples_draw_whole_systems_of_the_rows_given():
    systems = np.array([f"s{i // 3}" for i in range(30)], dtype=object)
    x = np.column_stack([np.arange(30.0), np.arange(30.0) ** 2])
    training = make_set(x, np.arange(30) % 3 == 0, systems)
    rows = np.arange(24)
    Recorder.seen.clear()
    fit_resamples(Recorder(), training, rows, seed=1)
    assert len(Recorder.seen) == 10
    drawn = np.stack([np.bincount(seen, minlength=30) for seen, _ in Recorder.seen])
    assert (drawn[:, 24:] == 0).all()
    by_system = drawn[:, :24].reshape(10, 8, 3)
    assert (by_system == by_system[:, :, :1]).all()
    assert len(np.unique(drawn, axis=0)) > 1


def test_twins_share_an_inner_group_under_other_names():
    x = np.column_stack([np.arange(12.0), np.ones(12)])
    x[7] = x[2] + [1e-9, 1e-15]
    training = make_set(x, np.arange(12) % 2 == 0)
    Recorder.seen.clear()
    fit_rows(Recorder(), training, np.arange(12))
    groups = Recorder.seen[0][1]
    assert groups[7] == groups[2]
    assert len(np.unique(groups)) == 11


def test_noise_is_of_no_importance_to_what_is_held_out():
    training = noise(n=90, seed=2)
    forest = RandomForestClassifier(20, random_state=0)
    folds = fit_folds(forest, training, np.arange(90) % 3)
    names = tuple("abcd")
    held_out = permute_columns("forest", names, training, folds, seed=1)["log_loss_increase"]
    leaky = [Fold(fold.train, fold.train, fold.model) for fold in folds]
    in_sample = permute_columns("forest", names, training, leaky, seed=1)["log_loss_increase"]
    assert held_out.mean() < 0.03
    assert in_sample.mean() > 0.1


def width(metrics, model, metric):
    row = metrics.set_index(["model", "metric"]).loc[(model, metric)]
    return row["high"] - row["low"], row["value"]


@pytest.mark.parametrize("prefix", ["loo_", "grouped_system_", "published_"])
def test_members_of_a_system_are_not_independent_in_an_interval(prefix):
    rng = np.random.default_rng(3)
    x = np.repeat(rng.normal(size=(12, 3)), 8, axis=0) + 0.01 * rng.normal(size=(96, 3))
    y = np.repeat(np.arange(12) % 2 == 0, 8)
    systems = np.repeat([f"s{i}" for i in range(12)], 8).astype(object)
    training = make_set(x, y, systems)
    if prefix == "published_":
        fitted = RIDGE.fit(rng.normal(size=(96, 3)), y)
        found = validate_published(
            *("ridge", fitted, training, np.zeros(96, bool), SETTINGS), note="", seed=1
        )
    else:
        found = validate(*("ridge", RIDGE, training, SETTINGS), read=np.arange(3), note="", seed=1)
    wide, value = width(found.metrics, "ridge", f"{prefix}misclassification")
    wrong = np.arange(96) < round(96 * value)
    _, low, high = misclassification(wrong, np.zeros(96))
    assert wide > 1.5 * (high - low)
