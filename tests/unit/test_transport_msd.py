import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import msd
from ionscout.transport.msd import mean_squared_displacement, msd_with_error, remove_drift


def walk(n_frames=300, n_atoms=5, seed=0):
    rng = np.random.default_rng(seed)
    return 30 + np.cumsum(rng.normal(0, 0.3, (n_frames, n_atoms, 3)), axis=0)


def brute_force(positions):
    curves = np.zeros(positions.shape[:2])
    for lag in range(1, len(positions)):
        step = positions[lag:] - positions[:-lag]
        curves[lag] = (step**2).sum(axis=2).mean(axis=0)
    return curves


@pytest.mark.parametrize("n_frames", [2, 3, 64, 301])
def test_fft_equals_brute_force(n_frames):
    positions = walk(n_frames)
    expected = brute_force(positions)
    np.testing.assert_allclose(
        mean_squared_displacement(positions, per_atom=True), expected, atol=1e-10
    )
    np.testing.assert_allclose(
        mean_squared_displacement(positions), expected.mean(axis=1), atol=1e-10
    )


def test_max_lag_cuts_without_changing():
    positions = walk()
    short = mean_squared_displacement(positions, max_lag=40)
    assert short.shape == (41,)
    np.testing.assert_allclose(short, mean_squared_displacement(positions)[:41], atol=1e-10)


def test_chunks_do_not_change_the_result(monkeypatch):
    positions = walk(n_atoms=7)
    whole = mean_squared_displacement(positions, per_atom=True)
    monkeypatch.setattr(msd, "CHUNK_BYTES", 300 * 3 * 8 * 8 * 2)
    assert len(msd.atom_chunks(positions)) == 4
    np.testing.assert_allclose(
        mean_squared_displacement(positions, per_atom=True), whole, atol=1e-12
    )


def test_error_is_the_scatter_between_atoms():
    positions = walk(n_atoms=9)
    curves = brute_force(positions)
    mean, error = msd_with_error(positions)
    np.testing.assert_allclose(mean, curves.mean(axis=1), atol=1e-10)
    np.testing.assert_allclose(error, curves.std(axis=1, ddof=1) / 3, atol=1e-6)
    assert np.isnan(msd_with_error(positions[:, :1])[1]).all()


def test_drift_is_the_frameworks_mass_weighted_one():
    masses = np.array([7.0, 16.0, 32.0])
    framework = np.array([False, True, True])
    still = np.random.default_rng(1).normal(size=(50, 3, 3))
    still[:, 2] = still[0, 2] - (still[:, 1] - still[0, 1]) * 16 / 32
    drift = np.linspace(0, 9, 50)[:, None, None] * np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(remove_drift(still + drift, masses, framework), still, atol=1e-12)


def test_without_framework_the_whole_is_the_reference():
    positions = walk(20, 2)
    centred = remove_drift(positions, [7.0, 7.0], [False, False]).mean(axis=1)
    np.testing.assert_allclose(centred - centred[0], 0, atol=1e-12)


@pytest.mark.parametrize("shape", [(10, 3), (1, 4, 3), (10, 0, 3), (10, 4, 2)])
def test_bad_shapes_are_refused(shape):
    with pytest.raises(TransportError):
        mean_squared_displacement(np.zeros(shape))


def test_bad_lag_is_refused():
    with pytest.raises(TransportError, match="max_lag 300"):
        mean_squared_displacement(walk(), max_lag=300)
