"""Decorations of partially occupied positions, ranked by Ewald energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure

LIKE_CHARGES_ANG = 1.5
UNLIKE_CHARGES_ANG = 1.0
HYDROGEN_ANG = 0.6
_EWALD_DIGITS = 6
_TOO_CLOSE_EV = 1e3
_IMPROVED = 10
_MAX_SWAPS = 300
_ENERGY_STEP_EV = 1e-6


@dataclass(frozen=True)
class Positions:
    """Positions of a cell that decorations share, and what acts between them.

    A decoration is an integer label by position: 0 is vacant, the others are
    species with the charge `label_charges_e[label]`.

    Attributes
    ----------
    partial : ndarray of int, shape (n_partial,)
        Indices of the partially occupied sites in the cell.
    kinds : ndarray of int, shape (n_partial,)
        Equal for positions that the same set of elements may occupy.
    label_charges_e : ndarray, shape (n_labels,)
        Charge of each label in e.
    pair_ev : ndarray, shape (n_partial, n_partial)
        Ewald energy of unit charges.
    field_ev : ndarray, shape (n_partial,)
        Ewald energy of a unit charge with the fully occupied sites.
    close : ndarray, shape (n_partial, n_partial)
        0.5 for two positions too close to be both occupied, else 0.
    close_fixed : ndarray, shape (n_partial,)
        Number of fully occupied sites too close to the position.
    """

    partial: np.ndarray
    kinds: np.ndarray
    label_charges_e: np.ndarray
    pair_ev: np.ndarray
    field_ev: np.ndarray
    close: np.ndarray
    close_fixed: np.ndarray

    @classmethod
    def of(
        cls,
        cell: Structure,
        *,
        partial: list[int],
        fixed_charges_e: list[float],
        label_charges_e: list[float],
        mean_charges_e: list[float],
        elements: list[tuple[str, ...]],
    ) -> Positions:
        """Compute what acts between the positions of a cell.

        Parameters
        ----------
        cell : pymatgen.core.Structure
        partial : list of int
            The partially occupied sites.
        fixed_charges_e : list of float
            Charges of the other sites, in the order of the cell.
        label_charges_e : list of float
        mean_charges_e : list of float
            Mean charge by partial site; its sign says which distances are too close.
        elements : list of tuple of str
            The elements that may occupy each partial site.

        Returns
        -------
        Positions
        """
        taken = set(partial)
        fixed = [i for i in range(len(cell)) if i not in taken]
        unit = Structure(cell.lattice, ["Li+"] * len(cell), cell.frac_coords)
        energy_ev = EwaldSummation(unit, acc_factor=_EWALD_DIGITS).total_energy_matrix
        charges_e = np.zeros(len(cell))
        charges_e[fixed], charges_e[partial] = fixed_charges_e, mean_charges_e
        has_hydrogen = np.array([any(el.symbol == "H" for el in site.species) for site in cell])
        close = _too_close(cell, charges_e, has_hydrogen)
        kinds = {names: kind for kind, names in enumerate(sorted(set(elements)))}
        return cls(
            partial=np.array(partial),
            kinds=np.array([kinds[names] for names in elements]),
            label_charges_e=np.array(label_charges_e),
            pair_ev=energy_ev[np.ix_(partial, partial)],
            field_ev=2 * energy_ev[np.ix_(partial, fixed)] @ np.array(fixed_charges_e),
            close=0.5 * close[np.ix_(partial, partial)],
            close_fixed=close[np.ix_(partial, fixed)].sum(axis=1).astype(float),
        )

    def energies_ev(self, decorations: np.ndarray) -> np.ndarray:
        """Energy of decorations but for a constant, with a penalty a pair too close.

        Parameters
        ----------
        decorations : ndarray of int, shape (n_decorations, n_partial)

        Returns
        -------
        ndarray, shape (n_decorations,)
            In eV.
        """
        charges_e = self.label_charges_e[decorations]
        return (
            ((charges_e @ self.pair_ev) * charges_e).sum(axis=1)
            + charges_e @ self.field_ev
            + _TOO_CLOSE_EV * self.n_close(decorations)
        )

    def n_close(self, decorations: np.ndarray) -> np.ndarray:
        """Count the pairs of occupied positions that are too close.

        Parameters
        ----------
        decorations : ndarray of int, shape (n_decorations, n_partial)

        Returns
        -------
        ndarray, shape (n_decorations,)
        """
        occupied = (decorations > 0).astype(float)
        return ((occupied @ self.close) * occupied).sum(axis=1) + occupied @ self.close_fixed


def _too_close(cell: Structure, charges_e: np.ndarray, has_hydrogen: np.ndarray) -> np.ndarray:
    like = np.sign(charges_e)[:, None] * np.sign(charges_e)[None, :] > 0
    least_ang = np.where(like, LIKE_CHARGES_ANG, UNLIKE_CHARGES_ANG)
    least_ang[has_hydrogen[:, None] | has_hydrogen[None, :]] = HYDROGEN_ANG
    close = cell.distance_matrix < least_ang
    np.fill_diagonal(close, False)
    return close


def best_decoration(
    positions: Positions, labels: list[np.ndarray], *, n_trials: int, seed: int
) -> np.ndarray:
    """Find a decoration of low energy.

    Random decorations are ranked; the best few go downhill by swaps within
    their sublattices and, where atoms are still too close, between sublattices
    of the same elements. The lowest is taken.

    Parameters
    ----------
    positions : Positions
    labels : list of ndarray of int
        One array a sublattice, in the order of `positions.partial`: the labels
        to distribute over its positions.
    n_trials : int
    seed : int

    Returns
    -------
    ndarray of int, shape (n_partial,)
    """
    rng = np.random.default_rng(seed)
    trials = np.hstack([rng.permuted(np.tile(one, (n_trials, 1)), axis=1) for one in labels])
    lowest = np.argsort(positions.energies_ev(trials), kind="stable")[:_IMPROVED]
    sublattice = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
    improved = np.array([_descend(positions, trials[i], sublattice) for i in lowest])
    if not (positions.n_close(improved) == 0).any():
        improved = np.array([_descend(positions, one, positions.kinds) for one in improved])
    return improved[np.argmin(positions.energies_ev(improved))]


def _descend(positions: Positions, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Swap the two positions of a group that lower the energy most, until none does."""
    labels = labels.copy()
    same_group = groups[:, None] == groups[None, :]
    for _ in range(_MAX_SWAPS):
        change_ev = np.where(same_group, _swap_energies_ev(positions, labels), 0.0)
        i, j = np.unravel_index(np.argmin(change_ev), change_ev.shape)
        if change_ev[i, j] > -_ENERGY_STEP_EV:
            break
        labels[[i, j]] = labels[[j, i]]
    return labels


def _swap_energies_ev(positions: Positions, labels: np.ndarray) -> np.ndarray:
    """Change of the energy when two positions exchange what they hold, for all pairs."""
    return _exchange(
        positions.pair_ev, positions.field_ev, positions.label_charges_e[labels]
    ) + _TOO_CLOSE_EV * _exchange(
        positions.close, positions.close_fixed, (labels > 0).astype(float)
    )


def _exchange(pair: np.ndarray, field: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Change of `values @ pair @ values + field @ values` when two values are exchanged."""
    slope = 2 * pair @ values + field
    gained = values[None, :] - values[:, None]
    curvature = np.diag(pair)[:, None] + np.diag(pair)[None, :] - 2 * pair
    return gained * (slope[:, None] - slope[None, :]) + gained**2 * curvature
