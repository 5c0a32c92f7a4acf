import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ionscout.errors import TransportError
from ionscout.transport.diffusivity import estimate_diffusivity
from ionscout.transport.directions import COMPONENTS, diffusion_tensor

INTERVAL_FS = 100.0


def tensor_of(positions, *, frame_interval_fs, **window):
    tracer = estimate_diffusivity(positions, frame_interval_fs=frame_interval_fs, **window)
    return diffusion_tensor(positions, tracer, frame_interval_fs=frame_interval_fs)


def walk(rng, axes_d, n_frames=1000, n_ions=24):
    """Brownian walkers with D of `axes_d` angstrom squared a picosecond, and a vibration."""
    steps = rng.normal(size=(n_frames, n_ions, 3)) * np.sqrt(2 * np.array(axes_d) * 0.1)
    return np.cumsum(steps, axis=0) + rng.normal(0, 0.2, steps.shape)


@pytest.mark.parametrize(
    "window", [{}, {"fit_start_ps": 3.0}, {"fit_start_ps": 2, "fit_end_ps": 20}]
)
def test_trace_is_the_scalar(window):
    positions = walk(np.random.default_rng(0), [0.1, 0.3, 0.5])
    scalar = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS, **window)
    found = tensor_of(positions, frame_interval_fs=INTERVAL_FS, **window)
    assert np.trace(found.tensor_cm2_s) / 3 == pytest.approx(scalar.d_cm2_s, rel=1e-9)
    assert (found.tensor_cm2_s == found.tensor_cm2_s.T).all()


def test_long_runs_on_a_coarse_grid_agree_too():
    positions = walk(np.random.default_rng(1), [0.3] * 3, n_frames=6000, n_ions=4)
    window = {"fit_start_ps": 30.0, "fit_end_ps": 300.0}
    found = tensor_of(positions, frame_interval_fs=INTERVAL_FS, **window)
    scalar = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS, **window)
    assert np.trace(found.tensor_cm2_s) / 3 == pytest.approx(scalar.d_cm2_s, rel=1e-9)


def test_turning_the_crystal_turns_the_tensor():
    positions = walk(np.random.default_rng(2), [0.05, 0.3, 0.9])
    turn = Rotation.from_rotvec([0.4, -0.9, 0.3]).as_matrix()
    window = {"frame_interval_fs": INTERVAL_FS, "fit_start_ps": 3.0, "fit_end_ps": 24.0}
    before = tensor_of(positions, **window)
    after = tensor_of(positions @ turn.T, **window)
    expected = turn @ before.tensor_cm2_s @ turn.T
    np.testing.assert_allclose(after.tensor_cm2_s, expected, atol=1e-12)
    np.testing.assert_allclose(after.principal_cm2_s, before.principal_cm2_s)
    rebuilt = after.axes.T * after.principal_cm2_s @ after.axes
    np.testing.assert_allclose(rebuilt, after.tensor_cm2_s, atol=1e-14)
    assert list(after.components_cm2_s()) == list(COMPONENTS)
    assert after.components_cm2_s()["xz"] == after.tensor_cm2_s[0, 2]


def test_values_and_their_deviations_are_true():
    rng = np.random.default_rng(3)
    truth = np.diag([0.1, 0.3, 0.5])
    found = [
        tensor_of(
            walk(rng, np.diag(truth)),
            frame_interval_fs=INTERVAL_FS,
            fit_start_ps=3.0,
            fit_end_ps=24.0,
        )
        for _ in range(100)
    ]
    tensors = 1e4 * np.array([tensor.tensor_cm2_s for tensor in found])
    sd = 1e4 * np.array([tensor.sd_cm2_s for tensor in found])
    np.testing.assert_allclose(tensors.mean(axis=0), truth, atol=0.015)
    pull = ((tensors - truth) / sd).std(axis=0)
    assert pull.min() > 0.6
    assert pull.max() < 1.25
    assert np.mean([tensor.resolved for tensor in found]) > 0.99
    axes = np.array([tensor.axes[0] for tensor in found])
    assert np.median(abs(axes[:, 2])) > 0.95


def test_isotropic_walks_seldom_look_anisotropic():
    rng = np.random.default_rng(4)
    window = {"frame_interval_fs": INTERVAL_FS, "fit_start_ps": 2.0, "fit_end_ps": 12.0}
    p = np.array(
        [tensor_of(walk(rng, [0.3] * 3, 500, 12), **window).isotropy_p for _ in range(250)]
    )
    assert (p < 0.01).mean() <= 0.02
    assert (p < 0.1).mean() <= 0.14


def test_a_layered_walk_is_anisotropic():
    positions = walk(np.random.default_rng(5), [0.4, 0.4, 0.0])
    found = tensor_of(positions, frame_interval_fs=INTERVAL_FS)
    assert found.resolved
    assert found.anisotropy > 50
    assert abs(found.axes[2, 2]) > 0.99
    assert abs(found.tensor_cm2_s[2, 2]) < 1e-6


def test_shrinking_is_refused():
    positions = np.random.default_rng(6).normal(size=(200, 4, 3))
    positions[:, :, 0] += 20 * np.sin(np.linspace(0, 2 * np.pi * 4, 200))[:, None]
    with pytest.raises(TransportError, match="not positive"):
        tensor_of(positions, frame_interval_fs=INTERVAL_FS, fit_start_ps=2.6, fit_end_ps=4.9)
