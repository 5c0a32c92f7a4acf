"""A thousand walks of each kind: does the interval hold the truth, is rattling believed?

Run `python -m pytest -m slow -s tests/physics/test_transport_coverage.py` to see the figures.
"""

import numpy as np
import pytest
from scipy.signal import lfilter

from ionscout.transport import estimate_diffusivity, find_jumps, judge, remove_drift

pytestmark = pytest.mark.slow

N_WALKS = 1000
INTERVAL_PS = 0.02
AXES = np.vstack([np.eye(3), -np.eye(3)])


def rattle(rng, n_frames, n_ions, amplitude=0.35, memory_ps=0.08):
    """Vibration: an Ornstein-Uhlenbeck process."""
    keep = np.exp(-INTERVAL_PS / memory_ps)
    noise = rng.normal(0, amplitude * np.sqrt(1 - keep**2), (n_frames, n_ions, 3))
    noise[0] /= np.sqrt(1 - keep**2)
    return lfilter([1], [1, -keep], noise, axis=0)


def brownian(rng, n_frames, n_ions, d):
    step = np.sqrt(2 * d * INTERVAL_PS)
    return np.cumsum(rng.normal(0, step, (n_frames, n_ions, 3)), axis=0)


def jumps(rng, n_frames, n_ions, rate_ps, length, back=0.0):
    """Jumps on a cubic lattice, a share of which reverse the last one."""
    counts = rng.poisson(rate_ps * INTERVAL_PS, (n_frames, n_ions))
    steps = np.zeros((n_frames, n_ions, 3))
    last = rng.integers(6, size=n_ions)
    for frame, ion in zip(*np.nonzero(counts), strict=True):
        for _ in range(counts[frame, ion]):
            reverse = (last[ion] + 3) % 6
            last[ion] = reverse if rng.random() < back else rng.integers(6)
            steps[frame, ion] += length * AXES[last[ion]]
    return np.cumsum(steps, axis=0)


def hopping(n_frames, n_ions, rate_ps, length, back=0.0):
    truth = rate_ps * length**2 / 6 * (1 - back) / (1 + back)

    def make(rng):
        return jumps(rng, n_frames, n_ions, rate_ps, length, back) + rattle(rng, n_frames, n_ions)

    return make, truth


def ballistic(d=0.5, memory_ps=0.5):
    """Flight that becomes diffusion: the sum of velocities with a memory."""
    keep = np.exp(-INTERVAL_PS / memory_ps)
    truth = d / memory_ps * INTERVAL_PS * (1 + keep) / (1 - keep) / 2

    def make(rng):
        velocity = rattle(rng, 1000, 24, np.sqrt(d / memory_ps), memory_ps)
        return np.cumsum(velocity, axis=0) * INTERVAL_PS

    return make, truth


DIFFUSING = {
    "ideal": (lambda rng: brownian(rng, 1000, 24, 0.25), 0.25),
    "lattice and vibration": hopping(1000, 24, 0.15, 3.0),
    "rare jumps": hopping(1000, 24, 0.05, 3.0),
    "four ions": hopping(1000, 4, 0.3, 2.5),
    "short": hopping(125, 24, 0.4, 2.5),
    "jumping back": hopping(2000, 24, 0.3, 2.5, back=0.5),
    "jumping back, 20 ps": hopping(1000, 24, 0.4, 2.5, back=0.3),
    "ballistic": ballistic(),
}


def double_well(rng, n_ions, rate_ps, length):
    flips = rng.poisson(rate_ps * INTERVAL_PS, (1000, n_ions))
    side = (np.cumsum(flips, axis=0) + rng.integers(0, 2, n_ions)) % 2
    direction = rng.normal(size=(n_ions, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    return side[..., None] * direction * length + rattle(rng, 1000, n_ions)


def ring(rng, rate_ps, length):
    """Four sites in a cage."""
    moves = rng.poisson(rate_ps * INTERVAL_PS, (1000, 24)) * rng.choice([-1, 1], (1000, 24))
    angle = np.cumsum(moves, axis=0) % 4 * np.pi / 2
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    return circle * length / np.sqrt(2) + rattle(rng, 1000, 24)


def with_drift(rng, ions):
    """Lithium beside a framework, both carried away, and the drift removed again."""
    n_ions = ions.shape[1]
    everything = np.concatenate([ions, rattle(rng, len(ions), 24, 0.2)], axis=1)
    everything += np.cumsum(rng.normal(0.01, 0.08, (len(ions), 1, 3)), axis=0)
    framework = np.arange(n_ions + 24) >= n_ions
    return remove_drift(everything, np.where(framework, 35.0, 7.0), framework)[:, :n_ions]


STILL = {
    "rattling": lambda rng: rattle(rng, 1000, 24, 0.4, 0.1),
    "slow rattling": lambda rng: rattle(rng, 1000, 24, 0.6, 2.0),
    "four ions rattling": lambda rng: rattle(rng, 1000, 4, 0.4, 0.1),
    "fast double well": lambda rng: double_well(rng, 24, 1.0, 2.5),
    "slow double well": lambda rng: double_well(rng, 24, 0.1, 3.0),
    "fast cage": lambda rng: ring(rng, 0.5, 2.0),
    "slow cage": lambda rng: ring(rng, 0.1, 2.0),
    "drift": lambda rng: with_drift(rng, rattle(rng, 1000, 24, 0.4, 0.1)),
}


@pytest.mark.parametrize("kind", DIFFUSING)
def test_interval_covers(kind):
    make, truth = DIFFUSING[kind]
    rng = np.random.default_rng(2026)
    bounds = np.empty((N_WALKS, 2))
    for row in bounds:
        found = estimate_diffusivity(make(rng), frame_interval_fs=1000 * INTERVAL_PS)
        row[:] = found.low_cm2_s * 1e4, found.high_cm2_s * 1e4
    below, above = (bounds[:, 1] < truth).mean(), (bounds[:, 0] > truth).mean()
    coverage = 1 - below - above
    width = np.median(bounds[:, 1] / np.maximum(bounds[:, 0], 1e-6))
    print(f"\n{kind}: {coverage:.1%} (too low {below:.1%}, too high {above:.1%}), x{width:.2f}")
    assert 0.90 <= coverage <= 0.995


@pytest.mark.parametrize("kind", STILL)
def test_rattling_is_never_believed(kind):
    rng = np.random.default_rng(2026)
    verdicts = []
    for _ in range(N_WALKS):
        positions = STILL[kind](rng)
        found = estimate_diffusivity(positions, frame_interval_fs=1000 * INTERVAL_PS)
        seen = find_jumps(positions, frame_interval_fs=1000 * INTERVAL_PS)
        verdicts.append(judge(found, seen, production_ps=len(positions) * INTERVAL_PS).verdict)
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    print(f"\n{kind}: {counts}")
    assert verdicts.count("diffusive") < 0.01 * N_WALKS
