"""A run's lengths in whole steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ionscout.config import DynamicsSettings
from ionscout.dynamics.store import EQUILIBRATION, PRODUCTION, count_frames

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
    equilibration_frames : int
        Frames' worth of equilibration, cut into segments as production is.
    production_segments : int
    """

    timestep_fs: float
    steps_per_frame: int
    frames_per_segment: int
    equilibration_frames: int
    production_segments: int

    @property
    def frame_interval_fs(self) -> float:
        """Time between frames."""
        return self.steps_per_frame * self.timestep_fs

    @property
    def phases(self) -> list[tuple[str, list[int]]]:
        """The phases in order, each with the frames of its segments."""
        whole, rest = divmod(self.equilibration_frames, self.frames_per_segment)
        equilibration = [self.frames_per_segment] * whole + ([rest] if rest else [])
        production = [self.frames_per_segment] * self.production_segments
        return [(EQUILIBRATION, equilibration), (PRODUCTION, production)]

    def to_ps(self, n_frames: int) -> float:
        """Return the length of some frames in ps."""
        return n_frames * self.frame_interval_fs / 1000


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
    frames_per_segment = max(1, round(settings.segment_ps / frame_ps))
    production_frames = count_frames(settings.production_ps, 1000 * frame_ps)
    return Plan(
        timestep_fs=timestep_fs,
        steps_per_frame=steps_per_frame,
        frames_per_segment=frames_per_segment,
        equilibration_frames=math.ceil(settings.equilibration_ps / frame_ps - 1e-6),
        production_segments=math.ceil(production_frames / frames_per_segment),
    )
