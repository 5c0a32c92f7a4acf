"""Scores of compositions: log-odds of a linear model, as whole numbers of a fixed unit.

The score of a composition is defined to the last digit, so that all ways to compute it agree
and histograms and rankings have one answer. With amounts n_i, their sum N, and sums taken from
left to right in float64 where they are not of whole numbers:

    score = floor(sum_i n_i q_i / N) + round(sum_p w_p sqrt(V_p) / N / UNIT)
    V_p = sum_{i<j} n_i n_j (p_i - p_j)^2

q_i is the element's part of the mean columns, of the intercept and of the system's extremes,
rounded to whole units; V_p / N^2 is the variance of property p weighted by amounts, written
without cancellation. The score is within 2.5 units of the model's log-odds, plus the rounding
of float64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from ionscout.compositions.space import CompositionSpace
from ionscout.errors import ModelError
from ionscout.features.elemental import COLUMNS, PROPERTIES, STATISTICS, elemental_properties
from ionscout.models.base import Classifier

UNIT = 2.0**-36
"""Log-odds of one unit of a score, 1.5e-11."""

PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""The pairs of elements of a system (Li, X, Y, Z), in the order in which V_p adds them."""

_LARGEST_LOG_ODDS = 1e4
_SLACK_UNITS = 1024


@dataclass(frozen=True)
class LinearCompositionModel:
    """A model whose log-odds are linear in the columns of the `elemental` descriptors.

    Attributes
    ----------
    weights : dict of str to float
        Weight by column of `ionscout.features.elemental`, before scaling; no zeros.
    intercept : float
        Log-odds.
    """

    weights: dict[str, float]
    intercept: float

    @classmethod
    def from_classifier(
        cls, name: str, classifier: Classifier, fitted: BaseEstimator
    ) -> LinearCompositionModel:
        """Take the linear form of a classifier of the registry.

        Parameters
        ----------
        name : str
            For messages.
        classifier : Classifier
        fitted : sklearn.base.BaseEstimator
            The fitted estimator that judges.

        Returns
        -------
        LinearCompositionModel

        Raises
        ------
        ModelError
            If the classifier is not linear or reads more than the composition.
        """
        if classifier.linear is None:
            raise ModelError(
                f"{name} is not linear and cannot score billions of compositions: choose a"
                " linear model of the composition, such as linear_svm or esml"
            )
        weights, intercept = classifier.linear(fitted)
        return cls.from_linear_form(name, classifier.reads, weights, intercept)

    @classmethod
    def from_linear_form(
        cls, name: str, columns: Sequence[str], weights: np.ndarray, intercept: float
    ) -> LinearCompositionModel:
        """Make a model of weights of columns.

        Parameters
        ----------
        name : str
            For messages.
        columns : sequence of str
            Columns of the `elemental` descriptors, with or without the set's name before them.
        weights : array of float, shape (n_columns,)
            Log-odds a unit of each column.
        intercept : float
            Log-odds.

        Returns
        -------
        LinearCompositionModel

        Raises
        ------
        ModelError
            If a column with a weight is no `elemental` one, or a weight is not finite.
        """
        named = {
            column.removeprefix("elemental."): float(weight)
            for column, weight in zip(columns, weights, strict=True)
            if weight != 0
        }
        foreign = [column for column in named if column not in COLUMNS]
        if foreign:
            raise ModelError(
                f"{name} reads {foreign[0]}, which a composition alone does not have: choose a"
                " linear model of the composition, such as linear_svm or esml"
            )
        if not np.all(np.isfinite([*named.values(), intercept])):
            raise ModelError(f"{name} has a weight that is not finite: fit it again")
        return cls(named, float(intercept))

    def weights_of(self, statistic: str) -> np.ndarray:
        """List the weights of one statistic of all properties.

        Parameters
        ----------
        statistic : str
            `mean`, `deviation`, `min` or `max`.

        Returns
        -------
        array of float, shape (n_properties,)
        """
        return np.array([self.weights.get(f"{name}_{statistic}", 0.0) for name in PROPERTIES])


@dataclass(frozen=True)
class ElementScores:
    """What each element of a space adds to a model's scores, by element number.

    Attributes
    ----------
    mean_log_odds : array of float, shape (n_elements,)
        Its part of the mean columns, with the intercept.
    deviating : array of float, shape (n_elements, n_deviating)
        The properties whose deviation has a weight.
    deviation_weights : array of float, shape (n_deviating,)
        Log-odds a unit of those deviations.
    extreme : array of float, shape (n_elements, n_extreme)
        The properties whose minimum or maximum has a weight.
    min_weights, max_weights : array of float, shape (n_extreme,)
        Log-odds a unit of those extremes.
    """

    mean_log_odds: np.ndarray
    deviating: np.ndarray
    deviation_weights: np.ndarray
    extreme: np.ndarray
    min_weights: np.ndarray
    max_weights: np.ndarray

    @property
    def is_mean_only(self) -> bool:
        """Whether the score is a weighted mean of one number an element."""
        return not self.deviation_weights.size and not self.extreme.shape[1]

    @property
    def mean_units(self) -> np.ndarray:
        """Whole units of each element's part of the means, shape (n_elements,)."""
        return np.rint(self.mean_log_odds / UNIT).astype(np.int64)

    def system_units(self, systems: np.ndarray) -> np.ndarray:
        """Compute what the extremes add to all scores of each system.

        Parameters
        ----------
        systems : array of int, shape (n, 3)

        Returns
        -------
        array of int, shape (n,)
            Units.
        """
        low, high = self._span(self.extreme, systems)
        constant = weigh(low, self.min_weights) + weigh(high, self.max_weights)
        return np.rint(constant / UNIT).astype(np.int64)

    def bounds_log_odds(self, systems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bound the scores of each system.

        A mean is between the extremes, a deviation between zero and half their distance.

        Parameters
        ----------
        systems : array of int, shape (n, 3)

        Returns
        -------
        lowest, highest : array of float, shape (n,)
        """
        low, high = self._span(self.mean_log_odds[:, None], systems)
        least, most = self._span(self.deviating, systems)
        widest = (most - least) / 2
        constant = self.system_units(systems) * UNIT
        return (
            constant + low[:, 0] + weigh(widest, np.minimum(self.deviation_weights, 0)),
            constant + high[:, 0] + weigh(widest, np.maximum(self.deviation_weights, 0)),
        )

    def fingerprint(self) -> str:
        """Hash the numbers.

        Returns
        -------
        str
            Sixteen hexadecimal digits.
        """
        digest = hashlib.sha256()
        for values in vars(self).values():
            digest.update(repr(values.shape).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    @staticmethod
    def _span(values: np.ndarray, systems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Extremes of each column over lithium and the elements of the systems, lithium for 0."""
        of_systems = values[np.insert(systems, 0, 0, axis=1)]
        return of_systems.min(axis=1), of_systems.max(axis=1)


def tabulate(model: LinearCompositionModel, space: CompositionSpace) -> ElementScores:
    """Look up what each element of a space adds to a model's scores.

    Parameters
    ----------
    model : LinearCompositionModel
    space : CompositionSpace

    Returns
    -------
    ElementScores

    Raises
    ------
    ModelError
        If a property with a weight is unknown for an element, or the weights are so large
        that scores do not fit into whole numbers.
    """
    properties = np.array([elemental_properties(symbol) for symbol in space.symbols])
    weights = {statistic: model.weights_of(statistic) for statistic in STATISTICS}
    is_read = np.any([weight != 0 for weight in weights.values()], axis=0)
    _check_known(space.symbols, properties, is_read)
    means = weigh(np.where(is_read, properties, 0.0), weights["mean"]) + model.intercept
    means[0] += model.weights.get("lithium_fraction", 0.0)
    deviates = weights["deviation"] != 0
    is_extreme = (weights["min"] != 0) | (weights["max"] != 0)
    scores = ElementScores(
        mean_log_odds=means,
        deviating=properties[:, deviates],
        deviation_weights=weights["deviation"][deviates],
        extreme=properties[:, is_extreme],
        min_weights=weights["min"][is_extreme],
        max_weights=weights["max"][is_extreme],
    )
    _check_size(scores)
    return scores


def weigh(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Add up weighted columns from left to right, so that all machines round alike.

    Parameters
    ----------
    values : array of float, shape (n, n_columns)
    weights : array of float, shape (n_columns,)

    Returns
    -------
    array of float, shape (n,)
    """
    total = np.zeros(len(values))
    for column, weight in zip(values.T, weights, strict=True):
        total += column * weight
    return total


def _check_known(symbols: Sequence[str], properties: np.ndarray, is_read: np.ndarray) -> None:
    names = list(PROPERTIES)
    for symbol, row in zip(symbols, properties, strict=True):
        unknown = [names[i] for i in np.flatnonzero(is_read & ~np.isfinite(row))]
        if unknown:
            raise ModelError(
                f"{symbol} has no {unknown[0]}, which the model reads: leave {symbol} out of the"
                " elements"
            )


def _check_size(scores: ElementScores) -> None:
    largest = np.abs(scores.mean_log_odds).max()
    for values, weights in (
        (scores.deviating, scores.deviation_weights),
        (scores.extreme, scores.min_weights),
        (scores.extreme, scores.max_weights),
    ):
        largest += (np.abs(values) @ np.abs(weights)).max()
    if largest > _LARGEST_LOG_ODDS:
        raise ModelError(
            f"the model's weights add up to log-odds of {largest:.3g}, and scores are exact only"
            f" up to {_LARGEST_LOG_ODDS:g}: fit it with a stronger penalty"
        )


@dataclass(frozen=True)
class ScoreBins:
    """Equal bins over all scores of a space: [lowest + i width, lowest + (i + 1) width).

    Attributes
    ----------
    lowest_units, width_units : int
        Units of the score.
    n_bins : int
    """

    lowest_units: int
    width_units: int
    n_bins: int

    @property
    def edges_log_odds(self) -> np.ndarray:
        """Edges of the bins, shape (n_bins + 1,)."""
        return (self.lowest_units + np.arange(self.n_bins + 1) * self.width_units) * UNIT


def choose_bins(scores: ElementScores, space: CompositionSpace, n_bins: int = 1000) -> ScoreBins:
    """Choose bins that hold every score of a space, from bounds and not from samples.

    Parameters
    ----------
    scores : ElementScores
    space : CompositionSpace
    n_bins : int
        At least 1.

    Returns
    -------
    ScoreBins
    """
    lowest, highest = scores.bounds_log_odds(np.concatenate(space.systems(space.pairs)))
    first = int(np.floor(lowest.min() / UNIT)) - _SLACK_UNITS
    last = int(np.ceil(highest.max() / UNIT)) + _SLACK_UNITS
    return ScoreBins(first, -(-(last + 1 - first) // n_bins), n_bins)


@dataclass(frozen=True)
class SystemScores:
    """What the scores of some systems are made of, element by element (Li, X, Y, Z).

    Attributes
    ----------
    mean_units : array of int, shape (n, 4)
        Of the means and the system's extremes. Where there is no X, lithium's stand for it.
    squares : array of float, shape (n, n_deviating, 6)
        (p_i - p_j)^2 by property and pair, in the order of `PAIRS`.
    weights : array of float, shape (n_deviating,)
        Log-odds a unit of each deviation.
    """

    mean_units: np.ndarray
    squares: np.ndarray
    weights: np.ndarray


def prepare_systems(scores: ElementScores, systems: np.ndarray) -> SystemScores:
    """Compute what the scores of some systems are made of.

    Parameters
    ----------
    scores : ElementScores
    systems : array of int, shape (n, 3)

    Returns
    -------
    SystemScores
    """
    members = np.insert(systems, 0, 0, axis=1)
    units = scores.mean_units[members] + scores.system_units(systems)[:, None]
    values = scores.deviating[members]
    squares = np.stack([(values[:, i] - values[:, j]) ** 2 for i, j in PAIRS], axis=-1)
    return SystemScores(
        np.ascontiguousarray(units),
        np.ascontiguousarray(squares),
        np.ascontiguousarray(scores.deviation_weights),
    )
