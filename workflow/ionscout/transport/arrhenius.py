"""The Arrhenius line through diffusivities, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ionscout.errors import TransportError
from ionscout.transport.conductivity import BOLTZMANN_EV_K, nernst_einstein
from ionscout.transport.spread import LinearPosterior, prior_spread
from ionscout.transport.straightness import (
    Straightness,
    examine_line,
    refuse_bent,
    refuse_falling,
    widen_to_scatter,
)
from ionscout.transport.verdict import VERDICT_RULES

N_DRAWS = 256


@dataclass(frozen=True)
class ArrheniusFit:
    """ln D = ln D0 - Ea / (k T) with the joint posterior of both.

    `draws` of shape (n_draws, 2) are values of (ln D0, Ea), D0 in cm2/s and Ea in eV,
    with the probabilities `weights`; `activation_energy_ev` and `ln_prefactor_cm2_s` are
    their means. `straightness` says how well a single line fits, `temperature_range_k`
    what was fitted.
    """

    activation_energy_ev: float
    ln_prefactor_cm2_s: float
    straightness: Straightness
    credible_level: float
    temperature_range_k: tuple[float, float]
    n_temperatures: int
    n_runs: int
    draws: NDArray[np.float64] = field(repr=False)
    weights: NDArray[np.float64] = field(repr=False)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of (ln D0, Ea), shape (2, 2)."""
        return np.cov(self.draws, rowvar=False, aweights=self.weights, ddof=0)

    @property
    def activation_energy_interval_ev(self) -> tuple[float, float]:
        """Bounds of the credible interval of Ea in eV."""
        low, high = self._interval(self.draws[:, 1])
        return low, high

    @property
    def prefactor_cm2_s(self) -> float:
        """Median D0 in cm2/s."""
        return float(np.exp(self.ln_prefactor_cm2_s))

    @property
    def prefactor_interval_cm2_s(self) -> tuple[float, float]:
        """Bounds of the credible interval of D0 in cm2/s."""
        low, high = np.exp(self._interval(self.draws[:, 0]))
        return float(low), float(high)

    def diffusivity_cm2_s(self, temperature_kelvin: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
        """Diffusivity at any temperature.

        Parameters
        ----------
        temperature_kelvin : array_like
            Any shape, in kelvin.

        Returns
        -------
        median, low, high : ndarray
            In cm2/s, of the same shape.

        Raises
        ------
        TransportError
            If a temperature is not positive.
        """
        kelvin = np.asarray(temperature_kelvin, dtype=float)
        if not (kelvin > 0).all():
            raise TransportError("a diffusivity is asked for at a temperature that is not positive")
        inverse_ev = 1 / (BOLTZMANN_EV_K * kelvin)
        median = np.exp(self.ln_prefactor_cm2_s - self.activation_energy_ev * inverse_ev)
        bounds = np.array(
            [self._interval(self.draws[:, 0] - self.draws[:, 1] * one) for one in inverse_ev.flat]
        )
        low, high = (np.exp(bound).reshape(kelvin.shape) for bound in bounds.reshape(-1, 2).T)
        return median, low, high

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

    def extrapolation_ratio(self, temperature_k: float) -> float:
        """How far a temperature lies outside of what was fitted.

        Parameters
        ----------
        temperature_k : float
            Temperature in kelvin.

        Returns
        -------
        float
            Distance in 1/T over the width of the fitted range in 1/T; 0 within it.
        """
        coldest, hottest = self.temperature_range_k
        outside = max(1 / temperature_k - 1 / coldest, 1 / hottest - 1 / temperature_k, 0.0)
        return outside / (1 / coldest - 1 / hottest)

    def _interval(self, values: NDArray) -> tuple[float, float]:
        """Bounds of the central interval of one value a draw."""
        order = np.argsort(values)
        weights = self.weights[order]
        share = np.cumsum(weights) - weights / 2
        ends = (1 - self.credible_level) / 2, (1 + self.credible_level) / 2
        low, high = np.interp(ends, share, values[order])
        return float(low), float(high)


def fit_arrhenius(
    temperature_kelvin: ArrayLike,
    diffusivity_cm2_s: ArrayLike,
    sigma_cm2_s: ArrayLike,
    *,
    bounds: ArrayLike | None = None,
    bound_confidence: float = VERDICT_RULES.confidence,
    credible_level: float = 0.95,
    min_temperatures: int = 3,
) -> ArrheniusFit:
    """Fit an Arrhenius line to diffusivities with their errors.

    Each posterior is taken as lognormal about the value given. Runs of one temperature
    are replicas; how far runs scatter beyond their errors is part of the posterior
    (`spread.prior_spread`).

    Parameters
    ----------
    temperature_kelvin : array_like, shape (n,)
        Temperatures in kelvin.
    diffusivity_cm2_s : array_like, shape (n,)
        Diffusivities in cm2/s.
    sigma_cm2_s : array_like, shape (n,)
        Their standard deviations in cm2/s.
    bounds : array_like, shape (m, 2), optional
        Temperatures in kelvin and upper bounds of D in cm2/s of runs without diffusion.
    bound_confidence : float, optional
        One-sided confidence of the bounds.
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
        If there are too few temperatures or values that are not positive; if D falls as
        the temperature rises; if the line has a kink or a step, is curved or, with fewer
        than five temperatures, scatters beyond its errors; if Ea is not resolved; or if a
        bound contradicts the line.
    """
    t, d, sigma = (
        np.asarray(values, dtype=float)
        for values in (temperature_kelvin, diffusivity_cm2_s, sigma_cm2_s)
    )
    if not t.shape == d.shape == sigma.shape or t.ndim != 1:
        raise TransportError("temperatures, diffusivities and their errors differ in length")
    if not np.isfinite([t, d, sigma]).all() or not (np.concatenate([t, d, sigma]) > 0).all():
        raise TransportError(
            "temperatures, diffusivities and their errors must be positive numbers"
        )
    return fit_ln_arrhenius(
        t,
        np.log(d),
        np.sqrt(np.log1p((sigma / d) ** 2)),
        bounds=bounds,
        bound_confidence=bound_confidence,
        credible_level=credible_level,
        min_temperatures=min_temperatures,
    )


def fit_ln_arrhenius(
    temperature_kelvin: NDArray,
    ln_diffusivity: NDArray,
    ln_sd: NDArray,
    *,
    bounds: ArrayLike | None = None,
    bound_confidence: float = VERDICT_RULES.confidence,
    credible_level: float = 0.95,
    min_temperatures: int = 3,
) -> ArrheniusFit:
    """Fit an Arrhenius line to the means and standard deviations of ln D.

    Parameters
    ----------
    temperature_kelvin : ndarray, shape (n,)
        Temperatures in kelvin.
    ln_diffusivity, ln_sd : ndarray, shape (n,)
        Posterior moments of ln D, D in cm2/s.
    bounds, bound_confidence, credible_level, min_temperatures
        As in `fit_arrhenius`.

    Returns
    -------
    ArrheniusFit

    Raises
    ------
    TransportError
        As `fit_arrhenius`.
    """
    t, ln_d, ln_sd = (
        np.asarray(v, dtype=float) for v in (temperature_kelvin, ln_diffusivity, ln_sd)
    )
    if not np.isfinite([t, ln_d, ln_sd]).all() or not ((t > 0).all() and (ln_sd > 0).all()):
        raise TransportError("temperatures and the errors of ln D must be positive numbers")
    if not 0 < credible_level < 1 or not 0.5 < bound_confidence < 1:
        raise TransportError(
            "a probability is out of range: give credible_level within 0 to 1 "
            "and bound_confidence within 0.5 to 1"
        )
    n_different = len(np.unique(t))
    least = max(3, min_temperatures)
    if n_different < least:
        plural = "s" * (n_different != 1)
        raise TransportError(
            f"{n_different} temperature{plural} with a diffusivity: {least} are needed"
        )
    refuse_falling(t, ln_d, ln_sd)
    straightness = examine_line(1 / t, ln_d, ln_sd)
    refuse_bent(straightness)
    if straightness.scattered:
        ln_sd = widen_to_scatter(1 / t, ln_d, ln_sd)
    line = np.stack([np.ones_like(t), -1 / (BOLTZMANN_EV_K * t)], axis=1)
    draws, weights = _draw(prior_spread(ln_sd).fit(line, ln_d))
    fit = _summary(draws, weights, straightness, t, credible_level)
    if fit.activation_energy_interval_ev[0] <= 0:
        low, high = fit.activation_energy_interval_ev
        raise TransportError(f"the activation energy is not resolved: {low:.2f} to {high:.2f} eV")
    if bounds is None or np.size(bounds) == 0:
        return fit
    kelvin, bound = _checked_bounds(bounds)
    _refuse_contradicted(fit, kelvin, bound, bound_confidence)
    weights = weights * _bound_likelihood(draws, kelvin, bound, bound_confidence)
    return _summary(draws, weights / weights.sum(), straightness, t, credible_level)


def _summary(
    draws: NDArray, weights: NDArray, straightness: Straightness, t: NDArray, level: float
) -> ArrheniusFit:
    """Gather a fit of the temperatures t."""
    ln_prefactor, energy = weights @ draws
    return ArrheniusFit(
        activation_energy_ev=float(energy),
        ln_prefactor_cm2_s=float(ln_prefactor),
        straightness=straightness,
        credible_level=level,
        temperature_range_k=(float(t.min()), float(t.max())),
        n_temperatures=len(np.unique(t)),
        n_runs=len(t),
        draws=draws,
        weights=weights,
    )


def _draw(posterior: LinearPosterior) -> tuple[NDArray, NDArray]:
    """Spread points evenly over a mixture: (n_draws, 2) and their weights (n_draws,)."""
    normal = _even_normals()
    roots = np.linalg.cholesky(posterior.covariances)
    draws = posterior.centres[:, None] + np.einsum("gij,nj->gni", roots, normal)
    weights = np.repeat(posterior.spread.weights / len(normal), len(normal))
    return draws.reshape(-1, 2), weights


@lru_cache(maxsize=1)
def _even_normals() -> NDArray[np.float64]:
    """Points of a two-dimensional normal distribution, even and in opposite pairs."""
    index = np.arange(N_DRAWS)
    golden = (np.sqrt(5) - 1) / 2
    uniform = np.stack([(index + 0.5) / N_DRAWS, (0.5 + index * golden) % 1], axis=1)
    half = special.ndtri(uniform)
    return np.concatenate([half, -half])


def _checked_bounds(bounds: ArrayLike) -> tuple[NDArray, NDArray]:
    """Split bounds into temperatures and upper bounds, each of shape (m,)."""
    pairs = np.asarray(bounds, dtype=float)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not (np.isfinite(pairs) & (pairs > 0)).all():
        raise TransportError(
            "bounds must be pairs of a temperature and an upper bound of D, both positive"
        )
    return pairs[:, 0], pairs[:, 1]


def _refuse_contradicted(
    fit: ArrheniusFit, kelvin: NDArray, bound: NDArray, confidence: float
) -> None:
    """Refuse a line that lies above a bound."""
    _, low, _ = fit.diffusivity_cm2_s(kelvin)
    worst = np.argmax(low / bound)
    if low[worst] > bound[worst]:
        raise TransportError(
            f"the line has D above {low[worst]:.1e} cm2/s at {kelvin[worst]:g} K, where it is "
            f"below {bound[worst]:.1e} ({100 * confidence:g} %)"
        )


def _bound_likelihood(
    draws: NDArray, kelvin: NDArray, bound: NDArray, confidence: float
) -> NDArray[np.float64]:
    """Probability of seeing no diffusion, shape (n_draws,), one half at the bound itself.

    A run in which nothing jumps excludes the bound B with the confidence c, and so 2 B
    with 1 - (1 - c)^2 (Poisson); a normal distribution in ln D of that width is gentler
    than Poisson's below 2 B, so that a bound well above the line changes nothing.
    """
    width = np.log(2) / special.ndtri(1 - (1 - confidence) ** 2)
    ln_d = draws[:, :1] - draws[:, 1:] / (BOLTZMANN_EV_K * kelvin)
    return np.exp(special.log_ndtr((np.log(bound) - ln_d) / width).sum(axis=1))
