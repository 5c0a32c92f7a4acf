"""What runs again in a campaign of 2,000 materials: the exact jobs, change by change."""

import copy
import itertools
from collections import Counter

import pytest
from pymatgen.core import Element, Lattice, Structure

from campaigns import TINY, Project, finished_jobs
from ionscout.stages import STAGE_VERSIONS

pytestmark = pytest.mark.slow

N_MATERIALS = 2000
N_SHARDS = 8
ANIONS = {"O": 0.0, "S": 0.9, "Se": 1.1, "Te": 1.5, "F": -0.1, "Cl": 0.8, "Br": 1.0, "I": 1.4}
CATIONS = [el.symbol for el in map(Element.from_Z, range(11, 84)) if el.is_metal]
SCALES = (1.0, 1.02, 1.04, 1.06, 1.08)
TABLES = {
    "pull_structures": 1,
    "curate_structures": 1,
    "join_labels": 1,
    "train_model": 2,
    "compare_models": 1,
    "train_regressor": 1,
    "enrich_clusters": 1,
    "compare_clusterings": 1,
    "predict_energies": 1,
    "assess_stability": 1,
    "screen_materials": 1,
    "describe_candidates": 1,
    "select_shortlist": 1,
    "explain_predictions": 1,
    "write_report": 1,
}
ONE_SHARD = {"describe_structures": 4, "gather_features": 4, "cluster_materials": 1}


def layered(cation: str, anion: str, scale: float) -> Structure:
    """LiMX2 as alpha-NaFeO2: made up; those that differ in scale alone are duplicates."""
    a_ang = (2.85 + 0.9 * ANIONS[anion]) * scale
    z = 0.24 + 0.2 * (scale - 1)
    return Structure.from_spacegroup(
        "R-3m:H", Lattice.hexagonal(a_ang, 4.9 * a_ang), ["Li", cation, anion],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, z]],
    )  # fmt: skip


def crystals():
    names = itertools.islice(itertools.product(SCALES, CATIONS, ANIONS), N_MATERIALS + 1)
    for scale, cation, anion in names:
        yield f"Li{cation}{anion}2-{round(100 * scale)}", layered(cation, anion, scale)


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Project:
    """A finished campaign of 2,000 materials, and one more crystal that is not in it."""
    project = Project(tmp_path_factory.mktemp("large"))
    for folder in ("crystals", "spare"):
        (project.folder / folder).mkdir()
    for number, (name, structure) in enumerate(crystals()):
        folder = "crystals" if number < N_MATERIALS else "spare"
        structure.to(str(project.folder / folder / f"{name}.cif"), fmt="cif")
    (project.folder / "labels.csv").write_text("file,sigma_s_cm\nLiAlO2-100.cif,1e-9\n")
    project.write_config(config())
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project


def config(**changes) -> dict:
    campaign = copy.deepcopy(TINY)
    campaign["structures"] = {
        "sources": {"mine": {"kind": "folder", "path": "crystals", "labels": "labels.csv"}},
        "shards": N_SHARDS,
    }
    for section, keys in changes.items():
        campaign.setdefault(section, {}).update(keys)
    return campaign


def run(project: Project) -> Counter:
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    assert project.planned_jobs() == Counter()
    return finished_jobs(done.stdout)


def test_nothing_changed(large):
    assert large.planned_jobs() == Counter()


def test_a_material_is_added_then_changed_then_removed(large):
    spare = next((large.folder / "spare").iterdir())
    added = large.folder / "crystals" / spare.name
    added.write_text(spare.read_text())
    assert run(large) == {**TABLES, **ONE_SHARD}
    moved = Structure.from_file(added)
    moved.scale_lattice(moved.volume * 1.01)
    moved.to(str(added), fmt="cif")
    assert run(large) == {**TABLES, **ONE_SHARD}
    added.unlink()
    assert run(large) == {**TABLES, **ONE_SHARD}


def test_a_label_changes(large):
    (large.folder / "labels.csv").write_text("file,sigma_s_cm\nLiAlO2-100.cif,1e-8\n")
    assert run(large) == TABLES


def test_a_refresh_that_brings_nothing_new_runs_the_pulls_alone(large):
    done = large.snakemake("--until", "pull_structures", "--forcerun", "pull_structures")
    assert finished_jobs(done.stdout) == {"pull_structures": 2}
    assert large.planned_jobs() == Counter()


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        (
            {"models": {"ridge_penalty": 2.0}},
            {
                "train_model": 2,
                "compare_models": 1,
                "predict_energies": 1,
                "assess_stability": 1,
                "screen_materials": 1,
                "describe_candidates": 1,
                "select_shortlist": 1,
                "explain_predictions": 1,
                "extrapolate_conductivity": 1,
                "write_report": 1,
            },
        ),
        (
            {"features": {"mxrd": {"smearing_deg": 0.3}}},
            {
                "describe_structures": N_SHARDS,
                "gather_features": 1,
                "cluster_materials": 1,
                "enrich_clusters": 1,
                "compare_clusterings": 1,
                "select_shortlist": 1,
                "explain_predictions": 1,
                "extrapolate_conductivity": 1,
                "write_report": 1,
            },
        ),
    ],
)
def test_a_setting_changes(large, changes, jobs):
    large.write_config(config(**changes), "changed.yaml")
    assert large.planned_jobs("changed.yaml") == jobs


def test_a_temperature_is_added(large):
    large.write_config(config(dynamics={"temperatures_k": [500, 550, 600]}), "changed.yaml")
    planned = large.planned_jobs("changed.yaml")
    assert planned["describe_structures"] == planned["train_model"] == 0
    assert planned["select_shortlist"] == 1


def test_a_script_is_edited_cosmetically(large):
    script = large.folder / "workflow" / "scripts" / "curate_structures.py"
    text = script.read_text()
    script.write_text(text + "\n# a remark\n")
    assert large.planned_jobs() == Counter()
    script.write_text(text)


def test_the_version_of_a_stage_is_raised(large):
    stages = large.folder / "workflow" / "ionscout" / "stages.py"
    text = stages.read_text()
    version = STAGE_VERSIONS["transport"]
    raised = text.replace(f'"transport": {version}', f'"transport": {version + 1}')
    stages.write_text(raised)
    assert large.planned_jobs() == {
        "estimate_diffusivity": 3,
        "extrapolate_conductivity": 1,
        "write_report": 1,
    }
    stages.write_text(text)
