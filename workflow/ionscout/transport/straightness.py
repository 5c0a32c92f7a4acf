"""Whether diffusivities lie on one rising Arrhenius line.

Each test averages its p value over what the replicas say of the scatter between runs
(`spread.replica_spread`), so that a bend has to stand out from that scatter too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from ionscout.errors import TransportError
from ionscout.transport.spread import Spread, replica_spread

WORST_P = 0.01
WORST_SCATTER_P = 0.001
KINK_NODES = 25
KINK_DRAWS = 4000
KINK_SEED = 20180401
LEAST_FOR_KINK = 4
LEAST_FOR_SCATTER = 5
LEAST_LN_SD = 0.1


@dataclass(frozen=True)
class Straightness:
    """Probabilities that a straight line looks worse than the data do.

    `scatter_p` is that of the squares about the line, `curvature_p` of its quadratic
    term in 1/T, `kink_p` of two lines that meet, or of two parallel ones with a step between
    them, at the best temperature, `kink_temperature_k` (NaN and None with fewer than four
    temperatures), `rest_p` of the squares about the best of the bent lines. Where the
    diffusivities scatter beyond their errors (`scattered`), the bends are tested against
    that scatter instead, which needs five temperatures.
    """

    scatter_p: float
    curvature_p: float
    kink_p: float
    kink_temperature_k: float | None
    rest_p: float
    n_temperatures: int

    @property
    def scattered(self) -> bool:
        """Whether not even a bent line holds within the errors."""
        return self.rest_p < WORST_SCATTER_P


def examine_line(x: NDArray, ln_d: NDArray, ln_sd: NDArray) -> Straightness:
    """Test a straight line through ln D over x against bends and scatter.

    Parameters
    ----------
    x : ndarray, shape (n_runs,)
        1/T in 1/K, at least three different values; equal values are replicas.
    ln_d, ln_sd : ndarray, shape (n_runs,)
        ln D and its stated errors.

    Returns
    -------
    Straightness

    Notes
    -----
    The kink is a change point: its reference distribution is that of the largest of all
    candidate kinks and steps along a true line, by simulation with a fixed seed. A step is
    a transition of first order, at which D jumps.
    """
    spread = replica_spread(x, ln_d, ln_sd)
    points, mean, sd = _temperature_means(spread, x, ln_d)
    n_points = len(points)
    scaled = (points - points.mean()) / np.ptp(points)
    line = np.stack([np.ones_like(scaled), scaled], axis=1)
    nodes, changes = _change_points(scaled)
    noise = np.random.default_rng(KINK_SEED).standard_normal((KINK_DRAWS, n_points))
    p_values, scores = np.zeros(6), np.zeros(len(nodes))
    for weight, values, error in zip(spread.weights, mean, sd, strict=True):
        rest = _off_line(line, values[:, None], error)[:, 0]
        bend = (_directions(line, scaled[:, None] ** 2, error) @ rest)[0] ** 2
        kinks = _directions(line, changes, error)
        score, simulated = (kinks @ rest) ** 2, (noise @ kinks.T) ** 2
        chi2, simulated_chi2 = (rest**2).sum(), _squares_off_line(line, noise, error)
        best, largest = score.max(initial=0), simulated.max(axis=1, initial=0)
        freedom = n_points - 3
        p_values += weight * np.array(
            [
                stats.chi2.sf(chi2, n_points - 2),
                stats.chi2.sf(chi2 - max(bend, best), freedom) if freedom else 1.0,
                stats.chi2.sf(bend, 1),
                _exceeded(largest, best),
                _f_p(bend, chi2, freedom),
                _exceeded(largest / simulated_chi2, best / chi2) if chi2 > 0 else 1.0,
            ]
        )
        scores += weight * score
    scatter_p, rest_p, *bent_p = p_values.tolist()
    measured = rest_p < WORST_SCATTER_P and n_points >= LEAST_FOR_SCATTER
    curvature_p, kink_p = bent_p[2:] if measured else bent_p[:2]
    kink_k = None
    if len(nodes):
        kink_k = float(1 / (nodes[scores.argmax()] * np.ptp(points) + points.mean()))
    else:
        kink_p = np.nan
    return Straightness(scatter_p, curvature_p, kink_p, kink_k, rest_p, n_points)


def refuse_bent(found: Straightness) -> None:
    """Refuse a line that bends or scatters.

    Raises
    ------
    TransportError
        With what is wrong, where, and its p value. Scatter alone is no fault where there are
        temperatures enough to measure it.
    """
    bends = []
    if found.kink_p < WORST_P:
        bends.append(f"a kink near {found.kink_temperature_k:.0f} K (p = {found.kink_p:.1e})")
    if found.curvature_p < WORST_P:
        bends.append(f"curvature in 1/T (p = {found.curvature_p:.1e})")
    if found.scattered and found.n_temperatures < LEAST_FOR_SCATTER:
        raise TransportError(
            "no single Arrhenius line: the diffusivities scatter beyond their errors "
            f"(p = {found.rest_p:.1e}), which may be too small; "
            f"{LEAST_FOR_SCATTER} temperatures would show by how much"
        )
    if bends:
        raise TransportError(
            f"no single Arrhenius line: {' or '.join(bends)}, a transition or premelting; "
            "fit the temperatures of one phase alone"
        )


def widen_to_scatter(x: NDArray, ln_d: NDArray, ln_sd: NDArray) -> NDArray[np.float64]:
    """Add to the errors the variance by which runs scatter about a line.

    Parameters
    ----------
    x : ndarray, shape (n_runs,)
        1/T in 1/K.
    ln_d, ln_sd : ndarray, shape (n_runs,)
        ln D and its stated errors, that are too small.

    Returns
    -------
    ndarray, shape (n_runs,)
        Errors of ln D with which the squares about the line are as many as expected.

    References
    ----------
    Paule and Mandel, J. Res. Natl. Bur. Stand. 87, 377 (1982), doi:10.6028/jres.087.022.
    """
    line = np.stack([np.ones_like(x), (x - x.mean()) / np.ptp(x)], axis=1)

    def surplus(between: float) -> float:
        sd = np.hypot(ln_sd, between)
        return float((_off_line(line, ln_d[:, None], sd) ** 2).sum() - (len(x) - 2))

    widest = max(1.0, float(np.ptp(ln_d))) * 10
    if surplus(0.0) <= 0:
        return ln_sd
    return np.hypot(ln_sd, optimize.brentq(surplus, 0.0, widest))


def refuse_falling(t: NDArray, ln_d: NDArray, ln_sd: NDArray) -> None:
    """Refuse a diffusivity that falls as the temperature rises.

    Parameters
    ----------
    t : ndarray, shape (n_runs,)
        Temperatures in kelvin.
    ln_d, ln_sd : ndarray, shape (n_runs,)
        ln D and its stated errors.

    Raises
    ------
    TransportError
        If a fall between two temperatures is less probable than `WORST_P` shared among
        all pairs. No error is believed below `LEAST_LN_SD` here, a tenth of D.
    """
    spread = replica_spread(t, ln_d, np.maximum(ln_sd, LEAST_LN_SD))
    points, mean, sd = _temperature_means(spread, t, ln_d)
    cold, hot = np.triu_indices(len(points), 1)
    z = (mean[:, hot] - mean[:, cold]) / np.hypot(sd[:, hot], sd[:, cold])
    p = spread.weights @ special.ndtr(z)
    worst = p.argmin()
    if p[worst] < WORST_P / len(p):
        raise TransportError(
            f"the diffusivity falls from {points[cold[worst]]:g} K to "
            f"{points[hot[worst]]:g} K beyond its errors"
        )


def _temperature_means(
    spread: Spread, groups: NDArray, values: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Average replicas at each node: groups (n,), means and their errors (n_nodes, n)."""
    names = np.unique(groups)
    belongs = (groups[:, None] == names).astype(float)
    total = (1 / spread.variances) @ belongs
    return names, (values / spread.variances) @ belongs / total, 1 / np.sqrt(total)


def _off_line(line: NDArray, columns: NDArray, sd: NDArray) -> NDArray:
    """Divide columns by the errors and take away what a straight line explains."""
    base, _ = np.linalg.qr(line / sd[:, None])
    scaled = columns / sd[:, None]
    return scaled - base @ (base.T @ scaled)


def _squares_off_line(line: NDArray, noise: NDArray, sd: NDArray) -> NDArray:
    """Sum the squares of noise, a sample a row, that a straight line does not explain."""
    base, _ = np.linalg.qr(line / sd[:, None])
    return (noise**2).sum(axis=1) - ((noise @ base) ** 2).sum(axis=1)


def _f_p(explained: float, chi2: float, freedom: int) -> float:
    """Probability of a column that explains as much, by the squares that it leaves."""
    if freedom < 1 or chi2 <= explained:
        return 1.0
    return float(stats.f.sf(explained / (chi2 - explained) * freedom, 1, freedom))


def _exceeded(simulated: NDArray, found: float) -> float:
    """Estimate the probability of a value as large as the one found."""
    return float((1 + (simulated >= found).sum()) / (1 + len(simulated)))


def _directions(line: NDArray, columns: NDArray, sd: NDArray) -> NDArray:
    """Find the unit vectors, one a row, of what columns add to a line."""
    rest = _off_line(line, columns, sd)
    return (rest / np.linalg.norm(rest, axis=0)).T


def _change_points(scaled: NDArray) -> tuple[NDArray, NDArray]:
    """Candidate kinks and steps, with two temperatures or more on each side.

    Where they are, (n_nodes,), and what they add to a line, (n_points, n_nodes).
    """
    if len(scaled) < LEAST_FOR_KINK:
        return np.empty(0), np.empty((len(scaled), 0))
    kinks = np.linspace(scaled[1], scaled[-2], KINK_NODES)
    steps = (scaled[1:-2] + scaled[2:-1]) / 2
    hinges = np.maximum(scaled[:, None] - kinks, 0)
    return np.concatenate([kinks, steps]), np.hstack([hinges, scaled[:, None] > steps])
