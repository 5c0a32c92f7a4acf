"""The whole chain: what it writes, and when it runs again."""

import copy
import os
import time
from collections import Counter

import pandas as pd
import pytest

from campaigns import TINY, finished_jobs
from ionscout.transport.conclusion import CONDUCTIVITY_COLUMNS


def test_conductivity_has_its_columns_controls_and_reasons(tiny):
    table = pd.read_csv(tiny.results() / "transport" / "conductivity.csv")
    assert tuple(table.columns) == CONDUCTIVITY_COLUMNS
    assert {"bundled-li3n", "bundled-licl"} <= set(table["material_id"])
    assert len(table) == 3
    assert table["sigma_300k_s_cm"].isna().all(), "two temperatures cannot be extrapolated"
    assert table["reason"].str.contains("plumbing").all()


def test_report_is_one_self_contained_page(tiny):
    page = (tiny.results() / "report" / "index.html").read_text()
    assert "demonstration" in page
    assert "<script src" not in page
    assert 'rel="stylesheet"' not in page
    assert "bundled-licl" in page


def test_every_rule_leaves_a_log_and_a_benchmark(tiny):
    rules = {path.stem for path in (tiny.folder / "workflow" / "scripts").glob("*.py")}
    on_request = {
        "pull_entries",
        "score_split",
        "score_compositions",
        "merge_compositions",
        "analyse_trajectories",
    }
    for kind in ("logs", "benchmarks"):
        found = {path.name.split(".")[0] for path in (tiny.results() / kind).iterdir()}
        assert found - on_request == rules - on_request


def test_nothing_runs_when_nothing_changed(tiny):
    assert tiny.planned_jobs() == Counter()


def test_one_job_can_be_asked_for_alone(tiny):
    cell = "results/tiny/dynamics/bundled-licl/cell.json"
    done = tiny.snakemake("--dry-run", "--forcerun", "prepare_cell", "--", cell)
    assert done.returncode == 0, done.stdout


def test_nothing_runs_after_touching_every_file(tiny):
    later = time.time() + 5
    for path in tiny.files:
        os.utime(path, (later, later))
    assert tiny.planned_jobs() == Counter()


def test_a_cosmetic_edit_of_a_script_runs_nothing(tiny):
    script = tiny.folder / "workflow" / "scripts" / "train_model.py"
    text = script.read_text()
    script.write_text(text + "\n# a remark\n")
    try:
        assert tiny.planned_jobs() == Counter()
    finally:
        script.write_text(text)


def _with(path: tuple[str, ...], value) -> dict:
    """The tiny campaign with one key changed."""
    config = copy.deepcopy(TINY)
    section = config
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = value
    return config


ASSESSED = {
    "assess_stability": 1,
    "screen_materials": 1,
    "describe_candidates": 1,
    "select_shortlist": 1,
}
SHORTLISTING = {"predict_energies": 1, **ASSESSED}
MODELS = {"train_model": 2, "compare_models": 1}
ENRICHED = {"enrich_clusters": 1, "compare_clusterings": 1}
CLUSTERS = {"cluster_materials": 1, **ENRICHED}
EXPLAINED = {"explain_predictions": 1}
PAGE = {"extrapolate_conductivity": 1, "write_report": 1}


@pytest.mark.parametrize(
    ("path", "value", "jobs"),
    [
        (("models", "ridge_penalty"), 2.0, {**MODELS, **SHORTLISTING, **EXPLAINED, **PAGE}),
        (
            ("models", "fast_threshold_s_cm"),
            2e-4,
            {**MODELS, "train_regressor": 1, **ENRICHED, **SHORTLISTING, **EXPLAINED, **PAGE},
        ),
        (("clusters", "n_clusters"), 5, {**CLUSTERS, "select_shortlist": 1, **EXPLAINED, **PAGE}),
        (("clusters", "promising"), {"max_p_value": 0.01}, {**ENRICHED, "write_report": 1}),
        (("clusters", "n_neighbours"), 20, {"write_report": 1}),
        (("clusters", "criterion"), "gap", {"write_report": 1}),
        (
            ("dynamics", "production_ps"),
            0.6,
            {"run_dynamics": 8, "audit_forces": 3, "estimate_diffusivity": 3, **PAGE},
        ),
        (
            ("dynamics", "replicas"),
            2,
            {"run_dynamics": 8, "audit_forces": 3, "estimate_diffusivity": 3, **PAGE},
        ),
        (
            ("screening", "stability"),
            {"max_predicted": 1, "cathodes": ["LiFePO4"]},
            {**ASSESSED, **EXPLAINED, **PAGE},
        ),
        (("transport", "credible_level"), 0.9, {"estimate_diffusivity": 3, **PAGE}),
    ],
)
def test_a_changed_setting_plans_what_depends_on_it(tiny, path, value, jobs):
    tiny.write_config(_with(path, value), "changed.yaml")
    assert tiny.planned_jobs("changed.yaml") == jobs


def test_an_added_material_runs_its_shard_and_the_tables_but_no_dynamics(tiny):
    sources = ("structures", "sources", "substitution", "max_candidates")
    tiny.write_config(_with(sources, 6), "changed.yaml")
    done = tiny.snakemake(config="changed.yaml")
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout) == {
        "pull_structures": 1,
        "curate_structures": 1,
        "describe_structures": 4,
        "gather_features": 4,
        "join_labels": 1,
        "train_regressor": 1,
        **MODELS,
        **CLUSTERS,
        **SHORTLISTING,
        **EXPLAINED,
        "write_report": 1,
    }


def test_an_added_temperature_runs_at_that_temperature_alone(tiny):
    tiny.write_config(_with(("dynamics", "temperatures_k"), [500, 550, 600]), "changed.yaml")
    done = tiny.snakemake(config="changed.yaml")
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout)["run_dynamics"] == 1
    assert "prepare_cell" not in finished_jobs(done.stdout)


def test_a_second_wave_reads_the_first_and_may_run_nothing(tiny):
    wave = {"temperatures_k": [550, 650], "replicas": 1, "least_diffusive": 1}
    tiny.write_config(_with(("dynamics", "second_wave"), wave), "changed.yaml")
    done = tiny.snakemake(config="changed.yaml")
    assert done.returncode == 0, done.stdout
    assert finished_jobs(done.stdout)["run_dynamics"] == 6
    assert "prepare_cell" not in finished_jobs(done.stdout)
    rows = pd.read_csv(tiny.results() / "transport" / "bundled-licl" / "diffusivity.csv")
    later = rows[rows["temperature_k"].isin([550, 650])]
    assert later["verdict"].tolist() == ["not_run"] * 2
    assert later["reason"].str.contains("second wave: ").all()
    assert tiny.planned_jobs("changed.yaml") == Counter()
    anyway = _with(("dynamics", "second_wave"), wave | {"least_diffusive": 0})
    tiny.write_config(anyway, "changed.yaml")
    assert tiny.planned_jobs("changed.yaml")["run_dynamics"] == 6


def test_no_job_runs_by_a_shortlist_that_is_to_be_made_anew(tiny):
    changed = _with(("dynamics", "second_wave"), {"temperatures_k": [550], "least_diffusive": 0})
    changed["dynamics"]["defects"] = {"lithium_vacancies": 1}
    tiny.write_config(changed, "changed.yaml")
    done = tiny.snakemake(config="changed.yaml")
    assert done.returncode == 0, done.stdout
    rows = pd.read_csv(tiny.results() / "transport" / "bundled-licl" / "diffusivity.csv")
    assert 550 in set(rows["temperature_k"])
    assert tiny.planned_jobs("changed.yaml") == Counter()
