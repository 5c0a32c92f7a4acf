"""The configuration is checked, and what is written about it is true."""

import json
from pathlib import Path

import pytest
import yaml

from ionscout.config import Campaign, load_campaign
from ionscout.config_reference import MARKER, README, SCHEMA, reference
from ionscout.errors import ConfigError

ROOT = Path(__file__).parents[2]
FOLDER = {"mine": {"kind": "folder", "path": "here"}}


def _campaign(**sections):
    return {"campaign": "test", "structures": {"sources": FOLDER}, **sections}


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("config/*.yaml")) + sorted(ROOT.glob("benchmarks/*.yaml"))
)
def test_campaigns_of_the_project_are_valid(path):
    load_campaign(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (_campaign(dynamics={"temperature_k": [300]}), "did you mean 'temperatures_k'"),
        (_campaign(dynamics={"temperatures_k": [-5]}), "dynamics.temperatures_k.0"),
        (_campaign(dynamics={"production_ps": "long"}), "not 'long'"),
        (_campaign(dynamics={"production_ps": float("nan")}), "dynamics.production_ps"),
        (
            _campaign(dynamics={"engine": "lj"}),
            "dynamics.engine: take one of auto, chgnet, gpaw, mace, sevennet, mattersim, orb,"
            " lennard-jones, external, or package.module:factory, not 'lj'",
        ),
        (_campaign(dynamics={"engine": "external"}), "give both or neither"),
        (_campaign(screening={"gates": {"hull": {"max_ev": 1}}}), "did you mean 'max_ev_atom'"),
        (_campaign(transport={"min_temperatures": 2}), "transport.min_temperatures"),
        ({"structures": {"sources": FOLDER}}, "key 'campaign' is missing"),
        ({"campaign": "a b", "structures": {"sources": FOLDER}}, "campaign"),
        (
            {"campaign": "test", "structures": {"sources": {"mine": {"kind": "foldr"}}}},
            "mine.kind: 'foldr' is not one of",
        ),
        (
            {
                "campaign": "test",
                "structures": {"sources": {"s": {"kind": "substitution", "parents": "x"}}},
            },
            "'x' is not a source",
        ),
    ],
)
def test_a_fault_is_named_in_one_line(config, message):
    with pytest.raises(ConfigError) as error:
        load_campaign(config)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_bundled_crystals_are_always_there_but_not_screened():
    assert not load_campaign(_campaign()).structures.sources["bundled"].candidates


def test_reference_of_keys_is_up_to_date():
    assert README.read_text().split(MARKER)[1].strip() == reference().strip(), "run `make schemas`"
    assert json.loads(SCHEMA.read_text()) == Campaign.model_json_schema(), "run `make schemas`"
