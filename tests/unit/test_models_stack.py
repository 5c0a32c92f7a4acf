"""The stack of classifiers."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from ionscout.models._folds import inner_folds
from ionscout.models.logistic import build_logistic
from ionscout.models.stack import Stack

RIDGE = build_logistic(ridge_penalty=1.0, seed=0)


def materials(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    return x, x[:, 0] + 0.5 * rng.normal(size=60) > 0


def test_it_combines_what_its_members_say_of_materials_held_out():
    x, y = materials()
    stack = Stack([("good", RIDGE, [0, 1]), ("poor", RIDGE, [2, 3])], n_folds=3, random_state=4)
    stack.fit(x, y)
    folds = inner_folds(y, None, 3, seed=4)
    odds = np.empty((60, 2))
    for fold in range(3):
        test = folds == fold
        for i, columns in enumerate(([0, 1], [2, 3])):
            fitted = RIDGE.fit(x[~test][:, columns], y[~test])
            p = fitted.predict_proba(x[test][:, columns])[:, 1]
            odds[test, i] = logit(np.clip(p, 1e-3, 1 - 1e-3))
    combine = LogisticRegression(C=1.0, tol=1e-8).fit(odds, y)
    np.testing.assert_allclose(stack.combine_.coef_, combine.coef_, atol=1e-4)
    assert stack.combine_.coef_[0, 0] > abs(stack.combine_.coef_[0, 1])
    assert np.mean(stack.predict(x) == y) > 0.8


def test_members_that_know_nothing_are_not_believed():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 40)), np.arange(60) % 2 == 0
    p = Stack([("noise", build_logistic(ridge_penalty=1e-3, seed=0), list(range(40)))]).fit(x, y)
    assert p.combine_.coef_[0, 0] < 0.3


@pytest.mark.parametrize("y", [np.ones(60, bool), np.arange(60) % 3])
def test_other_than_two_classes_are_refused(y):
    with pytest.raises(ValueError, match=r"Only binary|nothing tells two"):
        Stack([("ridge", RIDGE, [0])]).fit(materials()[0], y)
