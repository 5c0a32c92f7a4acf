"""Loops of CHGNet's messages, each fused into one pass over memory, forward and backward.

Rows are messages: a bond seen from one of its ends, or an angle seen from one of its
bonds. Arrays are C-contiguous float32, features in columns: 64, or 128 where the core
comes first and then the gate. All sums run in the order of the rows, so that equal
input gives equal bits.
"""

from __future__ import annotations

import numba
import numpy as np

WIDTH = 64
NORM_EPSILON = np.float32(1e-5)
_ONE = np.float32(1)
_LOG2_E = np.float32(1.4426950408889634)
_LARGEST_EXPONENT = np.float32(126)
# Of 2^x on [-1/2, 1/2]: S. Moshier's Cephes library, exp2f.
_EXP2 = tuple(
    np.float32(c)
    for c in (
        1.535336188319500e-4,
        1.339887440266574e-3,
        9.618437357674640e-3,
        5.550332471162809e-2,
        2.402264791363012e-1,
        6.931472028550421e-1,
    )
)
# What keeps NaN and infinity meaningful.
_compile = numba.njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "arcp", "nsz"},
)


@_compile
def _sigmoid(x):
    """Return 1 / (1 + e^-x), by arithmetic that the compiler can vectorise."""
    power = min(max(-x * _LOG2_E, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)
    whole = np.floor(power + np.float32(0.5))
    part = power - whole
    value = _EXP2[0]
    value = value * part + _EXP2[1]
    value = value * part + _EXP2[2]
    value = value * part + _EXP2[3]
    value = value * part + _EXP2[4]
    value = value * part + _EXP2[5]
    value = value * part + _ONE
    scale = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
    return _ONE / (_ONE + value * scale)


@_compile
def add_ends(at_start, at_end, start, end, first):
    """Add to each row what its start and its end contribute."""
    for k in range(len(start)):
        a, b, out = at_start[start[k]], at_end[end[k]], first[k]
        for f in range(2 * WIDTH):
            out[f] += a[f] + b[f]


@_compile
def activate(first, hidden):
    """Write silu of the first layer to `hidden`, and leave its slope in `first`."""
    x, y = first.reshape(-1), hidden.reshape(-1)
    for f in range(len(x)):
        s = _sigmoid(x[f])
        y[f] = x[f] * s
        x[f] = s * (_ONE + x[f] * (_ONE - s))


@_compile
def scatter(rows, target, table):
    """Add each row to the row of the table that is its target."""
    for k in range(len(target)):
        row, out = rows[k], table[target[k]]
        for f in range(2 * WIDTH):
            out[f] += row[f]


@_compile
def _normalise(values, scaled):
    """Write the values with mean 0 and variance 1 to `scaled`; return the factor."""
    mean = np.float32(0)
    for f in range(WIDTH):
        mean += values[f]
    mean /= np.float32(WIDTH)
    variance = np.float32(0)
    for f in range(WIDTH):
        centred = values[f] - mean
        scaled[f] = centred
        variance += centred * centred
    factor = _ONE / np.sqrt(variance / np.float32(WIDTH) + NORM_EPSILON)
    for f in range(WIDTH):
        scaled[f] *= factor
    return factor


@_compile
def gate(second, norm, weights, weight_of, owner, total):
    """Add each row's gated, weighted message to its owner.

    `norm` has the rows gain and shift of the core, gain and shift of the gate.
    """
    core, open_ = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    for k in range(len(owner)):
        _normalise(second[k, :WIDTH], core)
        _normalise(second[k, WIDTH:], open_)
        for f in range(WIDTH):
            y = core[f] * norm[0, f] + norm[1, f]
            core[f] = y * _sigmoid(y)
        for f in range(WIDTH):
            core[f] *= _sigmoid(open_[f] * norm[2, f] + norm[3, f])
        weight, out = weights[weight_of[k]], total[owner[k]]
        for f in range(WIDTH):
            out[f] += core[f] * weight[f]


@_compile
def _differentiate_norm(slope, scaled, factor, out):
    """Write the derivative by the values that were normalised, from that by the scaled ones."""
    mean, along = np.float32(0), np.float32(0)
    for f in range(WIDTH):
        mean += slope[f]
        along += slope[f] * scaled[f]
    mean /= np.float32(WIDTH)
    along /= np.float32(WIDTH)
    for f in range(WIDTH):
        out[f] = factor * (slope[f] - mean - scaled[f] * along)


@_compile
def gate_backward(second, norm, weights, weight_of, owner, total_slope, weight_slope):
    """Turn `second` into its derivative, and add up the weights' derivatives."""
    core, open_ = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    by_core, by_open = np.empty(WIDTH, np.float32), np.empty(WIDTH, np.float32)
    message = np.empty(WIDTH, np.float32)
    for k in range(len(owner)):
        core_factor = _normalise(second[k, :WIDTH], core)
        open_factor = _normalise(second[k, WIDTH:], open_)
        for f in range(WIDTH):
            y = core[f] * norm[0, f] + norm[1, f]
            s = _sigmoid(y)
            message[f] = y * s
            by_core[f] = s * (_ONE + y * (_ONE - s)) * norm[0, f]
        for f in range(WIDTH):
            s = _sigmoid(open_[f] * norm[2, f] + norm[3, f])
            by_core[f] *= s
            message[f] *= s
            by_open[f] = message[f] * (_ONE - s) * norm[2, f]
        weight, slope = weights[weight_of[k]], total_slope[owner[k]]
        for f in range(WIDTH):
            pull = slope[f] * weight[f]
            by_core[f] *= pull
            by_open[f] *= pull
        out = weight_slope[weight_of[k]]
        for f in range(WIDTH):
            out[f] += slope[f] * message[f]
        _differentiate_norm(by_core, core, core_factor, second[k, :WIDTH])
        _differentiate_norm(by_open, open_, open_factor, second[k, WIDTH:])
