"""Models that can score compositions, and those that cannot."""

from __future__ import annotations

import numpy as np
import pytest
from compositions_reference import random_model

from ionscout.compositions import CompositionSpace, LinearCompositionModel, OxidationRules, Scoring
from ionscout.compositions.scores import UNIT, choose_bins, tabulate
from ionscout.errors import CompositionError, ModelError
from ionscout.features.elemental import COLUMNS
from ionscout.models.registry import get_classifier

SPACE = CompositionSpace(("O", "S", "P"), 6)


def test_classifiers_of_the_composition_are_taken():
    classifier = get_classifier("linear_svm")
    model = LinearCompositionModel.from_linear_form("x", classifier.reads, np.ones(29), 0.5)
    assert set(model.weights) == set(COLUMNS)
    reads = get_classifier("esml").reads
    assert LinearCompositionModel.from_linear_form("x", reads, np.ones(29), 0.5) == model


def test_a_model_that_is_not_linear():
    with pytest.raises(ModelError, match="forest is not linear"):
        LinearCompositionModel.from_classifier("forest", get_classifier("forest"), None)


def test_a_model_that_reads_the_structure():
    columns = get_classifier("sendek2017").reads
    with pytest.raises(ModelError, match="which a composition alone does not have"):
        LinearCompositionModel.from_linear_form("x", columns, np.ones(len(columns)), 0.0)


def test_a_column_without_weight_is_not_read():
    model = LinearCompositionModel.from_linear_form("x", ("group_mean", "volume"), [1.0, 0.0], 0.0)
    assert model.weights == {"group_mean": 1.0}


def test_a_weight_that_is_not_finite():
    with pytest.raises(ModelError, match="not finite"):
        LinearCompositionModel.from_linear_form("x", ("group_mean",), [np.nan], 0.0)


def test_weights_that_are_too_large():
    for weights in ({"atomic_mass_u_mean": 1e6}, {"group_mean": 400.0, "group_deviation": 400.0}):
        with pytest.raises(ModelError, match="stronger penalty"):
            tabulate(LinearCompositionModel(weights, 0.0), SPACE)
    tabulate(LinearCompositionModel({"group_mean": 600.0}, 0.0), SPACE)


def test_an_element_without_data_is_named():
    with pytest.raises(ModelError, match="He has no electronegativity_pauling"):
        Scoring(random_model(0), CompositionSpace(("O", "He")))
    without = LinearCompositionModel({"group_mean": 1.0}, 0.0)
    assert Scoring(without, CompositionSpace(("O", "He"), 3)).score_shard(0).n_scored == 25


def test_an_element_without_oxidation_states_is_named():
    with pytest.raises(CompositionError, match="Ar has no known oxidation state"):
        OxidationRules(CompositionSpace(("O", "Ar")))


def test_known_states_are_those_of_smact():
    rules = OxidationRules(CompositionSpace(("Fe", "N", "O")), least_share=0.0)
    states = dict(zip(rules.space.symbols, rules.states, strict=True))
    assert states["Fe"] == (1, 2, 3, 4, 5, 6)
    assert states["N"] == (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)
    assert states["O"] == (-2, -1)


def test_states_need_more_than_five_entries():
    rules = OxidationRules(CompositionSpace(("Co", "Dy")), least_share=0.0)
    assert rules.states[1:] == ((-1, 1, 2, 3, 4), (2, 3, 4))


def test_states_need_their_share_of_all_entries():
    rules = OxidationRules(CompositionSpace(("Be", "K")), least_share=1.0)
    assert rules.states == ((1,), (2,), (1,))
    shares = OxidationRules(CompositionSpace(("Cu", "Fe")), least_share=0.45)
    assert shares.states[1:] == ((2,), (3,))


def test_a_share_that_no_state_has_is_named():
    with pytest.raises(CompositionError, match="Fe has no oxidation state with 70 % of its ICSD"):
        OxidationRules(CompositionSpace(("O", "Fe")), least_share=0.7)


@pytest.mark.parametrize("weight", [-1.0, 1.0])
def test_bins_hold_the_largest_deviation(weight):
    model = LinearCompositionModel({"group_deviation": weight}, 0.0)
    found = Scoring(model, CompositionSpace(("O", "S"), 24), n_bins=100).score_shard(0)
    widest = weight * (16 - 1) / 2
    assert np.abs(found.top_log_odds - widest).min() < 1e-9
    edges = found.bins.edges_log_odds
    assert edges[0] <= widest < edges[-1]
    assert found.histogram[0 if weight < 0 else -1] > 0


def test_bins_hold_what_cannot_be_higher():
    space, model = SPACE, random_model(1)
    bins = choose_bins(tabulate(model, space), space, 10)
    assert len(bins.edges_log_odds) == 11
    assert np.diff(bins.edges_log_odds) == pytest.approx(bins.width_units * UNIT)
