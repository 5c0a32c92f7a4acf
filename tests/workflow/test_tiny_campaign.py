"""The whole chain: what it writes, and when it runs again."""

import copy
import os
import time
from collections import Counter

import pandas as pd
import pytest

from campaigns import TINY

CONDUCTIVITY = [
    "material_id",
    "formula",
    "engine",
    "verdict",
    "activation_energy_ev",
    "activation_energy_low_ev",
    "activation_energy_high_ev",
    "sigma_300k_s_cm",
    "sigma_300k_low_s_cm",
    "sigma_300k_high_s_cm",
    "audit_force_mae_ev_ang",
    "reason",
]


def test_conductivity_has_its_columns_controls_and_reasons(tiny):
    table = pd.read_csv(tiny.results() / "transport" / "conductivity.csv")
    assert list(table.columns) == CONDUCTIVITY
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
    for kind in ("logs", "benchmarks"):
        assert {path.name.split(".")[0] for path in (tiny.results() / kind).iterdir()} == rules


def test_nothing_runs_when_nothing_changed(tiny):
    assert tiny.planned_jobs() == Counter()


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


@pytest.mark.parametrize(
    ("path", "value", "jobs"),
    [
        (
            ("models", "ridge_penalty"),
            2.0,
            {"train_model": 2, "screen_materials": 1, "select_shortlist": 1},
        ),
        (("dynamics", "temperatures_k"), [500, 600, 700], {"select_shortlist": 1}),
        (
            ("dynamics", "production_ps"),
            0.6,
            {
                "run_dynamics": 8,
                "audit_forces": 3,
                "estimate_diffusivity": 3,
                "extrapolate_conductivity": 1,
                "write_report": 1,
            },
        ),
    ],
)
def test_a_changed_setting_runs_what_depends_on_it(tiny, path, value, jobs):
    tiny.write_config(_with(path, value), "changed.yaml")
    planned = tiny.planned_jobs("changed.yaml")
    report_only = {"write_report": 1}
    assert {**report_only, **planned} == {**report_only, **jobs, **_downstream(planned)}


def _downstream(planned: Counter) -> dict:
    """Jobs behind the shortlist, which a plan cannot resolve before it has run."""
    unresolved = ("extrapolate_conductivity", "cluster_materials", "prepare_cell")
    return {rule: planned[rule] for rule in unresolved if rule in planned}
