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
_DISTINCT_EV = 1e-3


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
    label_charges_e : ndarray, shape (n_labels + 1,)
        Charge of each label in e; 0 for a vacancy.
    pair_ev : ndarray, shape (n_partial, n_partial)
        Ewald energy of unit charges.
    field_ev : ndarray, shape (n_partial,)
        Ewald energy of a unit charge with the fully occupied sites.
    close, overlapping : ndarray, shape (n_partial, n_partial)
        0.5 for two positions too close to be both occupied, else 0; the second
        of those that no relaxation parts.
    close_fixed, overlapping_fixed : ndarray, shape (n_partial,)
        Number of fully occupied sites too close to the position.
    """

    partial: np.ndarray
    kinds: np.ndarray
    label_charges_e: np.ndarray
    pair_ev: np.ndarray
    field_ev: np.ndarray
    close: np.ndarray
    close_fixed: np.ndarray
    overlapping: np.ndarray
    overlapping_fixed: np.ndarray

    @classmethod
    def of(
        cls, cell: Structure, *, partial: list[int], charges_e: dict[str, float], labels: list[str]
    ) -> Positions:
        """Compute what acts between the positions of a cell.

        Parameters
        ----------
        cell : pymatgen.core.Structure
            Without oxidation states.
        partial : list of int
            The partially occupied sites.
        charges_e : dict of str to float
            Charge by element.
        labels : list of str
            The elements that the labels 1, 2, ... stand for.

        Returns
        -------
        Positions
        """
        fixed = sorted(set(range(len(cell))) - set(partial))
        unit = Structure(cell.lattice, ["Li+"] * len(cell), cell.frac_coords)
        energy_ev = EwaldSummation(unit, acc_factor=_EWALD_DIGITS).total_energy_matrix
        mean_e = np.array(
            [sum(charges_e[el.symbol] * x for el, x in site.species.items()) for site in cell]
        )
        elements = [tuple(sorted(el.symbol for el in cell[i].species)) for i in partial]
        kinds = {names: kind for kind, names in enumerate(sorted(set(elements)))}
        like_ang, unlike_ang = LIKE_CHARGES_ANG, UNLIKE_CHARGES_ANG
        close = _closer(cell, mean_e, like_ang=like_ang, unlike_ang=unlike_ang)
        overlapping = _closer(cell, mean_e, like_ang=unlike_ang, unlike_ang=unlike_ang)
        within, across = np.ix_(partial, partial), np.ix_(partial, fixed)
        return cls(
            partial=np.array(partial),
            kinds=np.array([kinds[names] for names in elements]),
            label_charges_e=np.array([0.0, *(charges_e[symbol] for symbol in labels)]),
            pair_ev=energy_ev[within],
            field_ev=2 * energy_ev[across] @ mean_e[fixed],
            close=0.5 * close[within],
            close_fixed=close[across].sum(axis=1).astype(float),
            overlapping=0.5 * overlapping[within],
            overlapping_fixed=overlapping[across].sum(axis=1).astype(float),
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

    def n_overlaps(self, decoration: np.ndarray) -> int:
        """Count the pairs of occupied positions that no relaxation parts.

        Parameters
        ----------
        decoration : ndarray of int, shape (n_partial,)

        Returns
        -------
        int
        """
        occupied = (decoration > 0).astype(float)
        return round(occupied @ self.overlapping @ occupied + self.overlapping_fixed @ occupied)


def _closer(
    cell: Structure, charges_e: np.ndarray, *, like_ang: float, unlike_ang: float
) -> np.ndarray:
    """Mark the pairs of sites closer than two atoms of like or unlike charge can be."""
    signs = np.sign(charges_e)
    least_ang = np.where(signs[:, None] * signs[None, :] > 0, like_ang, unlike_ang)
    hydrogen = np.array([any(el.symbol in ("H", "D") for el in site.species) for site in cell])
    least_ang[hydrogen[:, None] | hydrogen[None, :]] = HYDROGEN_ANG
    closer = cell.distance_matrix < least_ang
    np.fill_diagonal(closer, False)
    return closer


def low_decorations(
    positions: Positions, labels: list[np.ndarray], *, n_trials: int, n_wanted: int, seed: int
) -> list[tuple[np.ndarray, float]]:
    """Find decorations of low energy that no symmetry makes equal.

    Random decorations are ranked; the best few go downhill by swaps within
    their sublattices and, where atoms are still too close, between sublattices
    of the same elements. The lowest of them comes first. After it come the
    lowest of all others, and of those one swap away from it, each of an energy
    of its own and with no more atoms too close.

    Parameters
    ----------
    positions : Positions
    labels : list of ndarray of int
        One array a sublattice, in the order of `positions.partial`: the labels
        to distribute over its positions.
    n_trials : int
    n_wanted : int
        Most decorations returned.
    seed : int

    Returns
    -------
    list of (ndarray of int, shape (n_partial,), float)
        Decorations and their energies in eV but for a constant, lowest first.
    """
    rng = np.random.default_rng(seed)
    trials = np.hstack([rng.permuted(np.tile(one, (n_trials, 1)), axis=1) for one in labels])
    lowest = np.argsort(positions.energies_ev(trials), kind="stable")[:_IMPROVED]
    groups = np.repeat(np.arange(len(labels)), [len(one) for one in labels])
    improved = np.array([_descend(positions, trials[i], groups) for i in lowest])
    if not (positions.n_close(improved) == 0).any():
        groups = positions.kinds
        improved = np.array([_descend(positions, one, groups) for one in improved])
    energies_ev = positions.energies_ev(improved)
    first = int(np.argmin(energies_ev))
    ranked = [(improved[first], float(energies_ev[first]))]
    if n_wanted == 1:
        return ranked
    others = np.concatenate([improved, _one_swap_away(positions, improved[first], groups), trials])
    others = others[positions.n_close(others) <= positions.n_close(improved[[first]])[0]]
    energies_ev = positions.energies_ev(others)
    for i in np.argsort(energies_ev, kind="stable"):
        if len(ranked) == n_wanted:
            break
        if energies_ev[i] > ranked[-1][1] + _DISTINCT_EV:
            ranked.append((others[i], float(energies_ev[i])))
    return ranked


def _one_swap_away(positions: Positions, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """List the decorations that one swap within a group makes, one an energy."""
    swaps = np.triu((groups[:, None] == groups) & (labels[:, None] != labels))
    first, second = np.nonzero(swaps)
    change_ev = _swap_energies_ev(positions, labels)[first, second]
    _, distinct = np.unique(np.round(change_ev / _DISTINCT_EV), return_index=True)
    first, second = first[distinct], second[distinct]
    swapped = np.tile(labels, (len(distinct), 1))
    rows = np.arange(len(distinct))
    swapped[rows, first], swapped[rows, second] = labels[second], labels[first]
    return swapped


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
