"""The bound on the error of float32 positions, which the exactness of histograms rests on."""

from __future__ import annotations

import numpy as np
import pytest
from compositions_reference import ALL, MEANS, random_model

from ionscout.compositions import CompositionSpace, LinearCompositionModel, _sweep, default_elements
from ionscout.compositions.scores import choose_bins, prepare_systems, tabulate
from ionscout.compositions.space import list_coprime

SPACE = CompositionSpace(default_elements())


def errors_and_margins(model: LinearCompositionModel, seed: int, n_bins: int):
    """Compute largest errors of positions in some systems, and the bounds on them."""
    rng = np.random.default_rng(seed)
    scores = tabulate(model, SPACE)
    bins = choose_bins(scores, SPACE, n_bins)
    systems = SPACE.systems(SPACE.pairs)[1]
    systems = systems[rng.choice(len(systems), 30, replace=False)]
    parts = prepare_systems(scores, systems)
    terms, signs, margins = _sweep.prepare_positions(parts, bins)
    amounts = rng.choice(list_coprime(24, 4), _sweep.BLOCK, replace=False)
    products = np.empty((_sweep.N_PRODUCTS, _sweep.BLOCK), dtype=np.float32)
    position = np.empty(_sweep.BLOCK, dtype=np.float32)
    _sweep._multiply(amounts, products)
    errors = []
    for s in range(len(systems)):
        _sweep._locate(products, terms[s], signs, position)
        arrays = parts.mean_units, parts.squares, parts.weights
        exact = np.array([_sweep.score_exactly(n, s, arrays) for n in amounts])
        exact = (exact - bins.lowest_units) / bins.width_units
        assert exact.min() >= 0
        assert exact.max() < n_bins
        errors.append(np.abs(position - exact).max())
    return np.array(errors), margins


@pytest.mark.parametrize("n_bins", [10, 1000])
@pytest.mark.parametrize("statistics", [MEANS, ALL])
@pytest.mark.parametrize("seed", range(3))
def test_errors_are_within_their_bounds(seed, statistics, n_bins):
    errors, margins = errors_and_margins(random_model(seed, statistics), seed, n_bins)
    assert np.all(errors < margins)


def test_errors_of_large_weights_that_cancel():
    model = random_model(0)
    weights = {column: 150 * weight for column, weight in model.weights.items()}
    for p in ("electronegativity_pauling", "group"):
        weights[f"{p}_deviation"] = -3 * weights[f"{p}_mean"]
    errors, margins = errors_and_margins(LinearCompositionModel(weights, 2e3), 1, 1000)
    assert np.all(errors < margins)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n_bins", [1000, 100_000])
def test_errors_of_deviations_alone(sign, n_bins):
    drawn = random_model(1, ("deviation",)).weights
    weights = {column: sign * 100 * abs(weight) for column, weight in drawn.items()}
    errors, margins = errors_and_margins(LinearCompositionModel(weights, 0.0), 2, n_bins)
    assert np.all(errors < margins)


@pytest.mark.parametrize("factor", [1e-13, 1e-11, 1e-9])
def test_errors_of_scores_of_few_units(factor):
    weights = {column: factor * weight for column, weight in random_model(0).weights.items()}
    errors, margins = errors_and_margins(LinearCompositionModel(weights, 0.0), 3, 1000)
    assert np.all(errors < margins)


def test_bounds_are_not_idle():
    errors, margins = errors_and_margins(random_model(0), 0, 1000)
    assert errors.max() > 0.02 * margins.max()
