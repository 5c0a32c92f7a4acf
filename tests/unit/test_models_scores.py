import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics

from ionscout.models.scores import balanced_accuracy, log_loss, misclassification, roc_auc, score


def draw(rng, *, n_fast=6, n_slow=20, shift=1.5):
    y = np.r_[np.ones(n_fast, bool), np.zeros(n_slow, bool)]
    z = rng.normal(size=len(y)) + shift * y
    return y, 1 / (1 + np.exp(shift / 2 - z))


def test_values_are_those_of_scikit_learn():
    y, p = draw(np.random.default_rng(1))
    p = np.round(p, 1)
    table = score(y, p, np.arange(len(y)), seed=0).set_index("metric")["value"]
    assert table["misclassification"] == pytest.approx(1 - metrics.accuracy_score(y, p >= 0.5))
    assert table["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, p >= 0.5))
    assert table["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p))
    assert table["log_loss"] == pytest.approx(metrics.log_loss(y, p))


def test_misclassification_has_the_interval_of_wilson():
    y, p = np.zeros(20, bool), np.r_[np.full(4, 0.9), np.full(16, 0.1)]
    z = norm.ppf(0.975)
    centre = (0.2 + z**2 / 40) / (1 + z**2 / 20)
    half = z * np.sqrt(0.2 * 0.8 / 20 + z**2 / 1600) / (1 + z**2 / 20)
    assert misclassification(y, p) == pytest.approx((0.2, centre - half, centre + half))


def test_intervals_cover_as_they_say():
    rng = np.random.default_rng(7)
    true_auc, true_balanced = norm.cdf(1.5 / np.sqrt(2)), norm.cdf(0.75)
    covered = np.zeros(2)
    for _ in range(400):
        y, p = draw(rng)
        _, low, high = roc_auc(y, p)
        covered[0] += low <= true_auc <= high
        _, low, high = balanced_accuracy(y, p)
        covered[1] += low <= true_balanced <= high
    assert (covered / 400 > 0.91).all()


def test_a_perfect_score_keeps_an_interval():
    y = np.array([True] * 4 + [False] * 9)
    p = np.where(y, 0.9, 0.1)
    for value, low, high in (roc_auc(y, p), balanced_accuracy(y, p)):
        assert (value, high) == (1.0, 1.0)
        assert 0.4 < low < 0.9
    assert roc_auc(y, 1 - p)[:2] == (0.0, 0.0)
    assert 0.1 < roc_auc(y, 1 - p)[2] < 0.6


def test_log_loss_is_bootstrapped_over_groups():
    rng = np.random.default_rng(3)
    y, p = draw(rng, n_fast=10, n_slow=30)
    groups = np.arange(40)
    _, low, high = log_loss(y, p, groups, seed=1)
    assert log_loss(y, p, groups, seed=1) == log_loss(y, p, groups, seed=1)
    copies = np.repeat(np.arange(40), 4)
    _, low_copies, high_copies = log_loss(y[copies], p[copies], copies, seed=1)
    assert high_copies - low_copies == pytest.approx(high - low, rel=0.1)


def test_one_class_or_no_prediction_has_no_score():
    y = np.zeros(5, bool)
    table = score(y, np.full(5, 0.2), np.arange(5), seed=0).set_index("metric")
    assert table.loc[["balanced_accuracy", "roc_auc"], "value"].isna().all()
    assert table.loc["misclassification", "value"] == 0
    nothing = score(y, np.full(5, np.nan), np.arange(5), seed=0)
    assert nothing["value"].isna().all()
    assert (nothing["n"] == 0).all()
