"""Where a run is, and the frames of its open segment."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from ionscout.dynamics.integrate import Bath, State
from ionscout.dynamics.store import Segment

FRAME_COLUMNS = (
    "positions_ang",
    "kinetic_temperature_k",
    "potential_energy_ev",
    "conserved_energy_ev",
    "pressure_gpa",
    "scale",
)


@dataclass(frozen=True)
class Point:
    """All that a run's future depends on, but for the random numbers.

    Attributes
    ----------
    state : State
    forces_ev_ang : ndarray or None, shape (n_atoms, 3)
        None where they have to be computed: at the start, and in a lattice just changed.
    scale : float
        Length of the lattice vectors over those of the prepared cell.
    """

    state: State
    forces_ev_ang: np.ndarray | None
    scale: float


class Record:
    """The frames of a segment, one by one.

    Parameters
    ----------
    begun : Segment, optional
        What is there of it already.
    """

    def __init__(self, begun: Segment | None = None):
        self._frames = {
            name: [] if begun is None else list(getattr(begun, name)) for name in FRAME_COLUMNS
        }

    def __len__(self) -> int:
        return len(self._frames["scale"])

    def add(self, **values: np.ndarray | float) -> None:
        """Add a frame, with a value for each of `FRAME_COLUMNS`."""
        for name, frames in self._frames.items():
            frames.append(values[name])

    def close(self, point: Point, bath: Bath) -> Segment:
        """Return the segment that ends here."""
        return Segment(
            **{name: np.array(frames) for name, frames in self._frames.items()},
            end_positions_ang=point.state.positions_ang,
            end_velocities_ang_fs=point.state.velocities_ang_fs,
            end_forces_ev_ang=point.forces_ev_ang,
            end_heat_ev=np.array(point.state.heat_ev),
            end_scale=np.array(point.scale),
            end_random=np.array(json.dumps(bath.random.bit_generator.state)),
        )


def go_to_end(segment: Segment, bath: Bath) -> Point:
    """Return the point at a segment's end, and set the random numbers to it."""
    bath.random.bit_generator.state = json.loads(str(segment.end_random))
    state = State(
        segment.end_positions_ang, segment.end_velocities_ang_fs, float(segment.end_heat_ev)
    )
    return Point(state, segment.end_forces_ev_ang, float(segment.end_scale))
