"""The textbook crystals as a folder: LiCl never gets a conductivity."""

from pathlib import Path

import pandas as pd
import pytest

from campaigns import Project


def textbook(folder: Path) -> dict:
    """A campaign on a folder, with hardly any dynamics."""
    return {
        "campaign": "textbook",
        "structures": {"sources": {"textbook": {"kind": "folder", "path": str(folder)}}},
        "screening": {
            "shortlist_size": 3,
            "gates": {"elements": {"enabled": False}, "models": {"enabled": False}},
        },
        "dynamics": {
            "engine": "chgnet",
            "temperatures_k": [600, 700, 800],
            "equilibration_ps": 0.1,
            "production_ps": 0.6,
            "segment_ps": 0.3,
            "min_image_distance_ang": 5.0,
            "max_atoms": 20,
            "audit": {"enabled": False},
        },
    }


@pytest.mark.slow
def test_textbook_crystals_from_a_folder(tmp_path, shared_data):
    project = Project(tmp_path)
    folder = shared_data / "benchmark_structures"
    project.write_config(textbook(folder))
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    results = project.results("textbook")
    manifest = pd.read_csv(results / "structures" / "manifest.csv")
    curated = manifest[(manifest["source"] == "textbook") & (manifest["representative"] == 1)]
    assert len(curated) == len(list(folder.glob("*.cif")))
    table = pd.read_csv(results / "transport" / "conductivity.csv")
    assert len(table) == 5
    chloride = table[table["formula"] == "LiCl"]
    assert not chloride.empty
    assert chloride["sigma_300k_s_cm"].isna().all()
