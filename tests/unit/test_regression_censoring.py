"""Upper bounds among the labels, and the intervals of regressors."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression

from ionscout.models.regression.censoring import expect_below, signed_errors
from ionscout.models.regression.replicated import BOOTSTRAP, FOLDS, Replicated


def _line(n, *, seed, noise=1.0):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (n, 1))
    return x, 2 * x[:, 0] + noise * rng.normal(size=n)


@pytest.mark.parametrize(("bound", "mean"), [(-10.0, -4.0), (-10.0, -12.0), (0.0, 0.0)])
def test_the_expectation_below_a_bound_is_the_integral(bound, mean):
    weight = norm(mean, 2.0)
    total = quad(lambda t: t * weight.pdf(t), -60, bound)[0] / weight.cdf(bound)
    found = expect_below(np.array([bound]), np.array([mean]), 2.0)[0]
    assert found == pytest.approx(total, rel=1e-6)


def test_the_expectation_far_below_the_mean_stays_finite_and_below_the_bound():
    found = expect_below(np.array([-10.0]), np.array([1000.0]), 0.5)
    assert np.isfinite(found).all()
    assert found[0] <= -10


def test_without_spread_a_bound_is_not_passed():
    found = expect_below(np.array([-10.0, -10.0]), np.array([-4.0, -12.0]), 0.0)
    np.testing.assert_array_equal(found, [-10, -12])


def test_a_prediction_below_a_bound_is_no_error():
    y, predicted = np.array([-10.0, -10.0, -10.0]), np.array([-14.0, -8.0, -14.0])
    errors = signed_errors(y, predicted, np.array([True, True, False]))
    np.testing.assert_array_equal(errors, [0, 2, -4])


def test_learning_censored_values_recovers_the_slope_better_than_taking_bounds_as_values():
    x, y = _line(400, seed=1)
    bounded = y < 0
    seen = np.where(bounded, 0.0, y)
    slopes = [
        Replicated(LinearRegression(), resampling=FOLDS).fit(x, seen, given).learner_.coef_[0]
        for given in (bounded, None)
    ]
    assert abs(slopes[0] - 2) < 0.8 * abs(slopes[1] - 2)


@pytest.mark.parametrize("resampling", [FOLDS, BOOTSTRAP])
def test_a_bound_never_pulls_a_prediction_up(resampling):
    x, y = _line(120, seed=2)
    bounded = np.arange(len(y)) % 4 == 0
    above = np.where(bounded, y + 6.0, y)
    as_bounds = Replicated(LinearRegression(), resampling=resampling).fit(x, above, bounded)
    as_values = Replicated(LinearRegression(), resampling=resampling).fit(x, above)
    assert (as_bounds.target_ <= above).all()
    assert (as_bounds.predict(x) < as_values.predict(x)).all()


@pytest.mark.parametrize("resampling", [FOLDS, BOOTSTRAP])
def test_intervals_hold_the_stated_share(resampling):
    x, y = _line(200, seed=3)
    x_new, y_new = _line(2000, seed=4)
    model = Replicated(LinearRegression(), resampling=resampling, n_replicas=20).fit(x, y)
    low, high = model.predict_interval(x_new, 0.9)
    assert ((low <= y_new) & (y_new <= high)).mean() == pytest.approx(0.9, abs=0.04)
    assert ((low < model.predict(x_new)) & (model.predict(x_new) < high)).all()


def test_intervals_hold_new_groups_only_if_groups_are_resampled_whole():
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 10)
    y = rng.normal(size=60)[group] * 3 + 0.1 * rng.normal(size=600)
    x = np.eye(60)[group]
    new = rng.normal(size=4000) * 3
    shares = []
    for groups in (group, None):
        model = Replicated(LinearRegression(fit_intercept=False)).fit(x, y, groups=groups)
        low, high = model.predict_interval(np.zeros((1, 60)), 0.9)
        shares.append(((low <= new) & (new <= high)).mean())
    assert shares[0] > 0.85
    assert shares[1] < 0.2


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("resampling", [FOLDS, BOOTSTRAP])
def test_few_rows_and_one_group_are_no_error(n, resampling):
    model = Replicated(DummyRegressor(), resampling=resampling)
    model.fit(np.zeros((n, 2)), np.arange(n, dtype=float), groups=np.zeros(n))
    assert np.isfinite(model.predict_interval(np.zeros((2, 2)), 0.9)).all()
    assert len(model.predict(np.zeros((0, 2)))) == 0


def test_bounds_alone_are_no_error():
    model = Replicated(DummyRegressor()).fit(np.zeros((5, 1)), np.full(5, -10.0), np.ones(5, bool))
    assert (model.predict(np.zeros((1, 1))) <= -10).all()
