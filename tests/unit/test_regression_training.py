"""Training, validating and saving regressors on a campaign's tables."""

import json
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, roc_auc_score
from sklearn.neighbors import KNeighborsRegressor

from ionscout.config import REGRESSOR_NAMES, RegressionSettings
from ionscout.errors import ModelError
from ionscout.models.regression import (
    REGRESSORS,
    dump_regressor,
    load_regressor,
    train_regressor,
)
from ionscout.models.regression._profile_process import ProfileGaussianProcess
from ionscout.models.regression.labelled import RANDOM, SYSTEM, Labelled, make_groups
from ionscout.models.regression.pls import BoundedPLS
from ionscout.models.regression.preparation import Preparation
from ionscout.models.regression.replicated import Replicated
from ionscout.models.regression.scores import Measured, Predicted, score
from ionscout.models.regression.training import describe_manifest
from ionscout.models.regression.validation import predict_held_out, validate
from ionscout.models.saved_model import checksum

QUICK = RegressionSettings(n_trees=8, n_bootstrap=4, n_inner_folds=2, n_folds=3)
METALS, ANIONS = ("Y", "In", "Sc", "Er", "Al", "Ga"), ("Cl", "Br", "I", "F")


def _campaign(n=24, n_labels=18):
    rows = []
    for row in range(n):
        metal, anion = METALS[row % 6], ANIONS[row % 4]
        rows.append(
            {
                "material_id": f"m{row:02d}",
                "duplicate_of": None,
                "reduced_formula": f"Li{1 + row % 5}{metal}{anion}{4 + row % 5}",
                "chemical_system": "-".join(sorted({"Li", metal, anion})),
                "space_group_number": 225,
            }
        )
    manifest = pd.DataFrame(rows)
    ids = manifest["material_id"]
    features = pd.DataFrame({"volume_per_atom_ang3": 20.0}, index=pd.Index(ids))
    lithium = np.arange(n) % 5
    labels = pd.DataFrame(
        {
            "material_id": ids,
            "sigma_rt_s_cm": 10.0 ** (lithium - 6.0),
            "is_upper_bound": np.arange(n) == 3,
            "activation_energy_ev": np.where(np.arange(n) < 10, 0.6 - 0.05 * lithium, np.nan),
        }
    ).iloc[:n_labels]
    return features, labels, manifest


def _train(name="forest", *, settings=QUICK, **changes):
    features, labels, manifest = _campaign()
    tables = {"features": features, "labels": labels, "manifest": manifest} | changes
    return train_regressor(name, *tables.values(), settings, fast_threshold_s_cm=1e-4, seed=0)


def _labelled(x, y, systems):
    systems = np.asarray(systems, dtype=object)
    n = len(y)
    return Labelled(np.arange(n).astype(object), x, y, np.zeros(n, bool), make_groups(x, systems))


def _noise(n=60, n_columns=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n_columns)), rng.normal(size=n)


class _Memory(RegressorMixin, BaseEstimator):
    """Knows the nearest row it has seen; what it says about a copy is the leak."""

    def fit(self, x, y, is_upper_bound=None, groups=None):
        self.nearest_ = KNeighborsRegressor(1).fit(x, y)
        return self

    def predict(self, x):
        return self.nearest_.predict(x)

    def predict_interval(self, x, level):
        return self.predict(x), self.predict(x)


class _Spy(_Memory):
    """Scales inside `fit`; keeps the mean that its training part had, and the groups."""

    means: ClassVar[list] = []
    groups: ClassVar[list] = []

    def fit(self, x, y, is_upper_bound=None, groups=None):
        _Spy.groups.append(groups)
        _Spy.means.append(Preparation().fit(x).mean_)
        return super().fit(x, y)


def _errors(measured, value, is_upper_bound):
    errors = value - measured
    return np.where(is_upper_bound, np.maximum(errors, 0), errors)


def test_held_out_values_part_chemical_systems():
    features, labels, manifest = _campaign(60, 60)
    manifest["chemical_system"] = manifest["chemical_system"].str.split("-").str[0]
    trained = _train(features=features, labels=labels, manifest=manifest)
    rows = trained.predictions
    mae = trained.metrics.query("metric == 'mae' and model == 'forest'").set_index("scheme")
    errors = _errors(rows["measured"], rows["held_out"], rows["is_upper_bound"])
    assert np.abs(errors).mean() == pytest.approx(mae.loc[SYSTEM, "value"])
    assert mae.loc[RANDOM, "value"] != pytest.approx(mae.loc[SYSTEM, "value"])


def test_distances_of_known_materials_leave_out_their_chemical_system():
    features, labels, manifest = _campaign()
    columns = ["reduced_formula", "chemical_system"]
    manifest.loc[:15, columns] = manifest[columns].iloc[:4].loc[np.arange(16) // 4].to_numpy()
    manifest.loc[16, columns] = "UAs2", "As-U"
    rows = _train(features=features, labels=labels, manifest=manifest).predictions
    assert rows["distance"].idxmax() == 16
    assert not rows.loc[16, "in_domain"]
    assert (rows.loc[:15, "distance"] > 0.1).all()
    assert rows.loc[19:22, "in_domain"].all()


def test_distances_are_measured_inside_the_fold():
    x, y = _noise(20)
    data = _labelled(np.repeat(x, 4, axis=0), np.repeat(y, 4), np.arange(80).astype(str))
    held_out = predict_held_out(_Memory(), data, RANDOM, QUICK, seed=0)
    assert held_out.distance.min() > 0.1


def test_regressors_are_given_the_systems_as_groups_where_there_are_no_papers(monkeypatch):
    fit, given = Replicated.fit, []

    def spy(self, x, y, is_upper_bound=None, groups=None):
        given.append((len(y), groups))
        return fit(self, x, y, is_upper_bound, groups)

    monkeypatch.setattr(Replicated, "fit", spy)
    _, labels, manifest = _campaign()
    _train()
    n_systems = manifest["chemical_system"].iloc[: len(labels)].nunique()
    assert max(n for n, _ in given) == len(labels)
    assert all(len(groups) == n for n, groups in given)
    assert {len(set(groups)) for n, groups in given if n == len(labels)} == {n_systems}


def test_folds_keep_papers_together_where_errors_are_taken():
    x, y = _noise()
    papers = np.array([f"paper {row // 6}" for row in range(len(y))], dtype=object)
    systems = np.array([f"Li-{row // 2}" for row in range(len(y))], dtype=object)
    of_paper = make_groups(x, systems, papers)
    data = Labelled(np.arange(len(y)), x, y, np.zeros(len(y), bool), of_paper)
    np.testing.assert_array_equal(data.inner_groups, of_paper["grouped_paper"])
    assert len(np.unique(data.inner_groups)) == 10
    _Spy.groups = []
    predict_held_out(_Spy(), data, "grouped_paper", QUICK, seed=0)
    counts = [np.unique(groups, return_counts=True)[1].tolist() for groups in _Spy.groups]
    assert sum(map(len, counts)) == 10 * (QUICK.n_folds - 1)
    assert {size for sizes in counts for size in sizes} == {6}


def test_hyperparameters_are_chosen_across_groups():
    rng = np.random.default_rng(0)
    x, y = np.repeat(rng.normal(size=(40, 2)), 4, axis=0), np.repeat(rng.normal(size=40), 4)
    grid = {"n_neighbors": [1, 30]}
    chosen = {
        name: Replicated(KNeighborsRegressor(), grid=grid).fit(x, y, groups=groups).learner_
        for name, groups in (("grouped", np.repeat(np.arange(40), 4)), ("rows", None))
    }
    assert chosen["grouped"].n_neighbors == 30
    assert chosen["rows"].n_neighbors == 1


def test_the_interval_of_a_score_is_drawn_by_group():
    x, _ = _noise(120)
    y = np.repeat(np.random.default_rng(1).normal(size=12), 10)
    data = _labelled(x, y, [f"Li-{row // 10}" for row in range(120)])
    zero = np.zeros((1, 120))
    held_out = {name: Predicted(zero, zero - 1, zero + 1, zero) for name in (RANDOM, SYSTEM)}
    found = validate("any", held_out, data, target="sigma", threshold=None, seed=0)
    found = found[found["metric"] == "mae"].set_index("scheme")
    width = found["high"] - found["low"]
    assert found.loc[RANDOM, "value"] == found.loc[SYSTEM, "value"]
    assert width[SYSTEM] > 2 * width[RANDOM]


def test_doubts_that_rank_the_errors_are_scored_so_and_bounds_left_out():
    rng = np.random.default_rng(0)
    errors = rng.exponential(size=40)
    y, bounded = -errors, np.arange(40) < 5
    errors[:5] = 100
    zero = np.zeros((1, 40))
    predicted = Predicted(zero, zero, errors[None], -errors[None])
    found = score(Measured(y, bounded), predicted, np.arange(40), threshold=None, seed=0)
    found = found.set_index("metric")
    assert found.loc["interval_spearman", "value"] == pytest.approx(1)
    assert found.loc["distance_spearman", "value"] == pytest.approx(-1)
    assert found.loc["distance_spearman", "high"] < 0
    assert found.loc[["mae", "interval_spearman"], "n"].tolist() == [40, 35]


@pytest.mark.parametrize("value", [np.inf, 1e200, -1e31])
def test_values_without_a_square_are_missing(value):
    x, _ = _noise()
    expected = Preparation().fit(np.vstack([x, np.full(5, np.nan)]))
    prepared = Preparation().fit(np.vstack([x, np.full(5, value)]))
    np.testing.assert_array_equal(prepared.scale_, expected.scale_)
    np.testing.assert_array_equal(
        prepared.transform(np.full((1, 5), value)), expected.transform(np.full((1, 5), np.nan))
    )


def test_the_registry_has_the_names_of_the_configuration():
    assert tuple(REGRESSORS) == REGRESSOR_NAMES


@pytest.mark.parametrize("name", REGRESSOR_NAMES)
def test_each_regressor_predicts_all_and_comes_back_from_its_file_to_the_bit(name):
    features, labels, manifest = _campaign()
    trained = _train(name)
    rows = trained.predictions[trained.predictions["target"] == "sigma_rt_log10"]
    assert rows["material_id"].tolist() == manifest["material_id"].tolist()
    assert np.isfinite(rows[["value", "low", "high"]]).all().all()
    assert rows["in_training"].sum() == rows["held_out"].notna().sum() == len(labels)
    loaded = load_regressor(json.loads(json.dumps(dump_regressor(trained))))
    x, _ = describe_manifest(manifest, features)
    assert set(loaded) == set(REGRESSORS[name].targets)
    again = loaded["sigma_rt_log10"]
    np.testing.assert_array_equal(again.predict(x), rows["value"])
    np.testing.assert_array_equal(again.predict_interval(x, QUICK.interval_level)[0], rows["low"])
    schemes = {"random", "grouped_system", "grouped_framework"}
    assert schemes == set(trained.metrics["scheme"])
    assert {name, "constant"} == set(trained.metrics["model"])


def test_pls_is_fitted_to_activation_energies_too():
    rows = _train("pls").predictions
    energies = rows[rows["target"] == "activation_energy_ev"]
    assert energies["in_training"].sum() == 10
    assert energies["value"].between(0.3, 0.7).all()
    assert not energies["is_upper_bound"].any()


def test_duplicates_count_once_and_share_their_held_out_value():
    features, labels, manifest = _campaign()
    manifest.loc[1, "duplicate_of"] = "m00"
    trained = _train(features=features, labels=labels, manifest=manifest)
    assert trained.provenance["targets"]["sigma_rt_log10"]["n_training"] == len(labels) - 1
    rows = trained.predictions.set_index("material_id")
    assert rows.loc["m01", "in_training"]
    assert rows.loc["m01", "held_out"] == rows.loc["m00", "held_out"]


def test_a_planted_copy_is_never_on_both_sides_of_a_fold():
    x, y = _noise()
    x, y = np.vstack([x, x]), np.concatenate([y, y])
    systems = [f"Li-{row}" for row in range(len(y))]
    data = _labelled(x, y, systems)
    for scheme in (RANDOM, SYSTEM):
        held_out = predict_held_out(_Memory(), data, scheme, QUICK, seed=0).value[0]
        assert mean_absolute_error(y, held_out) > 0.5
    apart = Labelled(data.names, x, y, data.is_upper_bound, {SYSTEM: np.arange(len(y))})
    leaked = predict_held_out(_Memory(), apart, SYSTEM, QUICK, seed=0).value[0]
    assert mean_absolute_error(y, leaked) < 0.5


def test_scaling_is_fitted_inside_the_fold():
    x, y = _noise()
    x[:, 0] += 100 * np.arange(len(y))
    _Spy.means = []
    predict_held_out(_Spy(), _labelled(x, y, ["Li"] * 30 + ["K"] * 30), RANDOM, QUICK, seed=0)
    assert len(_Spy.means) == QUICK.n_folds
    assert all(abs(mean[0] - x[:, 0].mean()) > 1e-3 for mean in _Spy.means)


def test_preparation_takes_nothing_from_rows_it_was_not_fitted_to():
    x, _ = _noise()
    prepared = Preparation().fit(x[:30])
    np.testing.assert_allclose(prepared.transform(x[:30]).mean(axis=0), 0, atol=1e-12)
    assert np.abs(prepared.transform(x[30:]).mean(axis=0)).max() > 0.01


def test_shuffled_labels_score_no_better_than_the_constant():
    rng = np.random.default_rng(1)
    features, labels, manifest = _campaign(60, 60)
    labels["sigma_rt_s_cm"] = rng.permutation(labels["sigma_rt_s_cm"].to_numpy())
    found = _train(features=features, labels=labels, manifest=manifest).metrics
    mae = found[(found["metric"] == "mae") & (found["scheme"] == SYSTEM)].set_index("model")
    assert mae.loc["forest", "value"] > 0.9 * mae.loc["constant", "value"]


def test_what_is_in_the_labels_is_found():
    features, labels, manifest = _campaign(60, 60)
    found = _train(features=features, labels=labels, manifest=manifest).metrics
    mae = found[(found["metric"] == "mae") & (found["scheme"] == SYSTEM)].set_index("model")
    assert mae.loc["forest", "value"] < 0.6 * mae.loc["constant", "value"]
    assert mae.loc["forest", "low"] < mae.loc["forest", "value"] < mae.loc["forest", "high"]


@pytest.mark.parametrize("n_labels", [0, 1, 3])
@pytest.mark.parametrize("name", ["pls", "average"])
def test_too_few_labels_are_said_and_no_error(name, n_labels):
    _, labels, _ = _campaign()
    trained = _train(name, labels=labels.iloc[:n_labels])
    assert trained.predictions["value"].isna().all()
    assert trained.predictions["reason"].str.contains("4 are needed").all()
    assert trained.metrics["note"].str.contains("4 are needed").all()
    assert load_regressor(json.loads(json.dumps(dump_regressor(trained)))) == {}


@pytest.mark.parametrize("name", REGRESSOR_NAMES)
def test_identical_materials_missing_volumes_and_one_group_are_no_error(name):
    features, labels, manifest = _campaign()
    features["volume_per_atom_ang3"] = np.nan
    manifest["reduced_formula"], manifest["chemical_system"] = "LiCl", "Cl-Li"
    trained = _train(name, features=features, labels=labels, manifest=manifest)
    assert np.isfinite(trained.predictions["value"]).all()
    assert (trained.metrics["note"] == "all materials are one group").all()


def test_a_material_that_cannot_be_described_gets_the_median_and_a_reason():
    _, _, manifest = _campaign()
    manifest.loc[20, "reduced_formula"] = "?"
    rows = _train(manifest=manifest).predictions.set_index("material_id")
    assert "median" in rows.loc["m20", "reason"]
    assert np.isfinite(rows.loc["m20", "value"])
    assert (rows["reason"] != "").sum() == 1


def test_features_without_their_column_are_refused():
    features, _, _ = _campaign()
    with pytest.raises(ModelError, match="volume_per_atom_ang3"):
        _train(features=features.rename(columns={"volume_per_atom_ang3": "other"}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("format", "ionscout-regressor-0"),
        ("model", "no such"),
        ("columns", ["a"]),
        ("estimators", {"sigma_rt_log10": {"skops_base64": "AAAA"}}),
        ("extra", 1),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_a_changed_file_is_refused(key, value, signed):
    content = dump_regressor(_train("gaussian_process"))
    content[key] = value
    if signed and key != "seed":
        content.pop("sha256")
        content["sha256"] = checksum(content)
    with pytest.raises(ModelError):
        load_regressor(content)


def test_an_untrusted_type_is_refused_before_it_is_made():
    trained = _train("gaussian_process")
    trained.estimators["sigma_rt_log10"] = Replicated(_Memory())
    content = dump_regressor(trained)
    with pytest.raises(ModelError, match="untrusted type"):
        load_regressor(content)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=50), rng.normal(size=50)
    predicted = Predicted(p[None], p[None] - 1, p[None] + 1, np.abs(y - p)[None])
    found = score(
        Measured(y, np.zeros(50, bool)), predicted, np.arange(50), threshold=0.3, seed=0
    ).set_index("metric")["value"]
    assert found["mae"] == pytest.approx(mean_absolute_error(y, p))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(y >= 0.3, p))
    assert found["spearman"] == pytest.approx(pd.Series(y).corr(pd.Series(p), "spearman"))
    assert found["coverage"] == pytest.approx((np.abs(y - p) <= 1).mean())


def test_scores_respect_bounds_and_say_what_they_would_be_as_values():
    y, bounded = np.array([-10.0, -4.0]), np.array([True, False])
    p = np.array([[-13.0, -4.0]])
    found = score(Measured(y, bounded), Predicted(p, p, p, p), np.arange(2), threshold=-4.0, seed=0)
    found = found.set_index("metric")["value"]
    assert found["mae"] == 0
    assert found["mae_bounds_as_values"] == 1.5
    assert found["coverage"] == 1


def test_the_gaussian_process_is_that_of_scikit_learn():
    x, y = _noise(30)
    ours = ProfileGaussianProcess().fit(x, y)
    theirs = GaussianProcessRegressor(
        RBF(ours.lengths_[1] * np.sqrt(x.shape[1])), alpha=ours.noise_ratio_, optimizer=None
    ).fit(x, y - y.mean())
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x) + y.mean(), rtol=1e-6)


def test_pls_never_leaves_the_range_of_its_labels():
    x, y = _noise()
    found = BoundedPLS(3, scale=False).fit(x, y).predict(1e6 * x)
    assert found.min() >= y.min()
    assert found.max() <= y.max()


def test_cloning_keeps_the_settings_and_drops_what_was_fitted():
    model = Replicated(LinearRegression(), n_replicas=7).fit(*_noise())
    again = clone(model)
    assert again.n_replicas == 7
    assert not hasattr(again, "learner_")
