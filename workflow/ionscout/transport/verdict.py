"""What a trajectory says about diffusion: all rules, in one place.

No rule can tell a walk from a cage that is wider than the ions have come: twelve sites in a
ring of 5 angstrom, with about five hops an ion in the run, pass as diffusive in half of the
runs, and in none once there are ten. A longer run tells.

A slope can be fitted to anything: lithium that rattles in LiCl gives 12 mS/cm. A
diffusivity is believed only when every rule of `VERDICT_RULES` agrees that ions walk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport.diffusivity import CM2_S_PER_ANG2_PS, Diffusivity, estimate_diffusivity
from ionscout.transport.jumps import SITE_DISTANCE_ANG, Jumps, find_jumps
from ionscout.transport.periodic import separations
from ionscout.transport.readers.buffer import copy_atoms

DIFFUSIVE = "diffusive"
NON_DIFFUSIVE = "non-diffusive"
UNRESOLVED = "unresolved"
MELTED = "melted"
EXPLODED = "exploded"
NOT_RUN = "not_run"
FRAMEWORK_MOVES = "the framework moves too"
VERDICTS = (DIFFUSIVE, UNRESOLVED, NON_DIFFUSIVE, MELTED, EXPLODED, NOT_RUN)
ANIONS = ("H", "C", "N", "O", "F", "P", "S", "Cl", "As", "Se", "Br", "Te", "I")


@dataclass(frozen=True)
class VerdictRules:
    """Thresholds of the verdict, each with its reason.

    Parameters
    ----------
    min_production_ps : float
        No verdict but `melted` from a shorter run: ions remember their last jump for
        picoseconds, and fits to 1.4 and 4 ps of Li3N differed sixfold.
    min_gained_msd_ang2 : float
        What the MSD must have gained since vibration at 0.3 of the run, where a window starts
        at the latest: half a squared jump length of 3 angstrom, so that ions have jumped
        more than once within the run. Up to twice as much where they jump back, by the
        mean cosine of successive jumps. The MSD at this lag is an average over many
        origins: unlike a threshold on the fitted slope it hardly picks the runs whose
        slope came out too high.
    min_net_over_intercept : float
        The same as a multiple of the fitted intercept, which is vibration and ions that
        jump back: below 1 the MSD is mostly not diffusion.
    min_exponent, max_exponent : float
        Log-log slope of the MSD in the window; a cage tends to 0, flight to 2. With an
        intercept as large as allowed a true walk has 0.55 or more.
    min_linearity_p : float
        Probability of the straight line below which the window bends.
    min_signal : float
        Slope over its standard deviation; 3 leaves a flat MSD one chance in 700.
    min_travellers_share, min_travellers : float, int
        Ions that were on three sites or more, as a share of all and in number (all where
        there are fewer): a double well has two sites.
    min_block_p : float
        Probability that the slopes of three parts of the run agree. All must be positive.
    max_bound_cm2_s : float
        A run is non-diffusive only if it bounds D below this. It says that the run was
        long enough to see the jumps of a good conductor, not that the crystal is a poor
        one: 1e-4 S/cm at 300 K with 0.3 eV and 2e22 ions a cm3 are 2.7e-7 at 600 K, 1.1e-6
        at 800 K and 2.7e-6 at 1000 K (`conductivity.fast_diffusivity_cm2_s`).
    max_escapes : int
        Most jumps to new sites in a non-diffusive run. A rare event, say a pair of defects
        that forms and heals, leaves one or two; more are slow diffusion, for which the run
        is too short.
    confidence : float
        Of the upper bound, one-sided.
    min_melted_share : float
        Share of the ions of every framework species that must have left their sites: a
        rotating polyanion keeps its centre. The same share of the anions alone refuses
        `diffusive`.
    min_melted_msd_ang2 : float
        What diffusion must have added to the MSD of each framework species: the square of
        0.4 times the distance of neighbours, 2.5 angstrom, far beyond Lindemann's 0.1 to 0.15.
    """

    min_production_ps: float = 5.0
    min_gained_msd_ang2: float = 4.0
    min_net_over_intercept: float = 1.0
    min_exponent: float = 0.5
    max_exponent: float = 1.4
    min_linearity_p: float = 0.01
    min_signal: float = 3.0
    min_travellers_share: float = 0.1
    min_travellers: int = 4
    min_block_p: float = 0.001
    max_bound_cm2_s: float = 3e-6
    max_escapes: int = 2
    confidence: float = 0.95
    min_melted_share: float = 0.3
    min_melted_msd_ang2: float = 1.0

    @property
    def stated_confidence(self) -> str:
        """The confidence as it stands beside a bound."""
        return f"{100 * self.confidence:g} %"


VERDICT_RULES = VerdictRules()


@dataclass(frozen=True)
class Verdict:
    """A verdict, its reason in one line, and what it rests on.

    `upper_bound_cm2_s` bounds D from above for what is not diffusive, None where
    nothing bounds it.
    """

    verdict: str
    reason: str
    upper_bound_cm2_s: float | None


def judge(
    diffusivity: Diffusivity,
    jumps: Jumps,
    *,
    production_ps: float,
    jump_length_ang: float = 3.0,
    rules: VerdictRules = VERDICT_RULES,
) -> Verdict:
    """Judge the mobile ions of a run whose framework is solid.

    Parameters
    ----------
    diffusivity : Diffusivity
        Of the mobile ions.
    jumps : Jumps
        Of the same ions.
    production_ps : float
        Length of the trajectory in ps.
    jump_length_ang : float, optional
        Length of a jump that was not seen, for the bound; jumps that were seen count with
        their own where that is larger.
    rules : VerdictRules, optional
        The thresholds.

    Returns
    -------
    Verdict
        Diffusive, non-diffusive or unresolved.
    """
    n_ions = len(jumps.n_jumps)
    length_ang = max(jump_length_ang, jumps.length_ang)
    bound = max(
        jump_bound_cm2_s(
            jumps.n_escapes, n_ions, production_ps, length_ang, confidence=rules.confidence
        ),
        float(diffusivity.posterior.quantiles([rules.confidence])[0]),
    )
    if production_ps < rules.min_production_ps:
        reason = f"{production_ps:.3g} ps is too short: {rules.min_production_ps:g} ps needed"
        return Verdict(UNRESOLVED, reason, bound)
    faults = _faults(diffusivity, jumps, rules)
    if not faults:
        reason = (
            f"{jumps.n_jumps.sum()} jumps of {n_ions} ions, exponent {diffusivity.exponent:.2f}"
        )
        return Verdict(DIFFUSIVE, reason, None)
    if _is_still(diffusivity, jumps, rules) and bound <= rules.max_bound_cm2_s:
        reason = (
            f"{faults[0]}; D below {bound:.1e} cm2/s ({rules.stated_confidence}) "
            "in the ideal crystal"
        )
        return Verdict(NON_DIFFUSIVE, reason, bound)
    return Verdict(UNRESOLVED, "; ".join(faults[:2]), bound)


def jump_bound_cm2_s(
    n_escapes: int,
    n_ions: int,
    duration_ps: float,
    jump_length_ang: float = 3.0,
    *,
    confidence: float = 0.95,
) -> float:
    """Upper bound of D from the number of jumps seen.

    Parameters
    ----------
    n_escapes : int
        Jumps seen that may be the beginning of diffusion.
    n_ions : int
        Ions watched.
    duration_ps : float
        Time watched in ps.
    jump_length_ang : float, optional
        Length of a jump in angstrom.
    confidence : float, optional
        Of the bound.

    Returns
    -------
    float
        Bound in cm2/s: D = rate x length^2 / 6 at the upper limit of a Poisson rate
        (3.0 events where none was seen).
    """
    events = stats.chi2.ppf(confidence, 2 * (n_escapes + 1)) / 2
    return float(events * jump_length_ang**2 / (6 * n_ions * duration_ps) * CM2_S_PER_ANG2_PS)


def has_melted(
    positions_ang: NDArray,
    species: NDArray,
    *,
    frame_interval_fs: float,
    rules: VerdictRules = VERDICT_RULES,
) -> bool:
    """Whether the framework has begun to flow.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_frames, n_atoms, 3)
        Of the framework's ions, drift removed, in angstrom.
    species : ndarray of str, shape (n_atoms,)
        Their elements.
    frame_interval_fs : float
        Time between frames in fs.
    rules : VerdictRules, optional
        The thresholds.

    Returns
    -------
    bool
        True where ions of every species have left their sites and the MSD of each grows: the
        centres of polyanions that turn and trade their corners shift, but do not go on.
    """
    if positions_ang.shape[1] < 2:
        return False
    displaced = find_jumps(positions_ang, frame_interval_fs=frame_interval_fs).displaced
    groups = [np.flatnonzero(species == name) for name in np.unique(species)]
    if min(displaced[group].mean() for group in groups) < rules.min_melted_share:
        return False
    return all(
        _flows(copy_atoms(positions_ang, group), frame_interval_fs, rules) for group in groups
    )


def anions_wander(
    positions_ang: NDArray,
    species: NDArray,
    cell_ang: NDArray,
    *,
    frame_interval_fs: float,
    rules: VerdictRules = VERDICT_RULES,
) -> bool:
    """Whether the anions flow, be the rest of the framework at rest.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_frames, n_atoms, 3)
        Of the framework's ions, unwrapped, drift removed, in angstrom.
    species : ndarray of str, shape (n_atoms,)
        Their elements.
    cell_ang : ndarray, shape (3, 3)
        The cell, a vector a row.
    frame_interval_fs : float
        Time between frames in fs.
    rules : VerdictRules, optional
        The thresholds.

    Returns
    -------
    bool
        True where enough `ANIONS` have left their sites and their MSD grows. One that keeps
        the distance from its first neighbour of another species, which rests, has not left:
        a polyanion such as PS4 has turned about its centre.
    """
    anions = np.isin(species, ANIONS)
    if anions.sum() < 2:
        return False
    displaced = find_jumps(positions_ang, frame_interval_fs=frame_interval_fs).displaced
    neighbour, parted = _neighbours(positions_ang, species, cell_ang)
    gone = displaced & (displaced[neighbour] | parted)
    if gone[anions].mean() < rules.min_melted_share:
        return False
    moving = copy_atoms(positions_ang, np.flatnonzero(anions))
    return _flows(moving, frame_interval_fs, rules)


def _flows(positions_ang: NDArray, frame_interval_fs: float, rules: VerdictRules) -> bool:
    """Whether the MSD of framework ions grows beyond vibration."""
    try:
        flow = estimate_diffusivity(positions_ang, frame_interval_fs=frame_interval_fs)
    except TransportError:
        return False
    grown = flow.net_msd_ang2 >= rules.min_melted_msd_ang2
    return bool(grown and flow.posterior.resolved)


def _neighbours(
    positions: NDArray, species: NDArray, cell_ang: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find each ion's first neighbour of another species, and whether they have parted.

    Both of shape (n_atoms,). Where there is one species alone, an ion is its own
    neighbour.
    """
    start = positions[0]
    neighbour, image = np.arange(len(start)), np.zeros(start.shape)
    for rows, apart, distance in separations(start, cell_ang):
        distance[species[rows, None] == species[None]] = np.inf
        nearest = distance.argmin(axis=1)
        other = np.flatnonzero(np.isfinite(distance.min(axis=1)))
        ions, chosen = rows.start + other, nearest[other]
        neighbour[ions] = chosen
        image[ions] = apart[other, chosen] - (start[chosen] - start[ions])
    tenth = max(1, len(positions) // 10)
    first, last = np.empty(len(start)), np.empty(len(start))
    for ion, other in enumerate(neighbour):
        for part, mean in ((positions[:tenth], first), (positions[-tenth:], last)):
            steps = part[:, other] + image[ion] - part[:, ion]
            mean[ion] = np.linalg.norm(steps, axis=1).mean()
    return neighbour, last > first + SITE_DISTANCE_ANG


def _faults(diffusivity: Diffusivity, jumps: Jumps, rules: VerdictRules) -> list[str]:
    """List what speaks against diffusion, the plainest first."""
    n_ions = len(jumps.n_jumps)
    travellers = min(n_ions, max(rules.min_travellers, rules.min_travellers_share * n_ions))
    net, intercept = diffusivity.net_msd_ang2, diffusivity.intercept_ang2
    blocks = np.array(diffusivity.block_d_cm2_s)
    needed = rules.min_gained_msd_ang2 * (1 + max(-jumps.mean_cosine, 0.0))
    checks = [
        (
            jumps.n_travellers < travellers,
            f"{jumps.n_jumps.sum()} jumps, "
            f"{jumps.n_travellers} of {n_ions} ions reached a third site",
        ),
        (
            diffusivity.d_cm2_s < rules.min_signal * diffusivity.sd_cm2_s,
            "the slope of the MSD is lost in its scatter",
        ),
        (
            diffusivity.gained_msd_ang2 < needed,
            f"the MSD gains {max(diffusivity.gained_msd_ang2, 0):.2g} A2 beyond vibration in "
            f"0.3 of the run, {needed:.2g} A2 needed",
        ),
        (
            net < rules.min_net_over_intercept * intercept,
            f"diffusion adds {net:.2g} A2 to an MSD that starts from {intercept:.2g} A2",
        ),
        (
            not rules.min_exponent <= diffusivity.exponent <= rules.max_exponent,
            f"the MSD grows with exponent {diffusivity.exponent:.2f}",
        ),
        (diffusivity.linearity_p < rules.min_linearity_p, "the MSD bends within the window"),
        ((blocks <= 0).any(), "a part of the run has no positive slope"),
        (_block_p(diffusivity) < rules.min_block_p, "the parts of the run disagree"),
    ]
    return [reason for failed, reason in checks if failed]


def _is_still(diffusivity: Diffusivity, jumps: Jumps, rules: VerdictRules) -> bool:
    """Whether next to no jump led on and the MSD is flat, or gains far less than a jump."""
    lost = diffusivity.d_cm2_s < rules.min_signal * diffusivity.sd_cm2_s
    flat = lost or diffusivity.net_msd_ang2 < rules.min_gained_msd_ang2 / 3
    return flat and jumps.n_escapes <= rules.max_escapes


def _block_p(diffusivity: Diffusivity) -> float:
    """Probability that three slopes differ more by chance (1 where unknown)."""
    blocks, errors = np.array(diffusivity.block_d_cm2_s), np.array(diffusivity.block_sd_cm2_s)
    if not (errors > 0).all():
        return 1.0
    common = np.maximum(errors, np.sqrt((errors**2).mean()))
    chi2 = ((blocks - blocks.mean()) ** 2 / common**2).sum() / diffusivity.concerted_ions
    return float(stats.chi2.sf(chi2, len(blocks) - 1))
