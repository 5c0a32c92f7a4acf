"""A run's lengths in whole steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ionscout.config import DynamicsSettings
from ionscout.dynamics.store import EQUILIBRATION, EXPANSION, PRODUCTION, count_frames

LIGHT_TIMESTEP_FS = 0.5
USUAL_TIMESTEP_FS = 2.0
LIGHT_MASS_U = 3.0


@dataclass(frozen=True)
class Plan:
    """A run in whole steps.

    Attributes
    ----------
    timestep_fs : float
    steps_per_frame, frames_per_segment : int
    expansion_frames, equilibration_frames : int
        Frames' worth of each, cut into segments as production is.
    production_frames : int
        At most; the last segment may hold more.
    """

    timestep_fs: float
    steps_per_frame: int
    frames_per_segment: int
    expansion_frames: int
    equilibration_frames: int
    production_frames: int

    @property
    def frame_interval_fs(self) -> float:
        """Time between frames."""
        return self.steps_per_frame * self.timestep_fs

    @property
    def phases(self) -> dict[str, list[int]]:
        """The phases in order, each with the frames of its segments; none is empty."""
        size = self.frames_per_segment
        phases = {
            EXPANSION: _cut(self.expansion_frames, size),
            EQUILIBRATION: _cut(self.equilibration_frames, size),
            PRODUCTION: [size] * math.ceil(self.production_frames / size),
        }
        return {phase: lengths for phase, lengths in phases.items() if lengths}

    @property
    def heating_frames(self) -> int:
        """Frames in which the crystal warms up: half of what comes before production."""
        first, lengths = next(iter(self.phases.items()))
        return 0 if first == PRODUCTION else sum(lengths) // 2

    def frames_after(self, phase: str, index: int) -> int:
        """Count the frames, at most, that come after a segment."""
        left = sum(self.phases[phase][index + 1 :])
        phases = list(self.phases)
        return left + sum(sum(self.phases[name]) for name in phases[phases.index(phase) + 1 :])

    def to_ps(self, n_frames: int) -> float:
        """Return the length of some frames in ps."""
        return n_frames * self.frame_interval_fs / 1000


def _cut(n_frames: int, size: int) -> list[int]:
    """Cut frames into segments, the last of which may be short."""
    whole, rest = divmod(n_frames, size)
    return [size] * whole + ([rest] if rest else [])


def choose_timestep_fs(masses_u: np.ndarray, settings: DynamicsSettings) -> float:
    """Return the time step: as configured, else 0.5 fs with hydrogen and 2 fs without."""
    if settings.timestep_fs is not None:
        return settings.timestep_fs
    return LIGHT_TIMESTEP_FS if masses_u.min() < LIGHT_MASS_U else USUAL_TIMESTEP_FS


def make_plan(masses_u: np.ndarray, settings: DynamicsSettings) -> Plan:
    """Cut a run into whole steps, frames and segments; lengths are rounded up.

    Parameters
    ----------
    masses_u : ndarray
        Atomic masses.
    settings : DynamicsSettings

    Returns
    -------
    Plan
    """
    timestep_fs = choose_timestep_fs(masses_u, settings)
    steps_per_frame = max(1, round(settings.frame_interval_fs / timestep_fs))
    frame_ps = steps_per_frame * timestep_fs / 1000

    def round_up(length_ps: float) -> int:
        return math.ceil(length_ps / frame_ps - 1e-6)

    return Plan(
        timestep_fs=timestep_fs,
        steps_per_frame=steps_per_frame,
        frames_per_segment=max(1, round(settings.segment_ps / frame_ps)),
        expansion_frames=round_up(settings.expansion_ps),
        equilibration_frames=round_up(settings.equilibration_ps),
        production_frames=count_frames(settings.production_ps, 1000 * frame_ps),
    )
