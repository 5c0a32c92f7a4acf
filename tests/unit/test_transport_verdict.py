import numpy as np
import pytest

from ionscout.transport import estimate_diffusivity, find_jumps, has_melted, judge, jump_bound_cm2_s

INTERVAL_FS = 20.0
N_FRAMES = 1000


def rattle(rng, n_ions, amplitude=0.35, n_frames=N_FRAMES):
    """Vibration with a memory of five frames."""
    noise = rng.normal(0, amplitude * np.sqrt(1 - 0.8**2), (n_frames, n_ions, 3))
    noise[0] /= np.sqrt(1 - 0.8**2)
    for frame in range(1, n_frames):
        noise[frame] += 0.8 * noise[frame - 1]
    return noise


def hop(rng, n_ions, rate_ps, length, n_frames=N_FRAMES):
    """Jumps along the axes of a cubic lattice."""
    now = rng.random((n_frames, n_ions)) < rate_ps * INTERVAL_FS / 1000
    steps = length * np.vstack([np.eye(3), -np.eye(3)])[rng.integers(6, size=(n_frames, n_ions))]
    return np.cumsum(now[..., None] * steps, axis=0)


def double_well(rng, n_ions, rate_ps, length):
    flips = rng.random((N_FRAMES, n_ions)) < rate_ps * INTERVAL_FS / 1000
    return ((np.cumsum(flips, axis=0) % 2) * length)[..., None] * np.array([1.0, 0, 0])


def verdict_of(positions, **kwargs):
    found = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS)
    jumps = find_jumps(positions, frame_interval_fs=INTERVAL_FS)
    production_ps = len(positions) * INTERVAL_FS / 1000
    return judge(found, jumps, production_ps=production_ps, **kwargs)


def test_walkers_are_diffusive():
    rng = np.random.default_rng(0)
    found = verdict_of(hop(rng, 24, 0.3, 3.0) + rattle(rng, 24))
    assert found.verdict == "diffusive"
    assert found.upper_bound_cm2_s is None
    assert "jumps of 24 ions" in found.reason


@pytest.mark.parametrize("seed", range(5))
def test_rattling_is_not_diffusive_and_bounded(seed):
    found = verdict_of(rattle(np.random.default_rng(seed), 24))
    assert found.verdict == "non-diffusive"
    assert 1e-7 < found.upper_bound_cm2_s < 3e-6


@pytest.mark.parametrize("rate_ps", [0.05, 0.2, 1.0])
def test_back_and_forth_is_never_diffusive(rate_ps):
    rng = np.random.default_rng(1)
    for _ in range(5):
        positions = double_well(rng, 24, rate_ps, 2.5) + rattle(rng, 24)
        assert verdict_of(positions).verdict != "diffusive"


def test_a_short_run_is_unresolved_whatever_it_shows():
    rng = np.random.default_rng(2)
    moving = verdict_of(hop(rng, 24, 3.0, 3.0, n_frames=120))
    still = verdict_of(rattle(rng, 24, n_frames=120))
    assert moving.verdict == still.verdict == "unresolved"
    assert "too short" in moving.reason


def test_jumps_are_counted_and_rattling_is_not():
    rng = np.random.default_rng(3)
    still = find_jumps(rattle(rng, 24), frame_interval_fs=INTERVAL_FS)
    assert still.n_jumps.sum() == 0
    path = np.zeros((600, 2, 3))
    path[200:, 0, 0] = 2.8
    path[400:, 0, 1] = 2.8
    path[150:300, 1, 2] = 2.8
    jumps = find_jumps(path + rattle(rng, 2, 0.2, 600), frame_interval_fs=INTERVAL_FS)
    assert jumps.n_jumps.tolist() == [2, 2]
    assert jumps.n_sites.tolist() == [3, 2]
    assert jumps.n_returns.tolist() == [0, 1]
    assert jumps.displaced.tolist() == [True, False]
    assert (jumps.n_escapes, jumps.n_travellers) == (2, 1)


def test_bound_of_no_jumps_is_the_rule_of_three():
    expected = 2.9957 * 9 / (6 * 24 * 20) * 1e-4
    assert jump_bound_cm2_s(0, 24, 20.0) == pytest.approx(expected, rel=1e-4)
    assert jump_bound_cm2_s(3, 24, 20.0) > 2 * expected


def test_flowing_framework_has_melted_and_hot_one_has_not():
    rng = np.random.default_rng(4)
    species = np.array(["Cl"] * 12 + ["P"] * 12)
    hot = rattle(rng, 24, 0.4)
    flow = np.cumsum(rng.normal(0, 0.12, (N_FRAMES, 24, 3)), axis=0)
    assert has_melted(flow, species, frame_interval_fs=INTERVAL_FS)
    assert not has_melted(hot, species, frame_interval_fs=INTERVAL_FS)
    half = np.concatenate([flow[:, :12], hot[:, 12:]], axis=1)
    assert not has_melted(half, species, frame_interval_fs=INTERVAL_FS)
