"""Runs that were ended at random moments equal those that were not, byte for byte."""

import pytest
from kills import kill_and_compare

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("engine", "n_kills"), [("lennard-jones", 20), ("chgnet", 4)])
def test_runs_ended_at_random_moments_equal_the_unbroken_ones(engine, n_kills, tmp_path):
    line = kill_and_compare(engine, n_kills, tmp_path)
    assert f"ended {n_kills} times" in line
    assert line.endswith("segments, equal, 0 segments written twice")
