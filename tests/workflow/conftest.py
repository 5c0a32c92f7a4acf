"""The campaign that most workflow tests look at, run once."""

import pytest

from campaigns import TINY, Project


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Project:
    """A finished tiny campaign."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.write_config(TINY)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project
