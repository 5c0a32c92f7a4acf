import itertools

import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import periodic
from ionscout.transport.periodic import Unwrapper, minimum_image, unwrap

SHEARED = np.array([[3.0, 0.0, 0.0], [7.4, 4.0, 0.0], [-11.3, 9.1, 25.0]])
SHEET = np.array([[2.9, 0, 0], [1.4, 2.6, 0], [17.0, 13.0, 30.0]])


def brute_force(steps, cell, reach=8):
    shifts = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3))) @ cell
    fractional = steps @ np.linalg.inv(cell)
    start = (fractional - np.round(fractional)) @ cell
    images = start[:, None] + shifts
    best = np.linalg.norm(images, axis=2).argmin(axis=1)
    return images[np.arange(len(steps)), best]


@pytest.mark.parametrize("cell", [np.diag([4.0, 5.0, 6.0]), SHEARED, SHEET, SHEARED[::-1] * -1])
def test_minimum_image_is_the_shortest_of_all(cell):
    steps = np.random.default_rng(0).normal(0, 12, (300, 3))
    found = minimum_image(steps, cell)
    expected = brute_force(steps, cell)
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=1), np.linalg.norm(expected, axis=1), atol=1e-9
    )
    shifts = (found - steps) @ np.linalg.inv(cell)
    np.testing.assert_allclose(shifts, shifts.round(), atol=1e-9)


def test_rounding_in_the_given_cell_would_be_wrong():
    steps = np.random.default_rng(0).normal(0, 12, (300, 3))
    fractional = steps @ np.linalg.inv(SHEARED)
    rounded = (fractional - fractional.round()) @ SHEARED
    shorter = np.linalg.norm(minimum_image(steps, SHEARED), axis=1)
    assert (shorter < np.linalg.norm(rounded, axis=1) - 0.1).mean() > 0.3


def test_minimum_image_keeps_shape_and_refuses_a_flat_cell():
    assert minimum_image(np.zeros((2, 4, 3)), np.eye(3)).shape == (2, 4, 3)
    with pytest.raises(TransportError, match="no volume"):
        minimum_image(np.zeros(3), np.diag([1.0, 1.0, 0.0]))


def wandering(n_frames=400, cell=SHEARED, size_ang=0.25, n_atoms=6):
    rng = np.random.default_rng(3)
    steps = rng.uniform(-1, 1, (n_frames, n_atoms, 3)) * size_ang
    return np.cumsum(steps, axis=0) @ np.linalg.inv(cell)


@pytest.mark.parametrize("cell", [SHEARED, SHEET, np.diag([3.0, 4.0, 5.0])])
def test_unwrap_gives_the_walk_back(cell):
    path = wandering(cell=cell)
    found = unwrap(path % 1, cell)
    np.testing.assert_allclose(found - found[0], (path - path[0]) @ cell, atol=1e-9)
    assert np.ptp(path, axis=0).max() > 0.6


def test_blocks_do_not_change_the_path():
    path = wandering()
    cells = np.repeat(SHEARED[None], len(path), axis=0)
    whole, rms = Unwrapper(6).add(path % 1, cells)
    stream = Unwrapper(6)
    parts = [stream.add(path[at : at + 37] % 1, cells[at : at + 37]) for at in range(0, 400, 37)]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), rms)
    expected = np.sqrt(((np.diff(path @ SHEARED, axis=0)) ** 2).sum(axis=2).mean(axis=1))
    np.testing.assert_allclose(rms[1:], expected, atol=1e-9)


def test_a_caged_ion_stays_caged_in_a_changing_cell():
    rng = np.random.default_rng(0)
    cells = SHEARED * (1 + 0.03 * rng.normal(size=(500, 1, 1)))
    cage = np.broadcast_to([[0.02, 0.98, 0.5], [40.3, -30.0, 12.0]], (500, 2, 3))
    found = unwrap((cage + rng.normal(0, 1e-3, cage.shape)) % 1, cells)
    assert np.linalg.norm(found.std(axis=0), axis=1).max() < 0.05


def test_positions_are_in_the_mean_cell():
    cells = np.diag([8.0, 9.0, 10.0]) * np.linspace(0.95, 1.07, 30)[:, None, None]
    path = wandering(30, cells[0])
    found = unwrap(path % 1, cells)
    expected = (path - path[0]) @ (np.diag([8.0, 9.0, 10.0]) * 1.01)
    np.testing.assert_allclose(found - found[0], expected, atol=1e-9)


def test_a_walk_at_constant_pressure_keeps_its_diffusivity():
    """The squared displacement is that of the summed Cartesian steps within a percent."""
    rng = np.random.default_rng(1)
    cells = np.diag([8.0, 9.0, 10.0]) * (1 + 0.01 * rng.normal(size=(4000, 1, 1)))
    steps = rng.normal(0, 0.2, (4000, 50, 3))
    path = np.cumsum(steps @ np.linalg.inv(cells), axis=0)
    found = unwrap(path % 1, cells)
    ratio = ((found[-1] - found[0]) ** 2).sum() / (steps[1:].sum(axis=0) ** 2).sum()
    assert ratio == pytest.approx(1, abs=0.01)


def test_steps_near_half_of_a_vector_are_refused_by_name():
    path = np.zeros((5, 3, 3))
    path[3:, 1, 0] = 1.4 / 3.0
    with pytest.raises(TransportError, match=r"frame 4, atom 2: a step of 1\.40 A.*1\.50 A"):
        unwrap(path, np.diag([3.0, 9.0, 9.0]))
    path[3:, 1, 0] = 1.3 / 3.0
    assert unwrap(path, np.diag([3.0, 9.0, 9.0]))[-1, 1, 0] == pytest.approx(1.3)


def test_trusted_steps_are_taken_as_they_are():
    path = np.zeros((3, 1, 3))
    path[1:, 0, 2] = 1.7
    cells = np.repeat(np.eye(3)[None] * 4, 3, axis=0)
    found, _ = Unwrapper(1).add(path, cells, trusted=True)
    np.testing.assert_allclose(found, path)


def test_separations_of_all_pairs_come_in_pieces(monkeypatch):
    points = np.random.default_rng(1).random((11, 3)) * 8
    cell = np.array([[9.0, 0, 0], [4, 8, 0], [-3, 3, 7]])
    monkeypatch.setattr(periodic, "PAIR_BYTES", 24 * 11 * 4)
    pieces = list(periodic.separations(points, cell))
    assert [(rows.start, rows.stop) for rows, _, _ in pieces] == [(0, 4), (4, 8), (8, 11)]
    apart = np.concatenate([piece for _, piece, _ in pieces])
    np.testing.assert_allclose(apart, periodic.minimum_image(points[None] - points[:, None], cell))
    distance = np.concatenate([piece for _, _, piece in pieces])
    assert np.isinf(np.diag(distance)).all()
