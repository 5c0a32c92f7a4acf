"""A trajectory: what the engines, the store and the readers give, and transport takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Trajectory:
    """Frames of a run, evenly spaced in time.

    Attributes
    ----------
    positions_ang : ndarray of float32 or float64, shape (n_frames, n_atoms, 3)
        Unwrapped Cartesian coordinates in the mean cell. It may be a transposed view of an
        array in the order of the atoms, in memory or mapped from a file: read pieces of
        atoms, `positions_ang[:, piece]`.
    species : list of str
        Element of each atom.
    cell_ang : ndarray, shape (3, 3)
        Lattice vectors in rows, their mean where they change.
    frame_interval_fs : float
    temperature_k : float or None
        The thermostat's temperature, None where nobody said it.
    kinetic_temperature_k, potential_energy_ev : ndarray or None, shape (n_frames,)
    """

    positions_ang: NDArray
    species: list[str]
    cell_ang: NDArray[np.float64]
    frame_interval_fs: float
    temperature_k: float | None
    kinetic_temperature_k: NDArray | None = None
    potential_energy_ev: NDArray | None = None
