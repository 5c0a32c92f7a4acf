"""The support-vector machines: Platt's sigmoid, the inner choice, and scikit-learn's rules."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from ionscout.models._svm import CalibratedSVM, fit_platt
from ionscout.models.linear_svm import LinearSVM, linear_form

LINEAR = ({"kernel": "linear", "C": 1.0},)


@parametrize_with_checks([LinearSVM(n_folds=2)])
def test_it_keeps_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def test_platt_minimises_what_it_says():
    rng = np.random.default_rng(0)
    decisions = rng.normal(2.0, 3.0, size=40)
    is_second = rng.random(40) < 1 / (1 + np.exp(-decisions + 2))
    n_second = is_second.sum()
    target = np.where(is_second, (n_second + 1) / (n_second + 2), 1 / (40 - n_second + 2))

    def loss(parameters):
        z = parameters[0] * decisions + parameters[1]
        return (target * np.logaddexp(0, -z) + (1 - target) * np.logaddexp(0, z)).sum()

    best = minimize(loss, np.zeros(2), tol=1e-12).x
    slope, offset, log_loss = fit_platt(decisions, is_second)
    np.testing.assert_allclose([slope, offset], best, rtol=1e-3)
    z = slope * decisions + offset
    assert log_loss == pytest.approx(np.logaddexp(0, np.where(is_second, -z, z)).mean())


@pytest.mark.parametrize(
    "decisions", [np.zeros(8), np.full(8, 5.0), np.arange(8.0)[::-1], 5 + 1e-13 * np.arange(8)]
)
def test_decisions_that_tell_nothing_give_the_base_rate(decisions):
    slope, offset, _ = fit_platt(decisions, np.arange(8) >= 4)
    assert slope == 0
    assert offset == pytest.approx(0)


def test_the_linear_form_is_the_decision_function():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 4)) * [1, 100, 0.01, 1] + [0, 500, 0, 1]
    x[:, 3] = 7.0
    y = x[:, 0] + x[:, 2] * 50 > 0
    fitted = LinearSVM(random_state=2).fit(x, y)
    weights, intercept = linear_form(fitted)
    np.testing.assert_allclose(x @ weights + intercept, fitted.decision_function(x), atol=1e-8)
    assert np.mean(fitted.predict(x) == y) > 0.9


def test_the_machine_is_scikit_learns_on_standardised_columns():
    rng = np.random.default_rng(1)
    x, y = rng.normal(3.0, 2.0, size=(30, 3)), np.arange(30) % 2 == 0
    fitted = CalibratedSVM(LINEAR).fit(x, y)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    peer = SVC(kernel="linear", C=1.0).fit(z, y).decision_function(z)
    expected = fitted.slope_ * peer + fitted.offset_
    np.testing.assert_allclose(fitted.decision_function(x), expected, atol=1e-8)


def test_groups_reach_the_inner_folds():
    rng = np.random.default_rng(3)
    single = rng.normal(size=(20, 30))
    y = np.repeat(np.arange(20) % 2 == 0, 3)
    x = np.repeat(single, 3, axis=0) + 1e-6 * rng.normal(size=(60, 30))
    narrow = ({"kernel": "rbf", "C": 10.0, "gamma": 1.0},)
    split = CalibratedSVM(narrow, random_state=1).fit(x, y)
    whole = CalibratedSVM(narrow, random_state=1).fit(x, y, groups=np.repeat(np.arange(20), 3))
    assert split.slope_ > 0.5
    assert whole.slope_ == 0  # to a material of another group all are strangers
