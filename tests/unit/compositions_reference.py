"""Plain enumeration of compositions, loop by loop and in numpy, to check the kernels against."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from pymatgen.core import Element

from ionscout.compositions import CompositionSpace, LinearCompositionModel
from ionscout.compositions.scores import UNIT
from ionscout.features.elemental import COLUMNS, PROPERTIES, elemental_properties
from ionscout.models.predictor import Predictor
from ionscout.models.registry import get_classifier

MEANS = ("mean",)
NO_EXTREMES = ("mean", "deviation")
ALL = ("mean", "deviation", "min", "max")


def random_model(seed: int, statistics: tuple[str, ...] = ALL) -> LinearCompositionModel:
    """Draw weights that give each column a share of the log-odds."""
    rng = np.random.default_rng(seed)
    table = np.array([elemental_properties(symbol) for symbol in ("Li", "O", "S", "Fe", "Cs", "P")])
    scale = dict(zip(PROPERTIES, table.std(axis=0), strict=True))
    weights = {}
    for column in COLUMNS[1:]:
        name, statistic = column.rsplit("_", 1)
        if statistic in statistics:
            weights[column] = rng.normal() / scale[name]
    return LinearCompositionModel(weights | {"lithium_fraction": rng.normal()}, rng.normal())


def enumerate_plainly(space: CompositionSpace) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """List the systems (Li first, then by alphabet) with the amounts of all compositions."""
    systems = []
    for n_others in (2, 3):
        sides = [range(1, space.max_amount + 1)] * (n_others + 1)
        amounts = np.array([n for n in itertools.product(*sides) if math.gcd(*n) == 1])
        for others in itertools.combinations(sorted(space.elements), n_others):
            systems.append((("Li", *others), amounts))
    return systems


def score_plainly(
    model: LinearCompositionModel, symbols: tuple[str, ...], amounts: np.ndarray
) -> np.ndarray:
    """Score by the definition in `ionscout.compositions.scores`, in numpy and whole numbers."""
    table = np.array([elemental_properties(symbol) for symbol in symbols])
    total = amounts.sum(axis=1)
    least, most = 0.0, 0.0
    means = np.zeros(len(symbols))
    deviation = np.zeros(len(amounts))
    for p, name in enumerate(PROPERTIES):
        values = table[:, p]
        means += values * model.weights.get(f"{name}_mean", 0.0)
        least += values.min() * model.weights.get(f"{name}_min", 0.0)
        most += values.max() * model.weights.get(f"{name}_max", 0.0)
        square = np.zeros(len(amounts))
        for i, j in itertools.combinations(range(len(symbols)), 2):
            square += amounts[:, i] * amounts[:, j] * (values[i] - values[j]) ** 2
        deviation += model.weights.get(f"{name}_deviation", 0.0) * np.sqrt(square)
    means += model.intercept
    means[0] += model.weights.get("lithium_fraction", 0.0)
    constant = int(np.rint((least + most) / UNIT))
    units = np.rint(means / UNIT).astype(np.int64)
    mean = sum(amounts[:, i] * units[i] for i in range(len(symbols))) // total
    return mean + constant + np.rint(deviation / total / UNIT).astype(np.int64)


def is_neutral_plainly(
    symbols: tuple[str, ...], amounts: np.ndarray, states: dict[str, tuple[int, ...]]
) -> np.ndarray:
    """Try all oxidation states on all amounts."""
    chi = [Element(symbol).X for symbol in symbols]
    found = np.zeros(len(amounts), dtype=bool)
    for charges in itertools.product(*(states[symbol] for symbol in symbols)):
        pairs = itertools.product(range(len(symbols)), repeat=2)
        if all(chi[i] < chi[j] for i, j in pairs if charges[i] > 0 and charges[j] < 0):
            found |= amounts @ np.array(charges) == 0
    return found


@dataclass(frozen=True)
class PlainTable:
    """Compositions in the order of formulas, with their scores.

    Attributes
    ----------
    systems : list of tuple of str
    system : array of int
        Place of each composition's system.
    amounts : list of array of int
        Its amounts.
    scores : array of int
    """

    systems: list[tuple[str, ...]]
    system: np.ndarray
    amounts: list[np.ndarray]
    scores: np.ndarray

    def formula(self, i: int) -> str:
        parts = zip(self.systems[self.system[i]], self.amounts[i], strict=True)
        return "".join(symbol + (str(n) if n > 1 else "") for symbol, n in parts)

    def ranked(self) -> np.ndarray:
        """Places, the best first; equal scores stay in the order of formulas."""
        return np.argsort(-self.scores, kind="stable")


def table_plainly(
    space: CompositionSpace,
    model: LinearCompositionModel,
    states: dict[str, tuple[int, ...]] | None = None,
) -> PlainTable:
    """Score all compositions of a space, or the neutral ones."""
    systems, system, rows, scores = [], [], [], []
    for symbols, amounts in enumerate_plainly(space):
        if states is not None:
            amounts = amounts[is_neutral_plainly(symbols, amounts, states)]
        systems.append(symbols)
        system.append(np.full(len(amounts), len(systems) - 1))
        rows.extend(amounts)
        scores.append(score_plainly(model, symbols, amounts))
    return PlainTable(systems, np.concatenate(system), rows, np.concatenate(scores))


def make_predictor(seed: int) -> Predictor:
    """Make a linear support-vector machine with the weights of `random_model`."""
    model = random_model(seed)
    n = len(COLUMNS)
    parameters = {
        "mean": [0.0] * n,
        "scale": [1.0] * n,
        "coefficients": [float(model.weights.get(column, 0.0)) for column in COLUMNS],
        "intercept": float(model.intercept),
        "slope": 1.0,
        "offset": 0.0,
        "penalty_c": 1.0,
    }
    return Predictor("linear_svm", COLUMNS, get_classifier("linear_svm").load(parameters), "")
