"""A campaign's settings of the compositions, and what is refused."""

from __future__ import annotations

import logging
from unittest import mock

import numpy as np
import pytest
from compositions_reference import make_predictor

from ionscout.compositions import campaign, scores
from ionscout.compositions.campaign import log_progress, make_rules, make_scoring
from ionscout.config import (
    CLASSIFIER_SETS,
    COMPOSITION_CLASSIFIERS,
    CompositionSettings,
    load_campaign,
)
from ionscout.errors import CompositionError, ConfigError, ModelError
from ionscout.features.elemental import COLUMNS
from ionscout.models.predictor import Predictor
from ionscout.models.registry import get_classifier

SMALL = CompositionSettings(elements=["S", "O", "P"], max_amount=4, n_top=7, shards=2)


def load(models=("linear_svm",), **compositions):
    sources = {"mine": {"kind": "folder", "path": "here"}}
    return load_campaign({
        "campaign": "test",
        "structures": {"sources": sources},
        "models": {"names": list(models)},
        "compositions": compositions,
    })  # fmt: skip


def test_the_classifiers_offered_are_those_linear_in_the_composition():
    def is_offered(name):
        classifier = get_classifier(name)
        reads = {column.removeprefix("elemental.") for column in classifier.reads}
        return classifier.linear is not None and reads <= set(COLUMNS)

    assert set(COMPOSITION_CLASSIFIERS) == set(filter(is_offered, CLASSIFIER_SETS))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"elements": ["O", "Xx"]}, "compositions.elements: 'Xx' in the list of elements is not"),
        ({"elements": ["O", "Li"]}, "compositions.elements: lithium is in every composition"),
        ({"elements": []}, "compositions.elements: 0 elements beside lithium"),
        ({"elements": ["O", "S", "O"]}, "compositions.elements: O is twice"),
        ({"model": "forest"}, "compositions.model: it is not linear in the composition alone"),
        ({"model": "svm"}, "compositions.model: "),
        ({"model": ["esml"]}, "compositions.model: "),
        ({"enabled": True, "model": "esml"}, "compositions.model: 'esml' is not trained"),
        ({"max_amount": 25}, "compositions.max_amount: "),
        ({"n_topp": 5}, "did you mean 'n_top'"),
    ],
)
def test_a_fault_is_named_with_its_key(section, message):
    with pytest.raises(ConfigError) as error:
        load(**section)
    assert str(error.value).startswith("config: ")
    assert message in str(error.value)


def test_a_disabled_section_needs_no_model():
    assert not load(models=["sendek2017"]).compositions.enabled


def test_by_default_there_are_twenty_billion():
    assert make_rules(CompositionSettings()).space.n_reduced > 20e9


@pytest.mark.parametrize(
    ("elements", "shards", "message"),
    [
        (["O", "Ar"], 1, "Ar has no known oxidation state"),
        (["O", "S"], 2, "1 pairs of elements cannot be split into 2 shards"),
    ],
)
def test_settings_that_cannot_be_scored(elements, shards, message):
    with pytest.raises(CompositionError, match=message):
        make_rules(CompositionSettings(elements=elements, shards=shards))


def test_an_element_without_a_property():
    properties = mock.Mock(side_effect=lambda symbol: (np.nan if symbol == "S" else 1.0,) * 7)
    with (
        mock.patch.object(scores, "elemental_properties", properties),
        pytest.raises(ModelError, match="S has no electronegativity_pauling"),
    ):
        make_rules(SMALL)


def test_all_are_kept_only_where_asked_for():
    predictor = make_predictor(0)
    asked = SMALL.model_copy(update={"also_all": True})
    assert make_scoring(predictor, SMALL, "all").n_top == 0
    assert make_scoring(predictor, asked, "all").n_top == 7
    assert make_scoring(predictor, asked, "all").rules is None
    assert make_scoring(predictor, SMALL, "neutral").n_top == 7
    assert make_scoring(predictor, SMALL, "neutral").rules is not None


def test_what_decides_neutrality_does_not_change_the_scoring_of_all():
    predictor = make_predictor(0)
    other = SMALL.model_copy(update={"least_share": 0.0})
    for scope, is_same in (("all", True), ("neutral", False)):
        one, two = (make_scoring(predictor, s, scope).fingerprint for s in (SMALL, other))
        assert (one == two) == is_same


def test_a_model_that_could_not_be_trained():
    predictor = Predictor("linear_svm", COLUMNS, None, "no labels")
    with pytest.raises(ModelError, match=r"could not be trained \(no labels\)"):
        make_scoring(predictor, SMALL, "all")


def test_progress_is_written_now_and_then(caplog):
    clock = mock.Mock(side_effect=[0.0, 1.0, 11.0, 12.0, 25.0])
    caplog.set_level(logging.INFO, logger="ionscout")
    with mock.patch.object(campaign.time, "monotonic", clock):
        report = log_progress(logging.getLogger("ionscout"))
        for share in (0.05, 0.5, 0.6, 1.0):
            report(share)
    assert caplog.messages == [
        "50 % scored, about 11 s left",
        "100 % scored, about 0 s left",
    ]
