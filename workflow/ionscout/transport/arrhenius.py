"""The Arrhenius line through diffusivities, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport.conductivity import BOLTZMANN_EV_K, nernst_einstein

ERROR_FREEDOM = 5
WORST_P = 0.01
FALLING_SD = 2.0


@dataclass(frozen=True)
class ArrheniusFit:
    """ln D = ln D0 - Ea / (k T) with the joint posterior of both.

    `covariance` is that of (ln D0, Ea), `freedom` the degrees of freedom of the
    Student distribution about them (infinite: normal), `chi2_p` the probability of
    a worse line, `temperature_range_k` what was fitted.
    """

    activation_energy_ev: float
    ln_prefactor_cm2_s: float
    covariance: NDArray[np.float64]
    freedom: float
    chi2_p: float
    credible_level: float
    temperature_range_k: tuple[float, float]

    @property
    def activation_energy_interval_ev(self) -> tuple[float, float]:
        """Bounds of the credible interval of Ea in eV."""
        half = self._quantile * np.sqrt(self.covariance[1, 1])
        return float(self.activation_energy_ev - half), float(self.activation_energy_ev + half)

    def diffusivity_cm2_s(self, temperature_kelvin: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
        """Diffusivity at any temperature.

        Parameters
        ----------
        temperature_kelvin : array_like
            Any shape.

        Returns
        -------
        median, low, high : ndarray
            In cm2/s, of the same shape.
        """
        row = np.stack(
            np.broadcast_arrays(1.0, -1 / (BOLTZMANN_EV_K * np.asarray(temperature_kelvin)))
        )
        centre = row[0] * self.ln_prefactor_cm2_s + row[1] * self.activation_energy_ev
        spread = np.sqrt(np.einsum("i...,ij,j...->...", row, self.covariance, row))
        half = self._quantile * spread
        return np.exp(centre), np.exp(centre - half), np.exp(centre + half)

    def conductivity_s_cm(
        self, temperature_k: float, density_cm3: float
    ) -> tuple[float, float, float]:
        """Nernst-Einstein conductivity of a monovalent ion.

        Parameters
        ----------
        temperature_k : float
            Temperature in kelvin.
        density_cm3 : float
            Mobile ions in a cubic centimetre; taken as sure.

        Returns
        -------
        median, low, high : float
            In S/cm.
        """
        return tuple(
            float(nernst_einstein(d, temperature_k=temperature_k, density_cm3=density_cm3))
            for d in self.diffusivity_cm2_s(temperature_k)
        )

    @property
    def _quantile(self) -> float:
        upper = (1 + self.credible_level) / 2
        return float(
            stats.t.ppf(upper, self.freedom) if np.isfinite(self.freedom) else stats.norm.ppf(upper)
        )


def fit_arrhenius(
    temperature_kelvin: ArrayLike,
    diffusivity_cm2_s: ArrayLike,
    sigma_cm2_s: ArrayLike,
    *,
    credible_level: float = 0.95,
    min_temperatures: int = 3,
) -> ArrheniusFit:
    """Fit an Arrhenius line to diffusivities with their errors.

    Each posterior is taken as lognormal. Where the scatter about the line exceeds
    the stated errors, their scale is estimated from both (with the weight of
    `ERROR_FREEDOM` degrees of freedom for the stated ones) and the posterior becomes
    a Student distribution.

    Parameters
    ----------
    temperature_kelvin : array_like, shape (n,)
        Temperatures in kelvin.
    diffusivity_cm2_s : array_like, shape (n,)
        Diffusivities in cm2/s.
    sigma_cm2_s : array_like, shape (n,)
        Their standard deviations in cm2/s.
    credible_level : float, optional
        Probability inside the intervals.
    min_temperatures : int, optional
        Fewest different temperatures that may be fitted.

    Returns
    -------
    ArrheniusFit

    Raises
    ------
    TransportError
        If there are too few temperatures or values that are not positive, if D falls
        as the temperature rises, or if no straight line goes through the points.
    """
    t, d, sigma = (
        np.asarray(values, dtype=float)
        for values in (temperature_kelvin, diffusivity_cm2_s, sigma_cm2_s)
    )
    if not t.shape == d.shape == sigma.shape or t.ndim != 1:
        raise TransportError("temperatures, diffusivities and their errors differ in length")
    n_different = len(np.unique(t))
    if n_different < min_temperatures:
        raise TransportError(
            f"{n_different} temperature{'s' * (n_different != 1)} with a diffusivity: "
            f"{min_temperatures} are needed"
        )
    if not (
        np.isfinite([t, d, sigma]).all() and (t > 0).all() and (d > 0).all() and (sigma > 0).all()
    ):
        raise TransportError(
            "temperatures, diffusivities and their errors must be positive numbers"
        )
    order = np.argsort(t)
    ln_sd = np.sqrt(np.log1p((sigma / d) ** 2))
    return _fit_line(t[order], np.log(d)[order], ln_sd[order], credible_level)


def _fit_line(t: NDArray, ln_d: NDArray, ln_sd: NDArray, level: float) -> ArrheniusFit:
    """Weighted line through ln D over 1 / kT, refused where it means nothing."""
    _refuse_falling(t, ln_d, ln_sd)
    line = np.stack([np.ones_like(t), -1 / (BOLTZMANN_EV_K * t)], axis=1)
    covariance = np.linalg.inv(line.T @ (line / ln_sd[:, None] ** 2))
    solution = covariance @ line.T @ (ln_d / ln_sd**2)
    chi2 = float((((ln_d - line @ solution) / ln_sd) ** 2).sum())
    freedom = len(t) - 2
    chi2_p = float(stats.chi2.sf(chi2, freedom))
    if chi2_p < WORST_P:
        raise TransportError(
            f"no single Arrhenius line: the diffusivities bend or scatter (p = {chi2_p:.1e})"
        )
    posterior_freedom = np.inf
    if chi2 > freedom:
        posterior_freedom = float(freedom + ERROR_FREEDOM)
        covariance = covariance * (chi2 + ERROR_FREEDOM) / posterior_freedom
    fit = ArrheniusFit(
        activation_energy_ev=float(solution[1]),
        ln_prefactor_cm2_s=float(solution[0]),
        covariance=covariance,
        freedom=posterior_freedom,
        chi2_p=chi2_p,
        credible_level=level,
        temperature_range_k=(float(t[0]), float(t[-1])),
    )
    if fit.activation_energy_interval_ev[0] <= 0:
        low, high = fit.activation_energy_interval_ev
        raise TransportError(f"the activation energy is not resolved: {low:.2f} to {high:.2f} eV")
    return fit


def _refuse_falling(t: NDArray, ln_d: NDArray, ln_sd: NDArray) -> None:
    """Refuse a diffusivity that falls, beyond the errors, as the temperature rises."""
    for cold in range(len(t)):
        for hot in range(cold + 1, len(t)):
            sd = np.hypot(ln_sd[cold], ln_sd[hot])
            if t[hot] > t[cold] and ln_d[hot] - ln_d[cold] < -FALLING_SD * sd:
                raise TransportError(
                    f"the diffusivity falls from {t[cold]:g} K to {t[hot]:g} K beyond its errors"
                )
