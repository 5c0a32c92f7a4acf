"""What a classifier goes by: its coefficients, and what is lost when a column is shuffled."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ionscout.models.base import Classifier
from ionscout.models.held_out import BaseRateClassifier, Fold
from ionscout.models.scores import INTERVAL_PERCENT, losses_nats
from ionscout.models.training_set import TrainingSet

N_PERMUTATIONS = 10
COEFFICIENT_COLUMNS = [
    *("model", "column", "coefficient", "standardised", "low", "high"),
    *("published", "published_standardised"),
]
IMPORTANCE_COLUMNS = [
    *("model", "column", "log_loss_increase", "low", "high"),
    *("misclassification_increase", "n"),
]


def tabulate_coefficients(
    name: str,
    classifier: Classifier,
    fitted: BaseEstimator | None,
    training: TrainingSet,
    folds: list[Fold],
) -> pd.DataFrame:
    """List the weights of a linear model, standardised by the spread of the labelled materials.

    Parameters
    ----------
    name : str
        The classifier's.
    classifier : Classifier
    fitted : scikit-learn classifier
        Fitted to all labelled materials, or published; None where nothing could be learned.
    training : TrainingSet
        The labelled materials.
    folds : list of Fold
        Models of which each has not seen some of the materials.

    Returns
    -------
    DataFrame
        Columns model; column; coefficient, in log-odds per unit of the column;
        standardised, in log-odds per standard deviation; low and high, the range of
        `standardised` over the models of the folds, for a fitted one; published and
        published_standardised, NaN where nothing is published. Empty for a model
        that is not linear.
    """
    if classifier.linear is None or fitted is None or not len(training.y):
        return pd.DataFrame(columns=COEFFICIENT_COLUMNS)
    weights, _ = classifier.linear(classifier.judge(fitted))
    spread = training.x[:, classifier.read_positions].std(axis=0)
    others = [
        classifier.linear(classifier.judge(fold.model))[0]
        for fold in folds
        if classifier.learns and not isinstance(fold.model, BaseRateClassifier)
    ]
    low, high = (np.min(others, axis=0), np.max(others, axis=0)) if others else np.full(2, np.nan)
    published = np.array([classifier.published.get(column, np.nan) for column in classifier.reads])
    return pd.DataFrame(
        {
            "model": name,
            "column": classifier.reads,
            "coefficient": weights,
            "standardised": weights * spread,
            "low": low * spread,
            "high": high * spread,
            "published": published,
            "published_standardised": published * spread,
        }
    )


def permute_columns(
    name: str,
    columns: tuple[str, ...],
    training: TrainingSet,
    folds: list[Fold],
    *,
    seed: int,
) -> pd.DataFrame:
    """Measure how much worse held-out materials are judged when a column is shuffled.

    The column is shuffled among the materials that a fold holds out, ten times. Of
    columns that say the same each alone can be shuffled without harm.

    Parameters
    ----------
    name : str
        The classifier's.
    columns : tuple of str
        Names of the columns of `training.x`.
    training : TrainingSet
        The labelled materials.
    folds : list of Fold
        Grouped.
    seed : int
        Of the shuffles.

    Returns
    -------
    DataFrame
        Columns model, column, log_loss_increase (mean, in nats), low and high (the
        range of 95 % of the shuffles), misclassification_increase, n; the most important
        first.
    """
    if not folds:
        return pd.DataFrame(columns=IMPORTANCE_COLUMNS)
    rng = np.random.default_rng(seed)
    rises = np.concatenate([_rises_in(fold, training, rng) for fold in folds], axis=-1)
    rises = rises.mean(axis=-1)
    low, high = np.percentile(rises[0], INTERVAL_PERCENT, axis=1)
    table = {
        "model": name,
        "column": columns,
        "log_loss_increase": rises[0].mean(axis=1),
        "low": low,
        "high": high,
        "misclassification_increase": rises[1].mean(axis=1),
        "n": sum(len(fold.test) for fold in folds),
    }
    return pd.DataFrame(table).sort_values("log_loss_increase", ascending=False, kind="stable")


def _rises_in(fold: Fold, training: TrainingSet, rng: np.random.Generator) -> np.ndarray:
    """Rises of loss and error, shape (2, n_columns, n_permutations, n_test)."""
    x, y = training.x[fold.test], training.y[fold.test]
    n_columns = x.shape[1]
    copies = np.tile(x, (n_columns, N_PERMUTATIONS, 1, 1))
    for column in range(n_columns):
        for copy in copies[column]:
            copy[:, column] = rng.permutation(x[:, column])
    said = fold.model.predict_proba(copies.reshape(-1, n_columns))[:, 1]
    said = said.reshape(copies.shape[:-1])
    before = fold.model.predict_proba(x)[:, 1]
    y_of = np.broadcast_to(y, said.shape)
    loss = losses_nats(y_of, said) - losses_nats(y, before)
    wrong = ((said >= 0.5) != y_of).astype(float) - ((before >= 0.5) != y)
    return np.stack([loss, wrong])
