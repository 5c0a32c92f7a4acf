from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ionscout.transport import (
    anions_wander,
    estimate_diffusivity,
    find_jumps,
    has_melted,
    judge,
    jump_bound_cm2_s,
)

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


def planted(rng, n_jumps, length=3.0, n_ions=24, n_frames=5000):
    """Rattling, and one jump of each of the first ions."""
    positions = rattle(rng, n_ions, n_frames=n_frames)
    for ion, frame in enumerate(np.linspace(0, n_frames, n_jumps + 2)[1:-1].astype(int)):
        positions[frame:, ion, ion % 3] += length
    return positions


def verdict_of(positions, *, credible_level=0.95, **kwargs):
    found = estimate_diffusivity(
        positions, frame_interval_fs=INTERVAL_FS, credible_level=credible_level
    )
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
    assert "cm2/s (95 %)" in found.reason


@pytest.mark.parametrize(
    ("n_jumps", "verdict"), [(2, "non-diffusive"), (3, "unresolved"), (13, "unresolved")]
)
def test_jumps_that_lead_on_are_not_stillness(n_jumps, verdict):
    found = verdict_of(planted(np.random.default_rng(7), n_jumps, length=2.2, n_ions=48))
    assert found.upper_bound_cm2_s < 3e-6
    assert found.verdict == verdict


def test_the_bound_keeps_its_confidence():
    still = rattle(np.random.default_rng(8), 24, 0.25)
    bounds = [
        verdict_of(still, credible_level=level, jump_length_ang=0.1).upper_bound_cm2_s
        for level in (0.5, 0.95)
    ]
    assert bounds[0] == bounds[1] > jump_bound_cm2_s(0, 24, 20.0, 0.1)


def test_the_bound_takes_the_longer_of_the_jumps_seen_and_expected():
    still = rattle(np.random.default_rng(8), 24, 0.25)
    found = estimate_diffusivity(still, frame_interval_fs=INTERVAL_FS)
    jumps = replace(find_jumps(still, frame_interval_fs=INTERVAL_FS), length_ang=6.0)
    for expected, longest in ((3.0, 6.0), (7.0, 7.0)):
        bound = judge(found, jumps, production_ps=20.0, jump_length_ang=expected).upper_bound_cm2_s
        assert bound == pytest.approx(jump_bound_cm2_s(0, 24, 20.0, longest))


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
    assert jumps.length_ang == pytest.approx(2.8, abs=0.3)
    assert still.length_ang == 0
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


CELL = 12 * np.eye(3)
CENTRES = 6.0 * np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3)
CORNERS = 2.05 / np.sqrt(3) * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
TETRAHEDRA = np.array((["P"] + ["S"] * 4) * 8)


def tetrahedra(rotations):
    """Eight PS4, turned by rotations of shape (n_frames, 8, 3, 3)."""
    corners = np.einsum("tpab,cb->tpca", rotations, CORNERS)
    centre = np.zeros_like(corners[:, :, :1])
    return (np.concatenate([centre, corners], axis=2) + CENTRES[:, None]).reshape(-1, 40, 3)


def turning(rng, degrees_a_frame):
    """Rotational diffusion."""
    steps = rng.normal(0, np.radians(degrees_a_frame), (N_FRAMES - 1, 8, 3))
    now = Rotation.identity(8)
    turns = [now.as_matrix()]
    for step in steps:
        now = Rotation.from_rotvec(step) * now
        turns.append(now.as_matrix())
    return np.array(turns)


def swapping(rng):
    """Turns of 120 degrees about a bond, each of which maps corners onto corners."""
    now, turns = Rotation.identity(8), []
    for _ in range(10):
        turns += [now.as_matrix()] * (N_FRAMES // 10)
        axes = CORNERS[rng.integers(4, size=8)] / 2.05
        now = now * Rotation.from_rotvec(np.radians(120) * axes)
    return np.array(turns)


@pytest.mark.parametrize("degrees_a_frame", [1.0, 3.0, 10.0])
def test_polyanions_that_turn_have_not_left(degrees_a_frame):
    rng = np.random.default_rng(5)
    for rotations in (turning(rng, degrees_a_frame), swapping(rng)):
        positions = tetrahedra(rotations) + rattle(rng, 40, 0.15)
        displaced = find_jumps(positions, frame_interval_fs=INTERVAL_FS).displaced
        assert displaced.mean() > 0.3
        assert not anions_wander(positions, TETRAHEDRA, CELL, frame_interval_fs=INTERVAL_FS)


def test_centres_that_shift_while_corners_wander_have_not_melted():
    rng = np.random.default_rng(8)
    positions = tetrahedra(np.broadcast_to(np.eye(3), (N_FRAMES, 8, 3, 3)))
    positions = positions + rattle(rng, 40, 0.15)
    corners = TETRAHEDRA == "S"
    positions[:, corners] += np.cumsum(rng.normal(0, 0.08, (N_FRAMES, 32, 3)), axis=0)
    shifted = np.flatnonzero(~corners)[:3]
    positions[-100:, shifted] += 1.8 * np.eye(3)
    displaced = find_jumps(positions, frame_interval_fs=INTERVAL_FS).displaced
    assert displaced[~corners].mean() > 0.3
    assert not has_melted(positions, TETRAHEDRA, frame_interval_fs=INTERVAL_FS)
    assert anions_wander(positions, TETRAHEDRA, CELL, frame_interval_fs=INTERVAL_FS)
    positions[:, ~corners] += np.cumsum(rng.normal(0, 0.08, (N_FRAMES, 8, 3)), axis=0)
    assert has_melted(positions, TETRAHEDRA, frame_interval_fs=INTERVAL_FS)


def test_anions_that_flow_are_seen_beside_a_cation_at_rest():
    rng = np.random.default_rng(6)
    rest = np.array([[3.0, 3.0, 3.0], [3.0, 3.0, 9.0]]) + rattle(rng, 2, 0.15)
    flow = np.cumsum(rng.normal(0, 0.08, (N_FRAMES, 8, 3)), axis=0)
    whole = tetrahedra(np.broadcast_to(np.eye(3), (N_FRAMES, 8, 3, 3)))
    whole += np.repeat(flow, 5, axis=1) + rattle(rng, 40, 0.15)
    single = CENTRES + flow
    for anions, names in ((whole, TETRAHEDRA), (single, np.array(["Cl"] * 8))):
        positions = np.concatenate([anions, rest], axis=1)
        species = np.concatenate([names, ["La"] * 2])
        assert not has_melted(positions, species, frame_interval_fs=INTERVAL_FS)
        assert anions_wander(positions, species, CELL, frame_interval_fs=INTERVAL_FS)
        hot = positions[:1] + rattle(rng, len(species), 0.4)
        assert not anions_wander(hot, species, CELL, frame_interval_fs=INTERVAL_FS)


def test_corners_wrapped_to_the_other_side_belong_to_their_centre():
    rng = np.random.default_rng(10)
    corners = tetrahedra(turning(rng, 3.0)) + rng.integers(-1, 2, (40, 3)) @ CELL
    flow = CENTRES + 3.0 + np.cumsum(rng.normal(0, 0.08, (N_FRAMES, 8, 3)), axis=0)
    positions = np.concatenate([corners, flow], axis=1)
    species = np.concatenate([TETRAHEDRA, ["Cl"] * 8])
    assert not anions_wander(positions, species, CELL, frame_interval_fs=INTERVAL_FS)


@pytest.mark.parametrize("n_frames", [30, 31, 37, 45, 60, 100])
@pytest.mark.parametrize("frame_interval_fs", [1.0, 2.0, 20.0, 100.0])
def test_short_runs_are_unresolved_whatever_their_frames(n_frames, frame_interval_fs):
    walk = np.random.default_rng(3).normal(size=(n_frames, 5, 3)).cumsum(axis=0) * 0.1
    diffusivity = estimate_diffusivity(walk, frame_interval_fs=frame_interval_fs)
    jumps = find_jumps(walk, frame_interval_fs=frame_interval_fs)
    assert judge(diffusivity, jumps, production_ps=1.0).verdict == "unresolved"
