import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import msd
from ionscout.transport.van_hove import (
    non_gaussian_parameter,
    van_hove_distinct,
    van_hove_self,
)

INTERVAL_FS = 100.0
SHEARED = np.array([[9.0, 0.0, 0.0], [4.0, 8.5, 0.0], [-3.0, 3.5, 10.0]])


def walk(n_frames=60, n_ions=5, seed=0, step=0.4):
    rng = np.random.default_rng(seed)
    start = rng.random((n_ions, 3)) @ SHEARED
    return start + np.cumsum(rng.normal(0, step, (n_frames, n_ions, 3)), axis=0)


def shells(n_bins, width):
    edges = np.arange(n_bins + 1) * width
    return edges, 4 / 3 * np.pi * np.diff(edges**3)


@pytest.mark.parametrize("chunk_bytes", [2**25, 1])
def test_self_part_is_that_of_a_plain_histogram(monkeypatch, chunk_bytes):
    monkeypatch.setattr(msd, "CHUNK_BYTES", chunk_bytes)
    positions = walk()
    found = van_hove_self(
        positions, frame_interval_fs=INTERVAL_FS, times_ps=[0.1, 2.0], longest_ang=6, bin_ang=0.2
    )
    edges, volume = shells(30, 0.2)
    for row, lag in enumerate([1, 20]):
        lengths = np.linalg.norm(positions[lag:] - positions[:-lag], axis=2).ravel()
        counts = np.histogram(lengths, edges)[0]
        np.testing.assert_allclose(found.values[row], counts / len(lengths) / volume)
    assert found.time_ps.tolist() == [0.1, 2.0]


def test_self_part_of_a_gaussian_walk():
    positions = walk(2000, 40)
    found = van_hove_self(
        positions, frame_interval_fs=INTERVAL_FS, times_ps=[1.0], longest_ang=8, bin_ang=0.2
    )
    variance = 10 * 0.4**2
    expected = np.exp(-(found.distance_ang**2) / (2 * variance)) / (2 * np.pi * variance) ** 1.5
    shell = 4 * np.pi * found.distance_ang**2
    np.testing.assert_allclose(shell * found.values[0], shell * expected, atol=0.015)
    assert (shell * found.values[0]).sum() * 0.2 == pytest.approx(1, abs=0.01)


def test_distinct_part_is_that_of_all_images():
    positions = walk()
    found = van_hove_distinct(
        positions, SHEARED, frame_interval_fs=INTERVAL_FS, times_ps=[0, 2.0], bin_ang=0.5
    )
    n_bins = found.values.shape[1]
    edges, volume = shells(n_bins, 0.5)
    images = np.stack(np.meshgrid(*[range(-4, 5)] * 3), axis=-1).reshape(-1, 3) @ SHEARED
    for row, lag in enumerate([0, 20]):
        counts = np.zeros(n_bins)
        for origin in range(60 - lag):
            for one in range(5):
                for other in set(range(5)) - {one}:
                    step = positions[origin + lag, one] - positions[origin, other]
                    step -= np.round(step @ np.linalg.inv(SHEARED)) @ SHEARED
                    counts += np.histogram(np.linalg.norm(step + images, axis=1), edges)[0]
        norm = (60 - lag) * 5 * 4 / np.linalg.det(SHEARED)
        np.testing.assert_allclose(found.values[row], counts / norm / volume, atol=1e-12)


def test_distinct_part_of_an_ideal_gas_is_one():
    rng = np.random.default_rng(1)
    positions = rng.random((300, 30, 3)) @ SHEARED
    found = van_hove_distinct(
        positions, SHEARED, frame_interval_fs=INTERVAL_FS, times_ps=[0, 5.0], bin_ang=0.5
    )
    np.testing.assert_allclose(found.values[:, 3:], 1, atol=0.1)


def test_non_gaussian_parameter():
    positions = walk(2000, 40)
    gaussian = non_gaussian_parameter(positions, frame_interval_fs=INTERVAL_FS, times_ps=[0.1, 1])
    np.testing.assert_allclose(gaussian, 0, atol=0.05)
    # one ion in ten has moved, all by the same: 3/5 / (1/10) - 1
    jumped = np.zeros((2, 10, 3))
    jumped[1, 0, 0] = 3.0
    found = non_gaussian_parameter(jumped, frame_interval_fs=INTERVAL_FS, times_ps=[0.1])
    assert found == pytest.approx([5.0])
    frozen = non_gaussian_parameter(
        np.zeros((5, 2, 3)), frame_interval_fs=INTERVAL_FS, times_ps=[0.1]
    )
    assert np.isnan(frozen).all()


def test_bad_input_is_refused():
    settings = {"frame_interval_fs": INTERVAL_FS, "times_ps": [1.0]}
    with pytest.raises(TransportError, match="lasts 5"):
        van_hove_self(walk(), **settings | {"times_ps": [6.0]})
    with pytest.raises(TransportError, match="no bin"):
        van_hove_self(walk(), **settings, bin_ang=0.0)
    with pytest.raises(TransportError, match="least thickness"):
        van_hove_distinct(walk(), SHEARED, **settings, longest_ang=9)
    with pytest.raises(TransportError, match="one ion"):
        van_hove_distinct(walk(n_ions=1), SHEARED, **settings)
    broken = walk()
    broken[3, 2, 1] = np.nan
    for function in (van_hove_self, non_gaussian_parameter):
        with pytest.raises(TransportError, match="not finite"):
            function(broken, **settings)
    with pytest.raises(TransportError, match="not finite"):
        van_hove_distinct(broken, SHEARED, **settings)
