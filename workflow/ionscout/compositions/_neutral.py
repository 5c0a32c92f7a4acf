"""Neutral amounts found and scored, compiled.

A class is the oxidation states of X, Y and Z, lithium having +1. For each class and each a, b
and c there is at most one d that makes the charges zero: it is solved for once a class, and
the neutral amounts of a system are the union of its classes'.
"""

from __future__ import annotations

import numba
import numpy as np

from ionscout.compositions._sweep import sweep

_compile = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compile
def solve_classes(classes, places, masks):
    """Mark the neutral amounts of each class.

    Parameters
    ----------
    classes : array of int, shape (n_classes, 3)
    places : array of int, shape (max_amount + 1,) * 4
        Place of amounts (a, b, c, d) in their list, -1 where they are not in it.
    masks : array of uint64, shape (n_classes, n_words)
        Written.
    """
    max_amount = len(places) - 1
    for i in range(len(classes)):
        q_x, q_y, q_z = classes[i]
        first = min(1, abs(q_x))
        for a in range(1, max_amount + 1):
            for b in range(first, first * max_amount + 1):
                for c in range(1, max_amount + 1):
                    charge = a + b * q_x + c * q_y
                    d = -charge // q_z
                    if charge + d * q_z == 0 and 1 <= d <= max_amount:
                        place = places[a, b, c, d]
                        if place >= 0:
                            masks[i, place >> 6] |= np.uint64(1) << np.uint64(place & 63)


@_compile
def sweep_groups(first, end, groups, neutral, parts, positions, bins, tally, best, counts):
    """Score the neutral compositions of some groups of systems.

    Parameters
    ----------
    first, end : int
        Groups from the first to before the end.
    groups : tuple
        The last four arrays of `ChargeGroups`.
    neutral : tuple
        The arrays of `NeutralAmounts`.
    parts, positions, bins, tally, best
        As in `ionscout.compositions._sweep.sweep`, of all systems of all groups.
    counts : array of int, shape (n_systems,)
        Number of neutral compositions of each system. Written.
    """
    class_rows, class_ends, systems, system_ends = groups
    ternary, quaternary, masks = neutral
    for g in range(first, end):
        rows = class_rows[(class_ends[g - 1] if g else 0) : class_ends[g]]
        low, high = (system_ends[g - 1] if g else 0), system_ends[g]
        listed = quaternary if systems[low, 0] else ternary
        amounts = listed[_union(masks, rows, len(listed))]
        counts[low:high] = len(amounts)
        if len(amounts):
            sweep(
                amounts,
                systems[low:high],
                (parts[0][low:high], parts[1][low:high], parts[2]),
                (positions[0][low:high], positions[1], positions[2][low:high]),
                bins,
                tally,
                (best[0][low:high], best[1][low:high]),
            )


@_compile
def _union(masks, rows, n_amounts):
    """List the places that any of the classes marks, rising."""
    union = np.zeros(masks.shape[1], dtype=np.uint64)
    for row in rows:
        for w in range(len(union)):
            union[w] |= masks[row, w]
    places = np.empty(n_amounts, dtype=np.int64)
    n = 0
    for w in range(len(union)):
        if union[w]:
            for k in range(64):
                if union[w] >> np.uint64(k) & np.uint64(1):
                    places[n] = 64 * w + k
                    n += 1
    return places[:n]
