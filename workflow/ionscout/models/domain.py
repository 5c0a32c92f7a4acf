"""Is a material like those that a model learned from? The applicability domain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from ionscout.models._scaling import fit_scaling

N_NEIGHBOURS = 3
REACH_PERCENT = 95


@dataclass(frozen=True)
class Domain:
    """Where the training materials lie in standardised descriptor space.

    The distance of a material is the mean Euclidean distance to its three nearest
    training materials, in units of the reach: the 95th percentile of the same among the
    training materials themselves. At most 1 is inside.

    Attributes
    ----------
    mean, scale : array of float, shape (n_columns,)
    points : array of float, shape (n, n_columns)
        The training materials, standardised.
    reach : float
        Above 0.

    References
    ----------
    The k nearest neighbours as a domain: Sahigara et al., J. Cheminform. 5, 27 (2013),
    doi:10.1186/1758-2946-5-27.
    """

    mean: np.ndarray
    scale: np.ndarray
    points: np.ndarray
    reach: float

    @classmethod
    def around(cls, x: np.ndarray) -> Domain:
        """Measure the domain of training materials.

        Parameters
        ----------
        x : array of float, shape (n, n_columns)
            Descriptors, finite; at least two rows.

        Returns
        -------
        Domain
            With a reach of 1 where all training materials are alike.
        """
        mean, scale = fit_scaling(x)
        points = (x - mean) / scale
        apart = cdist(points, points)
        np.fill_diagonal(apart, np.inf)
        reach = float(np.percentile(_mean_of_nearest(apart), REACH_PERCENT))
        return cls(mean, scale, points, reach if reach > 0 else 1.0)

    def to_each(self, x: np.ndarray) -> np.ndarray:
        """Compute the distances of materials to every training material.

        Parameters
        ----------
        x : array of float, shape (n_asked, n_columns)

        Returns
        -------
        array of float, shape (n_asked, n)
            In standardised descriptor space, not divided by the reach.
        """
        return cdist((x - self.mean) / self.scale, self.points)

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Compute how far materials are from the training materials.

        Parameters
        ----------
        x : array of float, shape (n_asked, n_columns)

        Returns
        -------
        array of float, shape (n_asked,)
            In units of the reach.
        """
        return _mean_of_nearest(self.to_each(x)) / self.reach


def _mean_of_nearest(apart: np.ndarray) -> np.ndarray:
    """Average the smallest finite entries of each row."""
    finite = int(np.isfinite(apart).sum(axis=1).min())
    k = min(N_NEIGHBOURS, finite)
    return np.sort(apart, axis=1)[:, :k].mean(axis=1)
