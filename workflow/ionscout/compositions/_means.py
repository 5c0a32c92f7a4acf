"""Scores that are weighted means of one number an element, without enumeration, compiled.

With element numbers q_i and amounts n_i, floor(sum n_i q_i / sum n_i) is E or more where
sum n_i (q_i - E) is 0 or more, in whole numbers: nothing is rounded. How many compositions
reach an edge E is counted by sorting the sums of (Li, X) and ranking those of (Y, Z) among
them; amounts with a common divisor are taken away by Moebius inversion over boxes of amounts.
"""

from __future__ import annotations

import numba
import numpy as np

from ionscout.compositions._sweep import encode_one, is_better, push

# Unsigned indices spare the test for negative ones.
_ONE = np.uint64(1)
_NO_CODE = 2**62
_compile = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compile
def count_reaching(edge, units, pairs, sides, times):
    """Count the compositions whose score is an edge or more.

    Parameters
    ----------
    edge : int
        Units of the score.
    units : array of int, shape (n_elements,)
        The element's numbers, lithium's first.
    pairs : array of int, shape (n_pairs, 2)
        Pairs (y, z) in rising order: all compositions whose last elements they are.
    sides, times : array of int, shape (n_boxes,)
        Of `box_multiplicities`.

    Returns
    -------
    int
    """
    excess = units - edge
    total = 0
    for i in range(len(sides)):
        total += times[i] * _count_box(excess, pairs, sides[i])
    return total


@_compile
def _count_box(excess, pairs, side):
    """Count sums of 0 or more over all amounts up to a side, common divisors or not."""
    amounts = np.arange(1, side + 1)
    sums = np.sort(amounts * excess[0])
    starts = _index(sums)
    next_x, total = 1, 0
    for y, z in pairs:
        if y > next_x:
            sums = _merge(sums, _lithium_sums(excess, amounts, next_x, y))
            starts = _index(sums)
            next_x = y
        total += _count_pair(sums, starts, excess[y], excess[z], side)
    return total


@_compile
def _lithium_sums(excess, amounts, first, end):
    """All a e_Li + b e_X of the elements X from the first to before the end, sorted."""
    sums = np.empty((end - first, len(amounts), len(amounts)), dtype=np.int64)
    for x in range(first, end):
        for i in range(len(amounts)):
            for j in range(len(amounts)):
                sums[x - first, i, j] = amounts[i] * excess[0] + amounts[j] * excess[x]
    return np.sort(sums.ravel())


@_compile
def _merge(first, second):
    """Merge two sorted arrays."""
    merged = np.empty(len(first) + len(second), dtype=np.int64)
    i = j = 0
    for k in range(len(merged)):
        if j == len(second) or (i < len(first) and first[i] <= second[j]):
            merged[k] = first[i]
            i += 1
        else:
            merged[k] = second[j]
            j += 1
    return merged


@_compile
def _index(sums):
    """Find where each of equal buckets, twice as many as sums, starts in the sorted sums."""
    starts = np.zeros(2 * len(sums) + 1, dtype=np.int32)
    scale = _scale(sums, starts)
    for value in sums:
        starts[np.uint64((value - sums[0]) * scale) + _ONE] += 1
    n_before = np.int32(0)
    for bucket in range(len(starts)):
        n_before += starts[bucket]
        starts[bucket] = n_before
    return starts


@_compile
def _scale(sums, starts):
    """Buckets a unit, such that the last sum is in the last bucket."""
    return (len(starts) - 1.5) / (sums[-1] - sums[0] + 1.0)


@_compile
def _count_pair(sums, starts, e_y, e_z, side):
    """Count sums that c e_Y + d e_Z lifts to 0 or more, over all c and d.

    Buckets are in the order of sums, so that only those in the bucket of the lowest sum
    wanted are compared with it. Two comparisons without a branch come first, for speed.
    """
    scale = _scale(sums, starts)
    lowest, highest = sums[0], sums[-1]
    total = 0
    for c in range(1, side + 1):
        for d in range(1, side + 1):
            wanted = max(-(c * e_y + d * e_z), lowest)
            if wanted <= highest:
                i = np.uint64(starts[np.uint64((wanted - lowest) * scale)])
                i += np.uint64(sums[i] < wanted)
                i += np.uint64(sums[i] < wanted)
                while sums[i] < wanted:
                    i += _ONE
                total += len(sums) - np.int64(i)
    return total


@_compile
def search(units, systems, max_amount, least, tally, best):
    """Find the best of each system and the best k of all.

    What a row of amounts may reach is bounded term by term, so that most are passed over.

    Parameters
    ----------
    units : array of int, shape (n_elements,)
        The element's numbers, lithium's first.
    systems : array of int, shape (n, 3)
    max_amount : int
    least : int
        Score that at least k compositions reach.
    tally, best : tuple
        As in `ionscout.compositions._sweep.sweep`; the histogram is left alone.
    """
    for s in range(len(systems)):
        q = units[np.array([0, systems[s, 0], systems[s, 1], systems[s, 2]])]
        first = min(1, systems[s, 0])
        best[0][s], best[1][s] = _highest_of(q, first, max_amount), _NO_CODE
        for a in range(1, max_amount + 1):
            needed = min(best[0][s], _needed_for_top(least, tally))
            excess = q - needed
            highest = np.maximum(excess, max_amount * excess)
            for b in range(first, first * max_amount + 1):
                rest = a * excess[0] + b * excess[1]
                if rest + highest[2] + highest[3] < 0:
                    continue
                for c in range(1, max_amount + 1):
                    if rest + c * excess[2] + highest[3] < 0:
                        continue
                    for d in range(1, max_amount + 1):
                        if rest + c * excess[2] + d * excess[3] >= 0:
                            _take(np.array([a, b, c, d]), q, s, systems[s], tally, best)


@_compile
def _highest_of(q, first, max_amount):
    """Find the highest score of a system: that of amounts which are each 1 or the largest."""
    highest = q.min()
    for corner in range(16):
        n = np.empty(4, dtype=np.int64)
        for i in range(4):
            n[i] = max_amount if corner >> i & 1 else 1
        n[1] *= first
        highest = max(highest, (n * q).sum() // n.sum())
    return highest


@_compile
def _needed_for_top(least, tally):
    _, scores, _, size = tally
    if not len(scores):
        return np.int64(_NO_CODE)
    return max(least, scores[0]) if size[0] == len(scores) else least


@_compile
def _take(n, q, s, system, tally, best):
    """Keep amounts without a common divisor if they are the best of their system or of all."""
    if np.gcd(np.gcd(n[0], n[1]), np.gcd(n[2], n[3])) > 1:
        return
    score, code = (n * q).sum() // n.sum(), encode_one(system, n)
    if is_better(score, code, best[0][s], best[1][s]):
        best[0][s], best[1][s] = score, code
    push(score, code, tally)
