"""GPAW as the engine of a campaign, through the whole chain."""

import pandas as pd
import pytest
import yaml

from campaigns import ROOT, Project


@pytest.mark.slow
def test_gpaw_reaches_the_conductivity_table_with_an_honest_verdict(tmp_path):
    config = yaml.safe_load((ROOT / "config" / "gpaw.yaml").read_text())
    config["screening"]["negative_control"]["temperatures_k"] = [800]
    config["dynamics"] |= {"equilibration_ps": 0.004, "production_ps": 0.02, "segment_ps": 0.02}
    config["dynamics"]["relax"]["max_steps"] = 2
    # the way is tested here, not the numbers
    config["dynamics"]["gpaw"] = {"cutoff_ev": 300, "kpoint_density_ang": 0}
    project = Project(tmp_path)
    project.write_config(config)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    table = pd.read_csv(project.results("gpaw") / "transport" / "conductivity.csv")
    assert list(table["engine"]) == ["gpaw", "gpaw"]
    assert list(table["verdict"]) == ["unresolved", "unresolved"]
    assert table["sigma_300k_s_cm"].isna().all()
    assert table["reason"].str.contains("frames: a diffusivity needs 30").all()
