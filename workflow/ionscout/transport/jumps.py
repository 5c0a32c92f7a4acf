"""Jumps of ions between sites, told from rattling."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMOOTHING_PS = 0.2
SITE_DISTANCE_ANG = 1.5


@dataclass(frozen=True)
class Jumps:
    """Jumps of each ion, arrays of shape (n_ions,), and how long they are.

    `n_jumps` counts all of them, `n_sites` the distinct sites an ion was on,
    `n_returns` the jumps that led back to a site it had been on before, and
    `displaced` says whether it ends on another site than it began on.
    `length_ang` is the root mean square length of all jumps, 0 where there was none.
    """

    n_jumps: NDArray[np.int64]
    n_sites: NDArray[np.int64]
    n_returns: NDArray[np.int64]
    displaced: NDArray[np.bool_]
    length_ang: float

    @property
    def n_escapes(self) -> int:
        """Jumps to a new site that may be the beginning of diffusion.

        An ion that comes back shows that one of its new sites belongs to a pair
        between which it only swings.
        """
        return int(np.maximum(self.n_sites - 1 - np.minimum(self.n_returns, 1), 0).sum())

    @property
    def n_travellers(self) -> int:
        """Ions that were on three sites or more."""
        return int((self.n_sites >= 3).sum())


def find_jumps(
    positions_ang: ArrayLike,
    *,
    frame_interval_fs: float,
    site_distance_ang: float = SITE_DISTANCE_ANG,
) -> Jumps:
    """Follow each ion from site to site.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions in angstrom, drift removed.
    frame_interval_fs : float
        Time between frames in fs.
    site_distance_ang : float, optional
        How far its mean over `SMOOTHING_PS` must lie from the ion's site, and stay
        through the next such mean, to count as a jump.

    Returns
    -------
    Jumps
    """
    means = _block_means(np.asarray(positions_ang), frame_interval_fs)
    n_ions = means.shape[1]
    site = means[0].copy()
    visited = [[place] for place in site.copy()]
    n_jumps, n_returns = np.zeros(n_ions, dtype=np.int64), np.zeros(n_ions, dtype=np.int64)
    squares_ang2 = 0.0
    for now, after in pairwise(means[1:]):
        left = np.linalg.norm(now - site, axis=1) > site_distance_ang
        left &= np.linalg.norm(after - site, axis=1) > site_distance_ang
        for ion in np.flatnonzero(left):
            squares_ang2 += ((after[ion] - site[ion]) ** 2).sum()
            site[ion] = after[ion]
            n_jumps[ion] += 1
            distances = np.linalg.norm(np.array(visited[ion]) - after[ion], axis=1)
            if distances.min() <= site_distance_ang:
                n_returns[ion] += 1
            else:
                visited[ion].append(after[ion].copy())
    start = np.array([places[0] for places in visited])
    displaced = np.linalg.norm(site - start, axis=1) > site_distance_ang
    return Jumps(
        n_jumps=n_jumps,
        n_sites=np.array([len(places) for places in visited]),
        n_returns=n_returns,
        displaced=displaced,
        length_ang=float(np.sqrt(squares_ang2 / max(n_jumps.sum(), 1))),
    )


def _block_means(positions: NDArray, frame_interval_fs: float) -> NDArray[np.float64]:
    """Positions averaged over consecutive blocks, shape (n_blocks, n_ions, 3)."""
    width = max(1, round(1000 * SMOOTHING_PS / frame_interval_fs))
    width = min(width, max(1, len(positions) // 3))
    n_blocks = len(positions) // width
    blocks = positions[: n_blocks * width].reshape(n_blocks, width, *positions.shape[1:])
    return blocks.mean(axis=1)
