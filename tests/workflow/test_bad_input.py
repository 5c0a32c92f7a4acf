"""Bad input: one clear line each, and the rest goes on."""

import pandas as pd
import pytest

from campaigns import Project

POSCAR = """{name}
1.0
5.13 0 0
0 5.13 0
0 0 5.13
{symbol} Cl
4 4
direct
0 0 0
0 0.5 0.5
0.5 0 0.5
0.5 0.5 0
0.5 0.5 0.5
0.5 0 0
0 0.5 0
0 0 0.5
"""


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def _folder_campaign(path: str) -> dict:
    sources = {"mine": {"kind": "folder", "path": path}}
    return {"campaign": "bad", "structures": {"sources": sources}}


def test_a_typo_is_named_with_the_nearest_key(project):
    project.write_config({"campaign": "bad", "structures": {"sources": {}}, "dynamcs": {}})
    done = project.snakemake("--dry-run")
    assert done.returncode != 0
    assert "unknown key 'dynamcs'; did you mean 'dynamics'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_bad_files_are_named_and_the_rest_goes_on(project):
    folder = project.folder / "mine"
    folder.mkdir()
    (folder / "good.vasp").write_text(POSCAR.format(name="LiCl", symbol="Li"))
    (folder / "no_lithium.vasp").write_text(POSCAR.format(name="NaCl", symbol="Na"))
    (folder / "not_a_cif.cif").write_text("hello\n")
    (folder / "empty.cif").write_text("")
    project.write_config(_folder_campaign("mine"))
    done = project.snakemake("results/bad/structures/manifest.csv")
    assert done.returncode == 0, done.stdout
    manifest = pd.read_csv(project.results("bad") / "structures" / "manifest.csv")
    failures = pd.read_csv(project.results("bad") / "structures" / "failures.csv")
    assert "mine-good" in set(manifest["material_id"])
    reasons = failures.set_index("material_id")["reason"]
    assert set(reasons.index) == {"mine-no_lithium", "mine-not_a_cif", "mine-empty"}
    assert "lithium" in reasons["mine-no_lithium"]
    for name in ("not_a_cif.cif", "empty.cif", "no_lithium.vasp"):
        assert name in reasons[f"mine-{name.split('.')[0]}"]
    assert not reasons.str.contains("\n").any()
    for reason in reasons:
        assert reason in done.stdout


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_folder_is_named_and_the_rest_goes_on(project, exists):
    if exists:
        (project.folder / "mine").mkdir()
    project.write_config(_folder_campaign("mine"))
    done = project.snakemake("results/bad/structures/manifest.csv")
    assert done.returncode == 0, done.stdout
    failures = pd.read_csv(project.results("bad") / "structures" / "failures.csv")
    assert list(failures["source"]) == ["mine"]
    assert "mine" in failures["reason"][0]
