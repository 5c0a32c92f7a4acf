from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport import msd
from ionscout.transport.diffusivity import estimate_diffusivity
from ionscout.transport.jumps import find_jumps, jump_statistics

INTERVAL_FS = 50.0


def walk(rng, n_frames=2000, n_ions=6, rate_ps=0.2, length=3.0):
    """Jumps along the axes of a lattice, and a rattle."""
    steps = np.zeros((n_frames, n_ions, 3))
    for frame, ion in zip(
        *np.nonzero(rng.random((n_frames, n_ions)) < rate_ps * INTERVAL_FS / 1000), strict=True
    ):
        steps[frame, ion, rng.integers(3)] = rng.choice([-length, length])
    return np.cumsum(steps, axis=0) + rng.normal(0, 0.1, steps.shape)


def plain_loop(positions, width, site_distance):
    """Jumps, sites, returns and squared lengths, an ion at a time."""
    n_blocks = len(positions) // width
    blocks = positions[: n_blocks * width].reshape(n_blocks, width, -1, 3).mean(axis=1)
    found = []
    for means in blocks.transpose(1, 0, 2):
        site, visited, lengths, returns = means[0], [means[0]], [], 0
        for now, after in pairwise(means[1:]):
            if min(np.linalg.norm(now - site), np.linalg.norm(after - site)) <= site_distance:
                continue
            lengths.append(np.linalg.norm(after - site))
            site = after
            if min(np.linalg.norm(np.array(visited) - after, axis=1)) <= site_distance:
                returns += 1
            else:
                visited.append(after)
        moved = np.linalg.norm(site - visited[0]) > site_distance
        found.append((len(lengths), len(visited), returns, moved, lengths))
    return found


@pytest.mark.parametrize("chunk_bytes", [2**25, 2**17])
def test_jumps_are_those_of_a_plain_loop(monkeypatch, chunk_bytes):
    monkeypatch.setattr(msd, "CHUNK_BYTES", chunk_bytes)
    positions = walk(np.random.default_rng(0), rate_ps=0.5)
    expected = plain_loop(positions, 4, 1.5)
    found = find_jumps(positions, frame_interval_fs=INTERVAL_FS)
    columns = (found.n_jumps, found.n_sites, found.n_returns, found.displaced)
    for column, values in zip(columns, list(zip(*expected, strict=True))[:4], strict=True):
        assert column.tolist() == list(values)
    lengths = np.concatenate([ion[4] for ion in expected])
    assert found.length_ang == pytest.approx(np.sqrt((lengths**2).mean()))
    assert found.mean_length_ang == pytest.approx(lengths.mean())


def test_input_is_left_as_it_was():
    positions = walk(np.random.default_rng(1))
    before = positions.copy()
    find_jumps(positions, frame_interval_fs=INTERVAL_FS)
    np.testing.assert_array_equal(positions, before)


def test_short_runs_and_bad_shapes():
    assert find_jumps(np.zeros((2, 3, 3)), frame_interval_fs=1.0).n_sites.tolist() == [1, 1, 1]
    with pytest.raises(TransportError, match="shape"):
        find_jumps(np.zeros((5, 3)), frame_interval_fs=1.0)


def test_statistics_of_a_lattice_walk():
    rng = np.random.default_rng(2)
    positions = walk(rng, n_frames=4000, n_ions=40, rate_ps=0.05)
    found = find_jumps(positions, frame_interval_fs=INTERVAL_FS)
    diffusivity = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS)
    rates = jump_statistics(found, diffusivity)
    assert rates.rate_low_per_ion_ps < 0.05 < rates.rate_high_per_ion_ps
    assert rates.rate_high_per_ion_ps / rates.rate_low_per_ion_ps < 1.4
    assert rates.residence_low_ps < 20 < rates.residence_high_ps
    assert rates.residence_ps == pytest.approx(1 / rates.rate_per_ion_ps)
    assert rates.rms_length_ang == pytest.approx(3, abs=0.1)
    assert rates.mean_length_ang <= rates.rms_length_ang
    assert rates.correlation_factor_low < 1 < rates.correlation_factor_high
    assert 0.7 < rates.correlation_factor < 1.3
    assert 0 < rates.returns_share_low < rates.returns_share < rates.returns_share_high < 1


def test_a_double_well_is_all_returns_and_has_no_factor():
    side = np.arange(2000) // 100 % 2
    positions = np.zeros((2000, 3, 3))
    positions[:, :, 0] = 2.5 * side[:, None]
    rates = jump_statistics(find_jumps(positions, frame_interval_fs=INTERVAL_FS))
    assert rates.returns_share == pytest.approx(18 / 19)
    assert np.isnan(rates.correlation_factor)


def test_rate_interval_covers():
    rng = np.random.default_rng(3)
    blank = find_jumps(np.zeros((1000, 5, 3)), frame_interval_fs=INTERVAL_FS)
    held = 0
    for n in rng.poisson(6, 500):
        counts = np.array([n, 0, 0, 0, 0])
        rates = jump_statistics(replace(blank, n_jumps=counts))
        held += rates.rate_low_per_ion_ps <= 6 / 250 <= rates.rate_high_per_ion_ps
    assert 0.94 <= held / 500 <= 0.995


def test_nothing_seen_is_a_bound():
    blank = find_jumps(np.zeros((1000, 5, 3)), frame_interval_fs=INTERVAL_FS)
    rates = jump_statistics(blank)
    assert (rates.rate_per_ion_ps, rates.rate_low_per_ion_ps) == (0, 0)
    assert rates.rate_high_per_ion_ps == pytest.approx(-np.log(0.025) / 250)
    assert rates.residence_ps == np.inf
    assert rates.residence_low_ps == pytest.approx(250 / stats.chi2.ppf(0.975, 2) * 2)
    with pytest.raises(TransportError, match="credible_level"):
        jump_statistics(blank, credible_level=95)


@pytest.mark.parametrize("interval", [0, -20, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(interval):
    with pytest.raises(TransportError, match="frame_interval_fs"):
        find_jumps(np.zeros((50, 2, 3)), frame_interval_fs=interval)
