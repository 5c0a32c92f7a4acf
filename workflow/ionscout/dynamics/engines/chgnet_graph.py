"""CHGNet's atom and bond graphs, as the rows that its messages run over."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from ionscout.dynamics.neighbours import Pairs


@dataclass(frozen=True)
class Rows:
    """Messages, one a row: where each takes its features from and where it goes.

    Attributes
    ----------
    start, end : ndarray of int, shape (n_rows,)
        Rows of two tables that a message's first layer adds up.
    link : Tensor of int, shape (n_rows,), or None
        Row of the third table; None where each row has features of its own.
    weight_of : ndarray of int, shape (n_rows,)
        Bond whose weight scales the message.
    owner : ndarray of int, shape (n_rows,)
        Where the message is added.
    """

    start: np.ndarray
    end: np.ndarray
    link: Tensor | None
    weight_of: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Graph:
    """Bonds and angles of a crystal, each bond once, short bonds first.

    A short bond b seen from its first atom is the directed bond b, seen from its
    second atom the directed bond b + n_short. An angle is two directed bonds from one
    atom, its apex; it appears once as a pair and twice, from each of its bonds, as a row.

    Attributes
    ----------
    n_short : int
        Number of bonds in the bond graph.
    first, second : ndarray of int, shape (n_bonds,)
        Atoms of each bond.
    apex : Tensor of int, shape (2 * n_short,)
        Atom from which each directed bond starts.
    pair_from, pair_to : Tensor of int, shape (n_angles,)
        The two directed bonds of each angle.
    bond_from, bond_to : ndarray of int, shape (2 * n_angles,)
        The two directed bonds of each row, grouped by the first.
    pair : Tensor of int, shape (2 * n_angles,)
        The angle of each row.
    """

    n_short: int
    first: np.ndarray
    second: np.ndarray
    apex: Tensor
    pair_from: Tensor
    pair_to: Tensor
    bond_from: np.ndarray
    bond_to: np.ndarray
    pair: Tensor

    def atom_rows(self) -> Rows:
        """Return the messages from atom to atom: each bond from both its ends."""
        start = np.concatenate([self.first, self.second])
        end = np.concatenate([self.second, self.first])
        bond = np.tile(np.arange(len(self.first)), 2)
        return Rows(start, end, torch.as_tensor(bond), bond, start)

    def bond_rows(self, link: Tensor | None) -> Rows:
        """Return the messages from bond to bond, each over an angle."""
        start = self.bond_from % max(self.n_short, 1)
        return Rows(start, self.bond_to, link, self.bond_to % max(self.n_short, 1), start)

    def angle_rows(self, link: Tensor | None) -> Rows:
        """Return the messages from two bonds to their angle, without weights."""
        own = np.arange(len(self.bond_from))
        start = self.bond_from % max(self.n_short, 1)
        return Rows(start, self.bond_to, link, np.zeros_like(own), own)


def build_graph(pairs: Pairs, *, short_ang: float) -> tuple[Graph, Pairs]:
    """Build CHGNet's atom and bond graphs.

    Parameters
    ----------
    pairs : Pairs
        All bonds of the atom graph.
    short_ang : float
        Length up to which a bond belongs to the bond graph, in angstrom.

    Returns
    -------
    graph : Graph
    pairs : Pairs
        The bonds in the graph's order, the short ones first.
    """
    is_long = pairs.distance_ang > short_ang
    pairs = pairs.select(np.argsort(is_long, kind="stable"))
    n_short = int(np.count_nonzero(~is_long))
    apex = np.concatenate([pairs.first[:n_short], pairs.second[:n_short]])
    by_apex = np.argsort(apex, kind="stable")
    sorted_apex = apex[by_apex]
    group_start = np.searchsorted(sorted_apex, sorted_apex, side="left")
    group_end = np.searchsorted(sorted_apex, sorted_apex, side="right")
    pair_from, pair_to, bond_from, bond_to, pair = _list_angles(by_apex, group_start, group_end)
    graph = Graph(
        n_short=n_short,
        first=pairs.first,
        second=pairs.second,
        apex=torch.as_tensor(apex),
        pair_from=torch.as_tensor(pair_from),
        pair_to=torch.as_tensor(pair_to),
        bond_from=bond_from,
        bond_to=bond_to,
        pair=torch.as_tensor(pair),
    )
    return graph, pairs


@numba.njit(cache=True)
def _list_angles(by_apex, group_start, group_end):
    """List each two directed bonds of one group, as pairs and as rows both ways."""
    n_rows = np.sum(group_end - group_start - 1)
    pair_from, pair_to = np.empty(n_rows // 2, np.int64), np.empty(n_rows // 2, np.int64)
    bond_from, bond_to = np.empty(n_rows, np.int64), np.empty(n_rows, np.int64)
    pair = np.empty(n_rows, np.int64)
    n_pairs = 0
    row_of_group = 0
    for i in range(len(by_apex)):
        start, size = group_start[i], group_end[i] - group_start[i]
        if i == start and i > 0:
            previous = i - group_start[i - 1]
            row_of_group += previous * (previous - 1)
        for j in range(i + 1, group_end[i]):
            pair_from[n_pairs], pair_to[n_pairs] = by_apex[i], by_apex[j]
            row = row_of_group + (i - start) * (size - 1) + j - start - 1
            bond_from[row], bond_to[row], pair[row] = by_apex[i], by_apex[j], n_pairs
            row = row_of_group + (j - start) * (size - 1) + i - start
            bond_from[row], bond_to[row], pair[row] = by_apex[j], by_apex[i], n_pairs
            n_pairs += 1
    return pair_from, pair_to, bond_from, bond_to, pair
