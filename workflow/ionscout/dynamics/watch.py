"""What a run shows while it goes on: its verdict so far, its drift, its progress."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ionscout.dynamics.store import Segment
from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.judgement import is_settled, judge_run
from ionscout.transport.rest_frame import RestFrame, rest_frame

LOOK_PS = 5.0


@dataclass
class Watch:
    """The production frames so far, and what they say.

    It looks for a settled verdict each 5 ps: the coverage of the intervals of runs that
    stop themselves was measured with that.

    Attributes
    ----------
    species : list of str
    cell_ang : ndarray, shape (3, 3)
        Of the prepared crystal.
    frame_interval_fs : float
    segments : list of Segment
    """

    species: list[str]
    cell_ang: np.ndarray
    frame_interval_fs: float
    segments: list[Segment] = field(default_factory=list)

    @property
    def duration_ps(self) -> float:
        """Production so far."""
        n_frames = sum(len(segment.positions_ang) for segment in self.segments)
        return n_frames * self.frame_interval_fs / 1000

    def is_settled(self) -> bool:
        """Whether this is a moment to look, and the verdict would not change any more."""
        newest_ps = len(self.segments[-1].positions_ang) * self.frame_interval_fs / 1000
        looks, looks_before = (
            int((length_ps + 1e-9) / LOOK_PS)
            for length_ps in (self.duration_ps, self.duration_ps - newest_ps)
        )
        if looks == looks_before:
            return False
        try:
            return is_settled(self._rest_frame(self.join("positions_ang")))
        except TransportError:
            return False

    def judge(self, n_frames: int) -> tuple[str | None, str]:
        """Return the verdict of the first frames and its reason; None where there is none."""
        try:
            run = self._rest_frame(self.join("positions_ang")[:n_frames])
            verdict = judge_run(run).verdict
        except TransportError as error:
            return None, str(error)
        return verdict.verdict, verdict.reason

    def displacement_ang2(self, newest: Segment) -> float | None:
        """Return lithium's mean squared displacement at the end of a segment, from the start.

        Parameters
        ----------
        newest : Segment
            It need not be among the segments yet.

        Returns
        -------
        float or None
            None where there is no lithium, or nothing that it moves against.
        """
        first = self.segments[0] if self.segments else newest
        ends_ang = np.stack([first.positions_ang[0], newest.positions_ang[-1]])
        try:
            start_ang, end_ang = self._rest_frame(ends_ang).ions_ang
        except TransportError:
            return None
        return float(((end_ang - start_ang) ** 2).sum(axis=1).mean())

    def energy_drift_mev_atom_ps(self) -> float | None:
        """Return the slope of the conserved energy; None before there are three frames."""
        energy_ev = self.join("conserved_energy_ev")
        if len(energy_ev) < 3:
            return None
        time_ps = self.frame_interval_fs / 1000 * np.arange(len(energy_ev))
        return float(1000 * np.polyfit(time_ps, energy_ev / len(self.species), 1)[0])

    def mean_pressure_gpa(self) -> float | None:
        """Return the mean pressure; None where the engine gives no stress."""
        mean = float(self.join("pressure_gpa").mean())
        return mean if np.isfinite(mean) else None

    def join(self, name: str) -> np.ndarray:
        """Return an array of all segments, joined along the frames."""
        return np.concatenate([getattr(segment, name) for segment in self.segments])

    def _rest_frame(self, positions_ang: np.ndarray) -> RestFrame:
        scale = self.segments[0].scale[0] if self.segments else 1.0
        return rest_frame(
            Trajectory(
                positions_ang=positions_ang.astype(float),
                species=self.species,
                cell_ang=scale * self.cell_ang,
                frame_interval_fs=self.frame_interval_fs,
                temperature_k=None,
            )
        )
