"""The Nernst-Einstein relation between diffusivity and conductivity."""

from __future__ import annotations

from scipy import constants

BOLTZMANN_EV_K = constants.k / constants.e
ROOM_TEMPERATURE_K = 300.0


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
