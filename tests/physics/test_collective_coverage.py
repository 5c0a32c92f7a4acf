"""A thousand walks of each kind: do the intervals of D_sigma and Haven's ratio hold the truth?

Run `python -m pytest -m slow -s tests/physics/test_collective_coverage.py` to see the figures.
"""

import numpy as np
import pytest

from ionscout.transport.collective import collective_diffusivity, haven_ratio
from ionscout.transport.diffusivity import estimate_diffusivity

pytestmark = pytest.mark.slow

N_WALKS = 1000
INTERVAL_PS = 0.1
N_IONS = 24


def brownian(rng, group, n_frames, d=0.25):
    """Groups of ions that move as one, with a vibration of each ion."""
    steps = rng.normal(0, np.sqrt(2 * d * INTERVAL_PS), (n_frames, N_IONS // group, 3))
    vibration = rng.normal(0, 0.2, (n_frames, N_IONS, 3))
    return np.cumsum(steps, axis=0).repeat(group, axis=1) + vibration


def hopping(rng, group, n_frames, rate_ps=0.25, length=2.5):
    """The same with jumps along the axes of a lattice."""
    shape = (n_frames, N_IONS // group, 3)
    rate = rate_ps * INTERVAL_PS / 6
    counts = rng.poisson(rate, shape) - rng.poisson(rate, shape)
    vibration = rng.normal(0, 0.2, (n_frames, N_IONS, 3))
    return np.cumsum(length * counts, axis=0).repeat(group, axis=1) + vibration


def swinging(rng, group, n_frames, rate_ps=0.3, length=2.0):
    """Jumps, and besides them to and fro between two sites a place."""
    flips = rng.random((n_frames, N_IONS // group)) < rate_ps * INTERVAL_PS
    side = (np.cumsum(flips, axis=0) + rng.integers(0, 2, N_IONS // group)) % 2
    positions = hopping(rng, group, n_frames)
    positions[:, :, 0] += length * side.repeat(group, axis=1)
    return positions


KINDS = {
    "independent": (brownian, 1, 1000, 0.25),
    "jumps": (hopping, 1, 1000, 0.25 * 2.5**2 / 6),
    "pairs": (hopping, 2, 1000, 0.25 * 2.5**2 / 6),
    "groups of four": (brownian, 4, 1000, 0.25),
    "swinging": (swinging, 1, 1000, 0.25 * 2.5**2 / 6),
    "short": (hopping, 1, 250, 0.25 * 2.5**2 / 6),
    "long": (brownian, 3, 4000, 0.25),
}


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover(kind):
    make, group, n_frames, d = KINDS[kind]
    rng = np.random.default_rng(2026)
    rows, ratios = [], []
    for _ in range(N_WALKS):
        positions = make(rng, group, n_frames)
        tracer = estimate_diffusivity(positions, frame_interval_fs=1000 * INTERVAL_PS)
        found = collective_diffusivity(positions, tracer, frame_interval_fs=1000 * INTERVAL_PS)
        rows.append((found.low_cm2_s * 1e4, found.high_cm2_s * 1e4, found.resolved))
        if found.resolved and tracer.posterior.resolved:
            ratio = haven_ratio(tracer, found)
            ratios.append((ratio.low, ratio.high, ratio.ratio))
    low, high, resolved = np.array(rows).T
    held = (low <= group * d) & (group * d <= high)
    ratios = np.array(ratios)
    ratio_held = (ratios[:, 0] <= 1 / group) & (1 / group <= ratios[:, 1])
    believed = resolved.astype(bool)
    print(
        f"\n{kind}: D {held.mean():.1%} (too low {(high < group * d).mean():.1%}), resolved "
        f"{believed.mean():.1%} and of these {held[believed].mean():.1%}, x"
        f"{np.median(high / np.maximum(low, 1e-6)):.1f}; Haven {ratio_held.mean():.1%}, median "
        f"{np.median(ratios[:, 2]):.3f} for {1 / group:.3f}"
    )
    assert 0.91 <= held.mean() <= 0.995
    assert 0.89 <= ratio_held.mean() <= 0.995
