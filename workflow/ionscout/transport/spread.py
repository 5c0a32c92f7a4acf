"""How far independent runs scatter beyond their stated errors.

Two reasons are weighed by the runs themselves: stated errors that are all too small by
one factor, and runs that differ by more than they can tell (other sites occupied at the
start, other defects), which adds one variance to each run. With few runs the priors
speak; with replicas the data do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

TRUSTED_SHARE = 0.8
FACTORS = np.linspace(1.1, 2.1, 6)
BETWEEN_SHARE = 0.1
BETWEEN_WIDTH = 1.0
BETWEEN_FREEDOM = 4
BETWEEN_NODES = np.geomspace(0.1, 30.0, 24)
LEAST_WEIGHT = 1e-5


@dataclass(frozen=True)
class Spread:
    """Possible variances of the runs with their probabilities.

    Parameters
    ----------
    variances : ndarray, shape (n_nodes, n_runs)
        Of ln D.
    weights : ndarray, shape (n_nodes,)
        Probabilities; they sum to 1.
    """

    variances: NDArray[np.float64]
    weights: NDArray[np.float64]

    def fit(self, design: NDArray, values: NDArray) -> LinearPosterior:
        """Fit a linear model by least squares at each node and weigh the nodes by it.

        Parameters
        ----------
        design : ndarray, shape (n_runs, n_parameters)
            The linear model; its parameters have flat priors.
        values : ndarray, shape (n_runs,)
            What the runs found.

        Returns
        -------
        LinearPosterior

        References
        ----------
        Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), eqs. 5.20 and 5.21: the
        marginal posterior of the between-run variance.
        """
        inverse = 1 / self.variances
        precision = np.einsum("ni,gn,nj->gij", design, inverse, design)
        covariances = np.linalg.inv(precision)
        centres = np.einsum("gij,nj,gn->gi", covariances, design, inverse * values)
        chi2 = (inverse * (values - centres @ design.T) ** 2).sum(axis=1)
        _, ln_precision = np.linalg.slogdet(precision)
        ln_likelihood = -(np.log(self.variances).sum(axis=1) + ln_precision + chi2) / 2
        weights = self.weights * np.exp(ln_likelihood - ln_likelihood.max())
        weights /= weights.sum()
        kept = weights > LEAST_WEIGHT
        return LinearPosterior(
            Spread(self.variances[kept], weights[kept] / weights[kept].sum()),
            centres[kept],
            covariances[kept],
            chi2[kept],
        )


@dataclass(frozen=True)
class LinearPosterior:
    """A mixture of normal distributions of the parameters, one for each node of a spread.

    `centres` has shape (n_nodes, n_parameters), `covariances` (n_nodes, n_parameters,
    n_parameters), `chi2` (n_nodes,) the weighted squares about the fit.
    """

    spread: Spread
    centres: NDArray[np.float64]
    covariances: NDArray[np.float64]
    chi2: NDArray[np.float64]


def prior_spread(ln_sd: NDArray) -> Spread:
    """Spread of runs before they are compared.

    Parameters
    ----------
    ln_sd : ndarray, shape (n_runs,)
        Stated errors of ln D.

    Returns
    -------
    Spread
        With the probability `BETWEEN_SHARE` a variance t^2 is added to the stated ones, t
        half-Student of width `BETWEEN_WIDTH` times the median error. Otherwise the stated
        errors hold with the probability `TRUSTED_SHARE` or are too small by one of `FACTORS`.

    Notes
    -----
    A weaker belief in the stated errors would cover more than asked where they hold, a
    stronger one less where they are 1.5 times too small: one run at each of three
    temperatures cannot tell the two apart.
    """
    factors = np.concatenate([[1.0], FACTORS])
    by_factor = np.repeat([TRUSTED_SHARE, (1 - TRUSTED_SHARE) / len(FACTORS)], [1, len(FACTORS)])
    density = stats.t.pdf(BETWEEN_NODES, BETWEEN_FREEDOM) * BETWEEN_NODES
    between = BETWEEN_WIDTH * np.median(ln_sd) * BETWEEN_NODES
    return Spread(
        np.concatenate([(factors[:, None] * ln_sd) ** 2, ln_sd**2 + between[:, None] ** 2]),
        np.concatenate([(1 - BETWEEN_SHARE) * by_factor, BETWEEN_SHARE * density / density.sum()]),
    )


def replica_spread(groups: NDArray, values: NDArray, ln_sd: NDArray) -> Spread:
    """Spread of runs as their replicas show it, whatever line they lie on.

    Parameters
    ----------
    groups : ndarray, shape (n_runs,)
        Runs of one group are replicas (of one temperature).
    values, ln_sd : ndarray, shape (n_runs,)
        ln D and its stated errors.

    Returns
    -------
    Spread
        Without replicas that of the stated errors.
    """
    names = np.unique(groups)
    if len(names) == len(groups):
        return Spread(ln_sd[None] ** 2, np.ones(1))
    design = (groups[:, None] == names).astype(float)
    return prior_spread(ln_sd).fit(design, values).spread
