import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import msd
from ionscout.transport.density import Density, find_sites, occupation_density

SHEARED = np.array([[7.0, 0.0, 0.0], [3.0, 6.5, 0.0], [-2.0, 2.5, 8.0]])


def rattle(rng, fractional, n_frames, width=0.25):
    return np.array(fractional) @ SHEARED + rng.normal(0, width, (n_frames, len(fractional), 3))


@pytest.mark.parametrize("chunk_bytes", [2**25, 1])
def test_counts_are_those_of_a_plain_histogram(monkeypatch, chunk_bytes):
    monkeypatch.setattr(msd, "CHUNK_BYTES", chunk_bytes)
    positions = np.random.default_rng(0).normal(0, 30, (200, 6, 3))
    found = occupation_density(positions, SHEARED, spacing_ang=0.7)
    shape = found.ions_per_ang3.shape
    assert shape == (10, 11, 13)
    folded = (positions @ np.linalg.inv(SHEARED)).reshape(-1, 3) % 1
    expected = np.histogramdd(folded, shape, [(0, 1)] * 3)[0]
    np.testing.assert_allclose(found.ions_per_ang3 * found.voxel_ang3 * 200, expected, atol=1e-9)
    assert found.n_ions == pytest.approx(6)


def test_the_edge_of_the_cell_is_inside():
    positions = np.array([[[-1e-18, 0.0, 0.0], [7.0, 0.0, 0.0]]])
    assert occupation_density(positions, SHEARED).n_ions == pytest.approx(2)


@pytest.mark.parametrize("smoothing_ang", [0.3, 0.6])
def test_smoothing_is_a_periodic_gaussian(smoothing_ang):
    centre = np.array([0.05, 0.5, 0.95])
    found = occupation_density(
        (centre @ SHEARED)[None, None], SHEARED, spacing_ang=0.2, smoothing_ang=smoothing_ang
    )
    shape = np.array(found.ions_per_ang3.shape)
    at = (np.floor(centre * shape) + 0.5) / shape
    grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"), axis=-1)
    expected = 0.0
    for image in np.stack(np.meshgrid(*[range(-2, 3)] * 3), axis=-1).reshape(-1, 3):
        squared = (((grid - at + image) @ SHEARED) ** 2).sum(axis=-1)
        expected = expected + np.exp(-squared / (2 * smoothing_ang**2))
    expected /= (2 * np.pi * smoothing_ang**2) ** 1.5
    np.testing.assert_allclose(found.ions_per_ang3, expected, atol=2e-3 * expected.max())
    assert found.n_ions == pytest.approx(1, rel=1e-3)


def test_sites_and_their_occupancies():
    rng = np.random.default_rng(1)
    sites = np.array([[0.02, 0.02, 0.98], [0.5, 0.5, 0.5], [0.5, 0.05, 0.3]])
    positions = rattle(rng, sites, 2000)
    # the third ion spends a quarter of the time on a fourth site
    fourth = np.array([0.1, 0.5, 0.6])
    positions[:500, 2] += (fourth - sites[2]) @ SHEARED
    density = occupation_density(positions, SHEARED, smoothing_ang=0.3)
    found = find_sites(density)
    np.testing.assert_allclose(found.occupancy, [1, 1, 0.75, 0.25], atol=0.03)
    for site, occupancy in zip([*sites, fourth], [1, 1, 0.75, 0.25], strict=True):
        apart = found.fractional - site
        apart = np.linalg.norm((apart - np.round(apart)) @ SHEARED, axis=1)
        assert apart.min() < 0.3
        assert found.occupancy[apart.argmin()] == pytest.approx(occupancy, abs=0.03)


def test_basins_are_those_of_a_walk_uphill():
    values = np.random.default_rng(2).random((6, 5, 7))
    density = Density(values, np.diag([6.0, 5.0, 7.0]))
    basin = {}
    for start in np.ndindex(values.shape):
        here = start
        while True:
            around = [
                (((np.array(here) + step) % values.shape), np.linalg.norm(step))
                for step in np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
                if step.any()
            ]
            slopes = [(values[tuple(there)] - values[here]) / length for there, length in around]
            if max(slopes) <= 0:
                break
            here = tuple(int(i) for i in around[int(np.argmax(slopes))][0])
        basin[here] = basin.get(here, 0) + values[start]
    found = find_sites(density, least_occupancy=0)
    np.testing.assert_allclose(found.occupancy, sorted(basin.values(), reverse=True))
    assert found.occupancy.sum() == pytest.approx(density.n_ions)


@pytest.mark.parametrize(
    ("cell", "settings", "message"),
    [
        (SHEARED, {"spacing_ang": 0}, "positive"),
        (SHEARED, {"smoothing_ang": -1}, "negative"),
        (SHEARED, {"spacing_ang": 0.005}, "too large"),
        (np.ones((3, 3)), {}, "span"),
    ],
)
def test_bad_settings_are_refused(cell, settings, message):
    with pytest.raises(TransportError, match=message):
        occupation_density(np.zeros((4, 2, 3)), cell, **settings)


def test_positions_that_are_not_finite_are_refused():
    positions = np.zeros((4, 2, 3))
    positions[2, 1, 0] = np.inf
    with pytest.raises(TransportError, match="not finite"):
        occupation_density(positions, SHEARED)
