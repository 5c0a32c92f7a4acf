import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport.collective import (
    collective_diffusivity,
    haven_ratio,
    summed_displacement,
)
from ionscout.transport.diffusivity import estimate_diffusivity
from ionscout.transport.msd import remove_drift

INTERVAL_FS = 100.0
D = 0.25


def collective_of(positions, *, frame_interval_fs, **window):
    tracer = estimate_diffusivity(positions, frame_interval_fs=frame_interval_fs, **window)
    return collective_diffusivity(positions, tracer, frame_interval_fs=frame_interval_fs)


def walk(seed, group=1, n_ions=24, n_frames=4000):
    """Groups of ions that move as one with D of 0.25 angstrom^2 / ps, and a vibration."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, np.sqrt(2 * D * 0.1), (n_frames, n_ions // group, 3))
    return np.cumsum(steps, axis=0).repeat(group, axis=1) + rng.normal(
        0, 0.2, (n_frames, n_ions, 3)
    )


@pytest.mark.parametrize("group", [1, 2])
def test_groups_carry_more_and_haven_says_so(group):
    ratios = []
    for seed in range(8):
        positions = walk(seed, group)
        window = {"frame_interval_fs": INTERVAL_FS, "fit_start_ps": 6.0}
        tracer = estimate_diffusivity(positions, **window)
        found = collective_of(positions, **window)
        assert (found.fit_start_ps, found.fit_end_ps) == (tracer.fit_start_ps, tracer.fit_end_ps)
        assert found.resolved
        ratio = haven_ratio(tracer, found)
        assert ratio.low < ratio.ratio < ratio.high
        assert ratio.ratio == pytest.approx(tracer.d_cm2_s / found.d_cm2_s)
        ratios.append(ratio.ratio)
    assert np.median(ratios) == pytest.approx(1 / group, rel=0.2)


def test_sum_is_that_of_a_plain_loop():
    positions = walk(0, n_ions=3, n_frames=50)
    expected = sum(positions[:, ion] - positions[0, ion] for ion in range(3)) / np.sqrt(3)
    np.testing.assert_allclose(summed_displacement(positions), expected, atol=1e-12)


def test_the_interval_widens_with_the_level():
    positions = walk(1, n_frames=1000)
    wide, narrow = (
        collective_of(
            positions, frame_interval_fs=INTERVAL_FS, fit_start_ps=5, credible_level=level
        )
        for level in (0.95, 0.5)
    )
    assert wide.low_cm2_s < narrow.low_cm2_s < narrow.high_cm2_s < wide.high_cm2_s


def test_ions_that_only_change_places_carry_nothing():
    """A tracer walk whose sum rattles: D_sigma is far below D, and not resolved."""
    positions = walk(2, n_frames=2000)
    rng = np.random.default_rng(3)
    mean = positions.mean(axis=1, keepdims=True)
    positions += rng.normal(0, 0.2, mean.shape) - mean
    tracer = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS)
    found = collective_of(positions, frame_interval_fs=INTERVAL_FS)
    assert found.high_cm2_s < tracer.low_cm2_s
    assert not found.resolved
    with pytest.raises(TransportError, match="run longer"):
        haven_ratio(tracer, found)


def test_without_a_framework_it_is_refused():
    positions = remove_drift(walk(4, n_frames=300), np.full(24, 7.0), np.zeros(24, dtype=bool))
    with pytest.raises(TransportError, match="framework"):
        collective_of(positions, frame_interval_fs=INTERVAL_FS)
    with pytest.raises(TransportError, match="framework"):
        collective_of(positions.astype(np.float32), frame_interval_fs=INTERVAL_FS)


def test_one_ion_is_its_own_sum():
    positions = walk(5, n_ions=1)
    np.testing.assert_allclose(summed_displacement(positions), positions[:, 0] - positions[0, 0])
    found = collective_of(positions, frame_interval_fs=INTERVAL_FS)
    tracer = estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS)
    assert found.d_cm2_s == pytest.approx(tracer.d_cm2_s, rel=0.3)
