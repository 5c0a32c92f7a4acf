from dataclasses import replace

import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport import is_settled, judge_run, rest_frame


def make(d_ang2_ps, n_frames, seed=0, framework=8):
    rng = np.random.default_rng(seed)
    ions = np.cumsum(rng.normal(0, np.sqrt(2 * d_ang2_ps * 0.05), (n_frames, 24, 3)), axis=0)
    everything = np.concatenate([ions, np.zeros((n_frames, framework, 3))], axis=1)
    return Trajectory(
        positions_ang=everything + rng.normal(0, 0.15, everything.shape),
        species=["Li"] * 24 + ["Cl"] * framework,
        cell_ang=np.eye(3) * 12.0,
        frame_interval_fs=50.0,
        temperature_k=800.0,
    )


def test_settled_once_it_was_diffusive_for_a_third():
    run = rest_frame(make(0.25, 1200))
    assert judge_run(run).verdict.verdict == "diffusive"
    assert is_settled(run)
    just = next(n for n in range(100, 1200, 20) if _verdict(run.first(n)) == "diffusive")
    assert not is_settled(run.first(just))


def _verdict(run):
    return judge_run(run).verdict.verdict


def test_rattling_settles_once_its_bound_is_low():
    run = rest_frame(make(0.0, 1200))
    assert _verdict(run) == "non-diffusive"
    assert is_settled(run)
    assert _verdict(run.first(110)) == "unresolved"
    assert not is_settled(run.first(110))


@pytest.mark.parametrize("n_frames", [2, 10])
def test_a_few_frames_are_not_settled(n_frames):
    assert not is_settled(rest_frame(make(0.25, n_frames)))


def test_framework_rests():
    moving = make(0.25, 200)
    drifting = moving.positions_ang + np.linspace(0, 50, 200)[:, None, None]
    still, carried = rest_frame(moving), rest_frame(replace(moving, positions_ang=drifting))
    np.testing.assert_allclose(carried.ions_ang, still.ions_ang, atol=1e-9)
    assert carried.duration_ps == pytest.approx(10.0)
    assert carried.lithium_density_cm3 == pytest.approx(24 / 1728 * 1e24)


def test_lithium_alone_is_measured_against_itself():
    run = rest_frame(make(0.25, 200, framework=0))
    np.testing.assert_allclose(
        run.ions_ang.mean(axis=1), run.ions_ang[0].mean(axis=0)[None].repeat(200, 0), atol=1e-9
    )
    assert run.framework_ang.shape == (200, 0, 3)
    judge_run(run)


def test_what_cannot_be_measured_is_refused():
    lone = Trajectory(np.zeros((50, 1, 3)), ["Li"], np.eye(3), 50.0, 300.0)
    with pytest.raises(TransportError, match="one atom alone"):
        rest_frame(lone)
    with pytest.raises(TransportError, match="no Li, but Cl, Na"):
        rest_frame(Trajectory(np.zeros((50, 2, 3)), ["Na", "Cl"], np.eye(3), 50.0, 300.0))
