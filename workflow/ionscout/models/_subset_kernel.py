"""Ridge-penalised logistic regressions on many subsets of columns, compiled.

Arrays have one row a coefficient and one column a material. Row 0 of the design is
ones, for the intercept. Column i of `ridge` holds the penalties of the coefficients
when material i is left out; its last column, those when none is.
"""

from __future__ import annotations

import math

import numba
import numpy as np

DROPPED, FAILED = -1, -2

_MAX_STEPS = 200
_LOGIT_TOLERANCE = 1e-6
_LOGIT_ROUNDING = 1e-9

# Sums may be reordered to use vector units; NaN and infinity keep their meaning.
_compile = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_compile
def judge_subsets(codes, design, is_fast, ridge, constant_logit, most_wrong, highest_loss, exact):
    """Leave-one-out scores of subsets.

    Parameters
    ----------
    codes : array of int, shape (n_subsets,)
        Bit j set: row 1 + j of the design belongs to the subset. In rising order
        each subset starts from the fit without its lowest bit.
    design : array of float, shape (n_rows, n)
    is_fast : array of float, shape (n,)
        1 for fast, 0 for slow.
    ridge : array of float, shape (n_rows, n + 1)
    constant_logit : array of float, shape (n,)
        Prediction for a material whose left-out fit has no optimum, else NaN.
    most_wrong : array of int, shape (n_rows,)
        By size: a subset with more materials misclassified is dropped.
    highest_loss : array of float, shape (n_rows,)
        By size: so is one with as many and a higher mean log loss.
    exact : bool
        False scores all subsets by one Newton step from the fit to all materials.

    Returns
    -------
    wrong : array of int, shape (n_subsets,)
        Number misclassified, DROPPED, or FAILED where Newton's method did not converge.
    loss : array of float, shape (n_subsets,)
        Mean log loss, infinite for what was dropped or failed.
    """
    n_rows, n = design.shape
    wrong = np.full(codes.size, FAILED)
    loss = np.full(codes.size, np.inf)
    fitted = np.full(n_rows, -1)
    path = np.zeros((n_rows, n_rows))
    space = np.empty(n), np.empty(n), np.empty((n_rows, n_rows)), np.empty(n_rows), np.empty(n)
    for s in range(codes.size):
        rows = _rows(codes[s], n_rows)
        size = rows.size - 1
        x, penalties = design[rows], ridge[rows]
        beta, z = np.zeros(rows.size), np.zeros(n)
        if size > 0 and fitted[size - 1] == codes[s] & (codes[s] - 1):
            _move(x, path[size - 1][rows], beta, z, space[4], n)
        if not _minimise(x, is_fast, penalties, n, beta, z, space):
            continue
        fitted[size] = codes[s]
        path[size] = 0.0
        path[size][rows] = beta
        shift = _leave_out_steps(x, space)
        logits = _predict_left_out(x, z, shift, constant_logit)
        if exact:
            limits = most_wrong[size], highest_loss[size]
            fit = beta, z, shift, _worst_first(logits, is_fast)
            wrong[s], loss[s] = _refit(x, is_fast, penalties, constant_logit, fit, limits, space)
        else:
            wrong[s], loss[s] = _score(logits, is_fast)
    return wrong, loss


@_compile
def fit_logistic(design, is_fast, ridge):
    """Fit one regression to all materials.

    Parameters
    ----------
    design, is_fast, ridge
        As in `judge_subsets`.

    Returns
    -------
    array of float, shape (n_rows,)
        Intercept and weights, NaN where Newton's method did not converge.
    """
    n_rows, n = design.shape
    space = np.empty(n), np.empty(n), np.empty((n_rows, n_rows)), np.empty(n_rows), np.empty(n)
    beta = np.zeros(n_rows)
    if not _minimise(design, is_fast, ridge, n, beta, np.zeros(n), space):
        beta[:] = np.nan
    return beta


@_compile
def _rows(code, n_rows):
    """Rows of the design that belong to a subset, the intercept's first."""
    rows = np.zeros(n_rows, dtype=np.int64)
    count = 1
    for j in range(n_rows - 1):
        if code >> j & 1:
            rows[count] = j + 1
            count += 1
    return rows[:count]


@_compile
def _refit(x, is_fast, ridge, constant_logit, fit, limits, space):
    """Fit the folds in the given order until their scores exceed the limits."""
    beta, z, shift, order = fit
    most_wrong, highest_loss = limits
    n_wrong, loss = 0, 0.0
    for i in order:
        logit = constant_logit[i]
        if np.isnan(logit):
            fold_beta, fold_z = beta.copy(), z.copy()
            _move(x, shift[:, i], fold_beta, fold_z, space[4], i)
            if not _minimise(x, is_fast, ridge, i, fold_beta, fold_z, space):
                return FAILED, np.inf
            logit = fold_z[i]
        n_wrong += _is_wrong(logit, is_fast[i])
        loss += _log_loss(logit, is_fast[i]) / z.size
        if n_wrong > most_wrong or (n_wrong == most_wrong and loss > highest_loss):
            return DROPPED, np.inf
    return n_wrong, loss


@_compile
def _minimise(x, is_fast, ridge, left_out, beta, z, space):
    """Move coefficients and logits to the minimum by Newton's method; False if it is not reached.

    `left_out` is a material, or their number for none. The residuals, weights and the
    Hessian's Cholesky factor at the minimum stay in `space`.
    """
    residual, weight, hessian, step, move = space
    for _ in range(_MAX_STEPS):
        for k in range(z.size):
            p = 1.0 / (1.0 + math.exp(-z[k]))
            residual[k] = is_fast[k] - p
            weight[k] = p * (1.0 - p)
        if left_out < z.size:
            residual[left_out] = weight[left_out] = 0.0
        for a in range(beta.size):
            slope = 0.0
            for k in range(z.size):
                slope += x[a, k] * residual[k]
                move[k] = x[a, k] * weight[k]
            step[a] = slope - ridge[a, left_out] * beta[a]
            for b in range(a + 1):
                curvature = 0.0
                for k in range(z.size):
                    curvature += move[k] * x[b, k]
                hessian[a, b] = curvature
            hessian[a, a] += ridge[a, left_out]
        _factorise(hessian, beta.size)
        _solve(hessian, step, beta.size)
        if _move(x, step, beta, z, move, left_out) <= _LOGIT_TOLERANCE:
            return True
    return False


@_compile
def _move(x, step, beta, z, move, left_out):
    """Take a step, damped where a full one could go uphill; return the largest change of a logit.

    The logit of the material left out follows and does not count. On the line of a
    Newton step the third derivative is at most m times the second, m the largest
    change of a logit, so that a full step descends for m < 1.79 and one damped by
    log(1 + m) / m always does.
    """
    move[:] = 0.0
    for a in range(beta.size):
        for k in range(z.size):
            move[k] += x[a, k] * step[a]
    largest = 0.0
    for k in range(z.size):
        if k != left_out and not abs(move[k]) <= largest:  # also for NaN, which max() would lose
            largest = abs(move[k])
    length = 1.0 if largest <= 1.0 else math.log1p(largest) / largest
    for a in range(beta.size):
        beta[a] += length * step[a]
    for k in range(z.size):
        z[k] += length * move[k]
    return largest


@_compile
def _factorise(matrix, n):
    """Replace the lower triangle by its Cholesky factor; NaN if there is none."""
    for a in range(n):
        for b in range(a + 1):
            rest = matrix[a, b]
            for c in range(b):
                rest -= matrix[a, c] * matrix[b, c]
            matrix[a, b] = math.sqrt(rest) if a == b else rest / matrix[b, b]


@_compile
def _solve(factor, vector, n):
    """Solve in place the equations of a factorised matrix."""
    for a in range(n):
        for b in range(a):
            vector[a] -= factor[a, b] * vector[b]
        vector[a] /= factor[a, a]
    for a in range(n - 1, -1, -1):
        for b in range(a + 1, n):
            vector[a] -= factor[b, a] * vector[b]
        vector[a] /= factor[a, a]


@_compile
def _leave_out_steps(x, space):
    """One Newton step of the coefficients for each material left out, from the fit to all.

    With h_i = x_i H^-1 x_i it is -H^-1 x_i residual_i / (1 - weight_i h_i); that a
    fold is standardised anew is left to the refit.
    """
    residual, weight, factor, _, _ = space
    n_rows, n = x.shape
    shift = x.copy()
    for a in range(n_rows):
        for b in range(a):
            shift[a] -= factor[a, b] * shift[b]
        shift[a] /= factor[a, a]
    for a in range(n_rows - 1, -1, -1):
        for b in range(a + 1, n_rows):
            shift[a] -= factor[b, a] * shift[b]
        shift[a] /= factor[a, a]
    leverage = np.zeros(n)
    for a in range(n_rows):
        leverage += x[a] * shift[a]
    for i in range(n):
        shift[:, i] *= -residual[i] / (1.0 - weight[i] * leverage[i])
    return shift


@_compile
def _predict_left_out(x, z, shift, constant_logit):
    """Logits of the materials left out, after the one step of each."""
    logits = z.copy()
    for a in range(x.shape[0]):
        logits += x[a] * shift[a]
    for i in range(z.size):
        if not np.isnan(constant_logit[i]):
            logits[i] = constant_logit[i]
    return logits


@_compile
def _worst_first(logits, is_fast):
    """Order the materials from the one predicted worst."""
    return np.argsort((2.0 * is_fast - 1.0) * logits)


@_compile
def _score(logits, is_fast):
    """Count the misclassified and average the log loss."""
    n_wrong, loss = 0, 0.0
    for i in range(logits.size):
        n_wrong += _is_wrong(logits[i], is_fast[i])
        loss += _log_loss(logits[i], is_fast[i]) / logits.size
    return n_wrong, loss


@_compile
def _is_wrong(logit, is_fast):
    """Is the class wrong? Fast is P >= 0.5, up to rounding."""
    return (logit >= -_LOGIT_ROUNDING) != (is_fast > 0.5)


@_compile
def _log_loss(logit, is_fast):
    """Negative log likelihood of one material, without overflow."""
    margin = logit if is_fast > 0.5 else -logit
    return math.log1p(math.exp(-abs(margin))) + max(-margin, 0.0)
