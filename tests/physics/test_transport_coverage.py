"""Walks of each kind: does the interval hold the truth, is rattling believed?

Run `python -m pytest -m slow -s tests/physics/test_transport_coverage.py` to see the figures.
Runs that their verdict stops are judged at each `LOOK_PS`, as a campaign would.
"""

import numpy as np
import pytest
from walks import DIFFUSING, INTERVAL_PS, LONG, STILL

from ionscout.transport import RestFrame, estimate_diffusivity, is_settled, judge_run

pytestmark = pytest.mark.slow

N_WALKS = 1000
N_STOPPED = 150
LOOK_PS = 5.0
STILL_FRAMES = 1000
LONG_STILL_FRAMES = 3000


def at_rest(positions):
    """A run of lithium in a large cell, beside a framework that rests."""
    return RestFrame(
        ions_ang=positions,
        framework_ang=positions[:, :0],
        framework_species=np.array([]),
        cell_ang=30 * np.eye(3),
        frame_interval_fs=1000 * INTERVAL_PS,
        temperature_k=800.0,
    )


def stopped(run):
    """The run up to the first look at which it is settled, or all of it."""
    looks = np.arange(LOOK_PS, run.duration_ps, LOOK_PS) / INTERVAL_PS
    parts = (run.first(round(n_frames)) for n_frames in looks)
    return next((part for part in parts if is_settled(part)), run)


def show_coverage(kind, bounds, truth):
    """Print how often the bounds, in square angstrom per ps, hold the truth; return it."""
    below, above = (bounds[:, 1] < truth).mean(), (bounds[:, 0] > truth).mean()
    width = np.median(bounds[:, 1] / np.maximum(bounds[:, 0], 1e-6))
    held = 1 - below - above
    print(f"\n{kind}: {held:.1%} (too low {below:.1%}, too high {above:.1%}), x{width:.2f}")
    return held


@pytest.mark.parametrize("kind", DIFFUSING)
def test_interval_covers(kind):
    make, truth = DIFFUSING[kind]
    rng = np.random.default_rng(2026)
    bounds = np.empty((N_WALKS, 2))
    for row in bounds:
        found = estimate_diffusivity(make(rng), frame_interval_fs=1000 * INTERVAL_PS)
        row[:] = found.low_cm2_s * 1e4, found.high_cm2_s * 1e4
    assert 0.92 <= show_coverage(kind, bounds, truth) <= 0.985


@pytest.mark.parametrize("kind", LONG)
def test_interval_covers_where_the_verdict_stops_the_run(kind):
    make, truth = LONG[kind]
    rng = np.random.default_rng(2027)
    bounds, lengths_ps, verdicts = np.empty((N_STOPPED, 2)), [], []
    for row in bounds:
        run = stopped(at_rest(make(rng)))
        found = judge_run(run)
        row[:] = found.diffusivity.low_cm2_s * 1e4, found.diffusivity.high_cm2_s * 1e4
        lengths_ps.append(run.duration_ps)
        verdicts.append(found.verdict.verdict)
    held = show_coverage(kind, bounds, truth)
    print(f"diffusive {verdicts.count('diffusive')}, median {np.median(lengths_ps):.0f} ps")
    assert held >= 0.89
    assert "non-diffusive" not in verdicts


@pytest.mark.parametrize("kind", STILL)
def test_rattling_is_never_believed(kind):
    rng = np.random.default_rng(2026)
    show_no_belief(kind, (at_rest(STILL[kind](rng, STILL_FRAMES)) for _ in range(N_WALKS)))


@pytest.mark.parametrize("kind", STILL)
def test_rattling_is_never_believed_where_the_verdict_stops_the_run(kind):
    rng = np.random.default_rng(2028)
    runs = (at_rest(STILL[kind](rng, LONG_STILL_FRAMES)) for _ in range(N_STOPPED))
    show_no_belief(kind, (stopped(run) for run in runs))


def show_no_belief(kind, runs):
    """Assert that fewer than one in a hundred are found diffusive."""
    verdicts = [judge_run(run).verdict.verdict for run in runs]
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    print(f"\n{kind}: {counts}")
    assert verdicts.count("diffusive") < 0.01 * len(verdicts)
