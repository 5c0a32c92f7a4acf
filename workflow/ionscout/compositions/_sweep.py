"""Scoring of listed amounts in listed systems, compiled.

Positions are in widths of bins above the lowest score. They are computed in float32, many at
a time, with a bound of their error for each system; a composition whose position may be on
either side of an edge, or may be among the best, is scored exactly. What is counted and kept
is therefore what exact scores give.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from ionscout.compositions.scores import PAIRS, UNIT, ScoreBins, SystemScores
from ionscout.compositions.space import AMOUNT_BITS, ELEMENT_BITS

BLOCK = 512
N_PRODUCTS = 11

_TILE = 64
_EPSILON = 2.0**-24
_INVERSE = N_PRODUCTS - 1

_compile = numba.njit(cache=True, nogil=True, error_model="numpy")
# A product may be fused with a sum, which rounds less; there are no NaN to look out for.
_compile_approximate = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"}
)


def prepare_positions(
    parts: SystemScores, bins: ScoreBins
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the scores of systems as positions in float32, with bounds of their errors.

    A position is (sum_i n_i x_i + sum_p s_p sqrt(sum_k m_k v_pk)) / N for amounts n_i, their
    sum N and products m_k, which are all exact in float32. With e = 2^-24, what is rounded is

    - in sum_i n_i x_i: each x_i, a product, three sums; at most 5 e of its absolute terms;
    - in the sums of v: each v_pk, a product, five sums of positive terms; 7 e, so 3.5 e in
      the root, and 1 e of the root itself;
    - n_deviating additions of the roots, 1 / N and the product with it: n_deviating + 2.

    Together it is less than (8 + n_deviating) e of the sum of absolute terms, which is at most
    max_i |x_i| plus half the range of each property. 12 in place of 8 covers the terms of second
    order and the rounding of what positions are compared with; 1e-6 the rounding of the distance
    to an edge, and underflow; 4 units the rounding of exact scores to whole units.

    Parameters
    ----------
    parts : SystemScores
    bins : ScoreBins

    Returns
    -------
    terms : array of float32, shape (n, 4 + 6 n_deviating)
        x_i, then v_pk.
    signs : array of float32, shape (n_deviating,)
    margins : array of float, shape (n,)
        Bounds of the error of a position.
    """
    width = bins.width_units * UNIT
    x = (parts.mean_units - bins.lowest_units) / bins.width_units
    v = parts.squares * (parts.weights[:, None] / width) ** 2
    terms = np.column_stack([x, v.reshape(len(v), v.shape[1] * v.shape[2])]).astype(np.float32)
    largest = np.abs(x).max(axis=1) + (np.sqrt(v.max(axis=2, initial=0.0)) / 2).sum(axis=1)
    margins = (12 + len(parts.weights)) * _EPSILON * largest + 1e-6 + 4 / bins.width_units
    return terms, np.sign(parts.weights).astype(np.float32), margins


@_compile
def sweep(amounts, systems, parts, positions, bins, tally, best):
    """Score all listed amounts in all listed systems.

    Parameters
    ----------
    amounts : array of int, shape (n_amounts, 4)
    systems : array of int, shape (n, 3)
    parts : tuple
        The arrays of `SystemScores`.
    positions : tuple
        Of `prepare_positions`.
    bins : tuple of int
        lowest_units, width_units, n_bins.
    tally : tuple
        Histogram, shape (n_bins,); heap of scores, heap of codes, shape (k,), and its size,
        shape (1,). Added to.
    best : tuple
        Best score of each system, shape (n,), and its code. Improved.
    """
    histogram = np.zeros((4, bins[2] + 1), dtype=np.int32)
    products = np.empty((N_PRODUCTS, BLOCK), dtype=np.float32)
    position = np.empty(BLOCK, dtype=np.float32)
    bin_of = np.empty(BLOCK, dtype=np.int32)
    pending = np.empty(BLOCK, dtype=np.int64)
    for tile in range(0, len(systems), _TILE):
        for begin in range(0, len(amounts), BLOCK):
            block = amounts[begin : begin + BLOCK]
            _multiply(block, products)
            for s in range(tile, min(tile + _TILE, len(systems))):
                _locate(products, positions[0][s], positions[1], position)
                margin = positions[2][s]
                _assign(position, np.float32(margin), np.int32(bins[2]), bin_of)
                n_pending = _count(bin_of, len(block), histogram, pending)
                for i in range(n_pending):
                    score = score_exactly(block[pending[i]], s, parts)
                    tally[0][(score - bins[0]) // bins[1]] += 1
                needed = _lowest_needed(s, -np.inf, bins, tally, best) - margin
                if _reaches(position, np.float32(needed)):
                    certain = position.max() - margin
                    needed = _lowest_needed(s, certain, bins, tally, best) - margin
                    _keep(block, s, systems[s], parts, position, needed, tally, best)
        _empty(histogram, tally[0])


@_compile
def _multiply(block, products):
    """Write amounts, their products by pair, and the inverse of their sum.

    What is beyond the end of the block repeats its last amounts, and is not counted.
    """
    for k in range(BLOCK):
        n = block[min(k, len(block) - 1)]
        total = 0
        for i in range(4):
            products[i, k] = n[i]
            total += n[i]
        for pair in range(6):
            i, j = PAIRS[pair]
            products[4 + pair, k] = n[i] * n[j]
        products[_INVERSE, k] = np.float32(1.0) / np.float32(total)


@_compile_approximate
def _locate(products, terms, signs, position):
    """Positions of a block in a system; each loop is one of vector arithmetic."""
    a, b, c, d = products[0], products[1], products[2], products[3]
    x0, x1, x2, x3 = terms[0], terms[1], terms[2], terms[3]
    for k in range(BLOCK):
        position[k] = a[k] * x0 + b[k] * x1 + c[k] * x2 + d[k] * x3
    m0, m1, m2 = products[4], products[5], products[6]
    m3, m4, m5 = products[7], products[8], products[9]
    for p in range(len(signs)):
        v0, v1, v2 = terms[4 + 6 * p], terms[5 + 6 * p], terms[6 + 6 * p]
        v3, v4, v5 = terms[7 + 6 * p], terms[8 + 6 * p], terms[9 + 6 * p]
        sign = signs[p]
        for k in range(BLOCK):
            square = m0[k] * v0 + m1[k] * v1 + m2[k] * v2 + m3[k] * v3 + m4[k] * v4 + m5[k] * v5
            position[k] += sign * math.sqrt(square)
    inverse = products[_INVERSE]
    for k in range(BLOCK):
        position[k] *= inverse[k]


@_compile_approximate
def _assign(position, margin, n_bins, bin_of):
    """Find the bin of each position, n_bins where it is not certain."""
    half = np.float32(0.5)
    nearest = half - margin
    for k in range(BLOCK):
        whole = np.int32(position[k])
        bin_of[k] = whole if abs(position[k] - np.float32(whole) - half) < nearest else n_bins


@_compile
def _reaches(position, needed):
    """Whether any position is as high as is needed; all are looked at, many at a time."""
    n_reaching = np.int32(0)
    for k in range(BLOCK):
        n_reaching += np.int32(position[k] >= needed)
    return n_reaching > 0


@_compile
def _count(bin_of, n, histogram, pending):
    """Count bins, in four histograms in turn lest equal neighbours wait; list the uncertain."""
    trash = histogram.shape[1] - 1
    n_pending = 0
    for k in range(n):
        histogram[k & 3, bin_of[k]] += 1
        pending[n_pending] = k
        n_pending += bin_of[k] == trash
    return n_pending


@_compile
def _empty(histogram, total):
    """Add the four histograms to the total, and clear them."""
    for i in range(len(total)):
        for j in range(4):
            total[i] += histogram[j, i]
    histogram[:] = 0


@_compile
def score_exactly(n, s, parts):
    """Score amounts n in system s by the definition in `ionscout.compositions.scores`."""
    units, squares, weights = parts
    total = n[0] + n[1] + n[2] + n[3]
    mean = n[0] * units[s, 0] + n[1] * units[s, 1] + n[2] * units[s, 2] + n[3] * units[s, 3]
    deviation = 0.0
    for p in range(len(weights)):
        square = 0.0
        for k in range(6):
            i, j = PAIRS[k]
            square += n[i] * n[j] * squares[s, p, k]
        deviation += weights[p] * math.sqrt(square)
    return mean // total + np.int64(np.rint(deviation / total / UNIT))


@_compile
def _lowest_needed(s, certain, bins, tally, best):
    """Position from which a composition may be among the best k, or the best of its system.

    `certain` is a position that some composition of the system has or surpasses.
    """
    _, scores, _, size = tally
    needed = max((best[0][s] - bins[0]) / bins[1], certain)
    if not len(scores):
        return needed
    if size[0] < len(scores):
        return -np.inf
    return min(needed, (scores[0] - bins[0]) / bins[1])


@_compile
def _keep(block, s, system, parts, position, needed, tally, best):
    """Score exactly what may be needed, and keep it where it is."""
    for k in range(len(block)):
        if position[k] >= needed:
            score = score_exactly(block[k], s, parts)
            code = encode_one(system, block[k])
            if is_better(score, code, best[0][s], best[1][s]):
                best[0][s], best[1][s] = score, code
            push(score, code, tally)


@_compile
def encode_one(system, n):
    """One number, as `ionscout.compositions.space.encode` writes it."""
    code = 0
    for number in system:
        code = code << ELEMENT_BITS | number
    for amount in n:
        code = code << AMOUNT_BITS | amount
    return code


@_compile
def is_better(score, code, other_score, other_code):
    """Whether the score is higher, or as high and the formula earlier."""
    return score > other_score or (score == other_score and code < other_code)


@_compile
def push(score, code, tally):
    """Keep a composition if it is among the best k seen; the worst kept is on top of the heap."""
    _, scores, codes, size = tally
    if not len(scores):
        return
    if size[0] < len(scores):
        child = size[0]
        size[0] += 1
        while child > 0:
            parent = (child - 1) // 2
            if not is_better(scores[parent], codes[parent], score, code):
                break
            scores[child], codes[child] = scores[parent], codes[parent]
            child = parent
        scores[child], codes[child] = score, code
    elif is_better(score, code, scores[0], codes[0]):
        _replace_worst(score, code, scores, codes)


@_compile
def _replace_worst(score, code, scores, codes):
    """Put a composition in the place of the heap's top and sink it."""
    parent = 0
    while 2 * parent + 1 < len(scores):
        child = 2 * parent + 1
        right = child + 1
        if right < len(scores) and is_better(
            scores[child], codes[child], scores[right], codes[right]
        ):
            child = right
        if not is_better(score, code, scores[child], codes[child]):
            break
        scores[parent], codes[parent] = scores[child], codes[child]
        parent = child
    scores[parent], codes[parent] = score, code
