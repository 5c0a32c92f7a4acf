"""The volume follows the pressure: how far a crystal expands when it is warm."""

from __future__ import annotations

import numpy as np
from ase import units

COMPRESSIBILITY_PER_GPA = 0.03
TIME_PS = 1.0


def draw_scale(
    pressure_gpa: float,
    *,
    temperature_k: float,
    volume_ang3: float,
    interval_fs: float,
    random: np.random.Generator,
) -> float:
    """Draw the factor by which all lengths change, towards zero pressure.

    Stochastic cell rescaling, isotropic: equation 7 of Bernetti and Bussi, J. Chem.
    Phys. 153, 114107 (2020), doi:10.1063/5.0020514, in the logarithm of the volume.

    Parameters
    ----------
    pressure_gpa : float
        Instantaneous, its kinetic part included.
    temperature_k, volume_ang3 : float
    interval_fs : float
        Time since the last change.
    random : numpy.random.Generator

    Returns
    -------
    float
        Positions and lattice are multiplied by it, velocities divided.
    """
    share = interval_fs / 1000 / TIME_PS
    compressibility_ang3_ev = COMPRESSIBILITY_PER_GPA / units.GPa
    noise = np.sqrt(2 * units.kB * temperature_k * compressibility_ang3_ev * share / volume_ang3)
    change = COMPRESSIBILITY_PER_GPA * share * pressure_gpa + noise * random.standard_normal()
    return float(np.exp(change / 3))
