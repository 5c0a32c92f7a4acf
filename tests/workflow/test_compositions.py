"""Compositions are scored in shards, and what is finished stays."""

import copy
import json

import pandas as pd
import pytest

from campaigns import TINY, finished_jobs

RESULT = "results/tiny/compositions/summary.json"


@pytest.fixture
def scored(tiny):
    """The tiny campaign, with the compositions of seven elements."""
    write(tiny)
    done = tiny.snakemake("--", RESULT, config="compositions.yaml")
    assert done.returncode == 0, done.stdout
    return tiny


def write(project, **changed):
    config = copy.deepcopy(TINY)
    config["models"]["names"].append("linear_svm")
    elements = ["O", "P", "Mg", "S", "Cl", "Fe", "N"]
    section = {"enabled": True, "elements": elements, "max_amount": 4, "shards": 2, "n_top": 100}
    config["compositions"] = {**section, **changed}
    project.write_config(config, "compositions.yaml")


def test_tables_agree_with_each_other(scored):
    folder = scored.results() / "compositions"
    counts = json.loads((folder / "summary.json").read_text())
    assert counts["n_reduced"] == counts["n_neutral"] + counts["n_not_neutral"] == 9520
    assert pd.read_csv(folder / "histogram.csv")["n_all"].sum() == 9520
    top = pd.read_csv(folder / "top.csv")
    assert len(top) == 100
    assert top["is_neutral"].all()
    assert top["nearest_formula"].notna().all()


def test_after_a_kill_only_what_is_missing_runs(scored):
    (scored.results() / "compositions" / "neutral" / "1.npz").unlink()
    (scored.results() / "compositions" / "summary.json").unlink()
    done = scored.snakemake("--", RESULT, config="compositions.yaml")
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout) == {"score_compositions": 1, "merge_compositions": 1}


def test_other_oxidation_states_score_the_neutral_ones_again(scored):
    write(scored, least_share=0.0)
    done = scored.snakemake("--", RESULT, config="compositions.yaml")
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout) == {"score_compositions": 2, "merge_compositions": 1}


def test_an_element_without_data_stops_the_campaign_before_it_begins(tiny):
    write(tiny, elements=["O", "P", "Ar"])
    done = tiny.snakemake("--dry-run", config="compositions.yaml")
    assert done.returncode != 0
    assert "Ar has no known oxidation state: leave it out of the elements" in done.stdout
