import tracemalloc

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


def test_every_lag_is_right_to_the_last_digits():
    positions = walk(20_000, 1)
    lags = np.array([1, 2, 7, 31, 300, 10_000, 19_700, 19_969, 19_990, 19_999])
    expected = [((positions[lag:] - positions[:-lag]) ** 2).sum() / (20_000 - lag) for lag in lags]
    np.testing.assert_allclose(mean_squared_displacement(positions)[lags], expected, rtol=1e-12)


def test_directions_add_up_and_are_those_of_brute_force():
    positions = walk(200, 4) * [1.0, 2.0, 0.0]
    curves = mean_squared_displacement(positions, per_direction=True)
    assert curves.shape == (200, 3)
    for axis in range(3):
        alone = np.zeros_like(positions)
        alone[:, :, axis] = positions[:, :, axis]
        np.testing.assert_allclose(curves[:, axis], brute_force(alone).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(curves.sum(axis=1), mean_squared_displacement(positions), rtol=1e-12)
    each = mean_squared_displacement(positions, per_atom=True, per_direction=True, max_lag=9)
    assert each.shape == (10, 4, 3)
    np.testing.assert_allclose(each.mean(axis=1), curves[:10], rtol=1e-12)


@pytest.mark.parametrize("atoms", [[True, False, True, False, True], [0, 2, 4]])
def test_one_species_alone(atoms):
    positions = walk()
    expected = brute_force(positions[:, ::2])
    np.testing.assert_allclose(
        mean_squared_displacement(positions, atoms=atoms), expected.mean(axis=1), rtol=1e-11
    )
    error = msd_with_error(positions, atoms=atoms)[1]
    np.testing.assert_allclose(error, expected.std(axis=1, ddof=1) / np.sqrt(3), rtol=1e-9)


@pytest.mark.parametrize(
    ("atoms", "message"),
    [([False] * 5, "no atoms"), ([True] * 4, "one each"), ([5], "5 to 5"), ([-1], "count from 0")],
)
def test_bad_choices_are_refused(atoms, message):
    with pytest.raises(TransportError, match=message):
        mean_squared_displacement(walk(), atoms=atoms)


def on_disk(tmp_path, positions, order):
    shape = np.transpose(positions, order).shape
    stored = np.memmap(tmp_path / "x", dtype=np.float32, mode="w+", shape=shape)
    stored[:] = np.transpose(positions, order)
    return stored.transpose(np.argsort(order))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)])
def test_memory_maps_are_read_in_pieces(tmp_path, monkeypatch, order):
    positions = on_disk(tmp_path, walk(4000, 100), order)
    expected = mean_squared_displacement(np.array(positions, dtype=float), max_lag=100)
    monkeypatch.setattr(msd, "CHUNK_BYTES", positions.nbytes // 8)
    monkeypatch.setattr(msd, "READ_BYTES", positions.nbytes // 4)
    still = np.memmap(tmp_path / "y", dtype=np.float32, mode="w+", shape=positions.shape)
    tracemalloc.start()
    found = mean_squared_displacement(positions, max_lag=100)
    remove_drift(positions, np.ones(100), np.arange(100) > 50, out=still)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    in_memory = remove_drift(positions, np.ones(100), np.arange(100) > 50)
    np.testing.assert_allclose(still, in_memory, atol=1e-4)
    assert peak < positions.nbytes


def test_max_lag_cuts_without_changing():
    positions = walk()
    short = mean_squared_displacement(positions, max_lag=40)
    assert short.shape == (41,)
    np.testing.assert_allclose(short, mean_squared_displacement(positions)[:41], atol=1e-10)


def test_chunks_do_not_change_the_result(monkeypatch):
    positions = walk(n_atoms=7)
    whole = mean_squared_displacement(positions, per_atom=True)
    mean, error = msd_with_error(positions)
    monkeypatch.setattr(msd, "CHUNK_BYTES", 300 * 3 * 8 * 8 * 2)
    assert len(list(msd.atom_pieces(positions))) == 4
    np.testing.assert_allclose(msd_with_error(positions), (mean, error), atol=1e-12)
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


def test_drift_is_removed_in_place_and_of_some_atoms():
    positions = walk(50, 6)
    masses, framework = np.arange(1.0, 7.0), np.arange(6) > 3
    still = remove_drift(positions, masses, framework)
    some = remove_drift(positions, masses, framework, atoms=~framework)
    np.testing.assert_array_equal(some, still[:, :4])
    assert remove_drift(positions, masses, framework, out=positions) is positions
    np.testing.assert_array_equal(positions, still)


@pytest.mark.parametrize(("masses", "n_out"), [([1.0], 5), (np.ones(5), 4)])
def test_drift_of_other_shapes_is_refused(masses, n_out):
    with pytest.raises(TransportError, match="shape"):
        remove_drift(walk(20), masses, np.ones(5, dtype=bool), out=np.empty((20, n_out, 3)))


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
