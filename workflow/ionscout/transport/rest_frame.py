"""A trajectory in the frame in which its framework rests."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport.msd import remove_drift
from ionscout.transport.readers.buffer import atom_array

MOBILE = "Li"


@dataclass(frozen=True)
class RestFrame:
    """Lithium and framework of a trajectory, relative to the framework's centre of mass.

    Attributes
    ----------
    ions_ang : ndarray, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions of the mobile ions.
    framework_ang : ndarray, shape (n_frames, n_framework, 3)
        Those of all other atoms.
    framework_species : ndarray of str, shape (n_framework,)
    cell_ang : ndarray, shape (3, 3)
        A vector a row.
    frame_interval_fs : float
    temperature_k : float or None
    """

    ions_ang: NDArray
    framework_ang: NDArray
    framework_species: NDArray
    cell_ang: NDArray
    frame_interval_fs: float
    temperature_k: float | None

    @property
    def duration_ps(self) -> float:
        """Time that the frames stand for."""
        return len(self.ions_ang) * self.frame_interval_fs / 1000

    @property
    def lithium_density_cm3(self) -> float:
        """Mobile ions in a cubic centimetre."""
        return self.ions_ang.shape[1] / abs(np.linalg.det(self.cell_ang)) * 1e24

    def first(self, n_frames: int) -> RestFrame:
        """Return the first frames alone, not copied."""
        return replace(
            self,
            ions_ang=self.ions_ang[:n_frames],
            framework_ang=self.framework_ang[:n_frames],
        )


def rest_frame(trajectory: Trajectory) -> RestFrame:
    """Put a trajectory into the frame of its framework.

    Parameters
    ----------
    trajectory : Trajectory
        With lithium among its species.

    Returns
    -------
    RestFrame
        Positions in memory, or in scratch files where they are large.

    Raises
    ------
    TransportError
        If there is no lithium, or nothing that its motion could be measured against.
    """
    species = np.array(trajectory.species)
    mobile = species == MOBILE
    if not mobile.any():
        raise TransportError(f"the trajectory has no {MOBILE}, but {', '.join(np.unique(species))}")
    if len(species) == 1:
        raise TransportError(
            "the trajectory holds one atom alone: its motion cannot be told from a drift of all"
        )
    masses = atomic_masses[[atomic_numbers[name] for name in species]]
    ions_first = np.argsort(~mobile, kind="stable")
    still = atom_array(len(species), len(trajectory.positions_ang))
    remove_drift(trajectory.positions_ang, masses, ~mobile, atoms=ions_first, out=still)
    n_ions = int(mobile.sum())
    return RestFrame(
        ions_ang=still[:, :n_ions],
        framework_ang=still[:, n_ions:],
        framework_species=species[~mobile],
        cell_ang=np.asarray(trajectory.cell_ang, dtype=float),
        frame_interval_fs=trajectory.frame_interval_fs,
        temperature_k=trajectory.temperature_k,
    )
