"""Walks whose diffusivity is known, in angstrom and ps: of benchmarks and of tests.

`DIFFUSING` holds a maker, which takes a random generator and returns positions of shape
(n_frames, n_ions, 3) every `INTERVAL_PS`, and the true D in square angstrom per ps of each
kind; `LONG` the same of runs long enough to be stopped by their verdict; `STILL` the makers
of ions that go nowhere, which take the number of frames too.
"""

import numpy as np
from scipy.signal import lfilter

from ionscout.transport import remove_drift

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


def hopping(n_frames, n_ions, rate_ps, length, back=0.0, group=1):
    """Jumps and vibration, of ions that jump alone or in groups."""
    truth = rate_ps * length**2 / 6 * (1 - back) / (1 + back)

    def make(rng):
        walk = jumps(rng, n_frames, n_ions // group, rate_ps, length, back)
        return np.repeat(walk, group, axis=1) + rattle(rng, n_frames, n_ions)

    return make, truth


def ballistic(n_frames, d, memory_ps=0.5):
    """Flight that becomes diffusion: the sum of velocities with a memory."""
    keep = np.exp(-INTERVAL_PS / memory_ps)
    truth = d / memory_ps * INTERVAL_PS * (1 + keep) / (1 - keep) / 2

    def make(rng):
        velocity = rattle(rng, n_frames, 24, np.sqrt(d / memory_ps), memory_ps)
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
    "in pairs": hopping(1000, 24, 0.3, 3.0, group=2),
    "ballistic": ballistic(1000, 0.5),
}

LONG = {
    "ideal": (lambda rng: brownian(rng, 3000, 24, 0.1), 0.1),
    "lattice and vibration": hopping(2500, 24, 0.15, 3.0),
    "rare jumps": hopping(6000, 24, 0.05, 3.0),
    "eight ions": hopping(6000, 8, 0.2, 3.0),
    "jumping back": hopping(6000, 24, 0.3, 2.5, back=0.5),
    "in pairs": hopping(3000, 24, 0.3, 3.0, group=2),
    "ballistic": ballistic(3000, 0.1),
}


def double_well(rng, n_frames, n_ions, rate_ps, length):
    flips = rng.poisson(rate_ps * INTERVAL_PS, (n_frames, n_ions))
    side = (np.cumsum(flips, axis=0) + rng.integers(0, 2, n_ions)) % 2
    direction = rng.normal(size=(n_ions, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    return side[..., None] * direction * length + rattle(rng, n_frames, n_ions)


def ring(rng, n_frames, rate_ps, length):
    """Four sites in a cage."""
    shape = n_frames, 24
    moves = rng.poisson(rate_ps * INTERVAL_PS, shape) * rng.choice([-1, 1], shape)
    angle = np.cumsum(moves, axis=0) % 4 * np.pi / 2
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    return circle * length / np.sqrt(2) + rattle(rng, n_frames, 24)


def with_drift(rng, ions):
    """Lithium beside a framework, both carried away, and the drift removed again."""
    n_ions = ions.shape[1]
    everything = np.concatenate([ions, rattle(rng, len(ions), 24, 0.2)], axis=1)
    everything += np.cumsum(rng.normal(0.01, 0.08, (len(ions), 1, 3)), axis=0)
    framework = np.arange(n_ions + 24) >= n_ions
    return remove_drift(everything, np.where(framework, 35.0, 7.0), framework)[:, :n_ions]


STILL = {
    "rattling": lambda rng, n: rattle(rng, n, 24, 0.4, 0.1),
    "slow rattling": lambda rng, n: rattle(rng, n, 24, 0.6, 2.0),
    "four ions rattling": lambda rng, n: rattle(rng, n, 4, 0.4, 0.1),
    "fast double well": lambda rng, n: double_well(rng, n, 24, 1.0, 2.5),
    "slow double well": lambda rng, n: double_well(rng, n, 24, 0.1, 3.0),
    "fast cage": lambda rng, n: ring(rng, n, 0.5, 2.0),
    "slow cage": lambda rng, n: ring(rng, n, 0.1, 2.0),
    "drift": lambda rng, n: with_drift(rng, rattle(rng, n, 24, 0.4, 0.1)),
}
