"""The Nernst-Einstein relation between diffusivity and conductivity."""

from __future__ import annotations

import numpy as np
from scipy import constants

BOLTZMANN_EV_K = constants.k / constants.e
ROOM_TEMPERATURE_K = 300.0
FAST_SIGMA_S_CM = 1e-4
FAST_ENERGY_EV = 0.3


def nernst_einstein(
    diffusivity_cm2_s: float, *, temperature_k: float, density_cm3: float, charge: float = 1.0
) -> float:
    """Conductivity of ions that move independently.

    Parameters
    ----------
    diffusivity_cm2_s : float or ndarray
        Tracer diffusivity in cm2/s.
    temperature_k : float or ndarray
        Temperature in kelvin.
    density_cm3 : float
        Mobile ions in a cubic centimetre.
    charge : float, optional
        Charge of an ion in elementary charges.

    Returns
    -------
    float or ndarray
        sigma = n q^2 D / (k T) in S/cm, with a Haven ratio of 1: ions that move
        together conduct better than this.
    """
    charge_coulomb = charge * constants.e
    return density_cm3 * charge_coulomb**2 * diffusivity_cm2_s / (constants.k * temperature_k)


def fast_diffusivity_cm2_s(temperature_k: float, *, density_cm3: float) -> float:
    """Diffusivity of a fast conductor, to hold an upper bound against.

    A solid electrolyte is of use from about `FAST_SIGMA_S_CM` at room temperature, and
    those that reach it have activation energies about `FAST_ENERGY_EV`. Such a conductor
    is slow enough when hot to be missed by a short run.

    Parameters
    ----------
    temperature_k : float or ndarray
        Temperature in kelvin.
    density_cm3 : float
        Mobile ions in a cubic centimetre.

    Returns
    -------
    float or ndarray
        In cm2/s; with 2e22 ions 2.7e-7 at 600 K, 1.1e-6 at 800 K and 2.7e-6 at 1000 K.
    """
    unit = nernst_einstein(1.0, temperature_k=ROOM_TEMPERATURE_K, density_cm3=density_cm3)
    inverse_ev = (1 / ROOM_TEMPERATURE_K - 1 / temperature_k) / BOLTZMANN_EV_K
    return FAST_SIGMA_S_CM / unit * np.exp(FAST_ENERGY_EV * inverse_ev)
