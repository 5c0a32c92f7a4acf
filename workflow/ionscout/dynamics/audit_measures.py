"""How far an engine's forces are from GPAW's, and whether it may be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import units

BELIEVED, DOUBTFUL, NOT_BELIEVED = "believed", "doubtful", "not_believed"
NOT_AUDITED = "not_audited"
VERDICTS = (BELIEVED, DOUBTFUL, NOT_BELIEVED, NOT_AUDITED)

FORCE_MEASURES = (
    "force_mae_ev_ang",
    "force_rmse_ev_ang",
    "force_relative_error",
    "force_cosine",
    "softening_factor",
)
LITHIUM = "lithium_"
ENERGY_ERROR = "energy_error_mev_atom"
MEASURES = (*FORCE_MEASURES, *(LITHIUM + name for name in FORCE_MEASURES), ENERGY_ERROR)
STANDARD_ERROR = "_standard_error"

# A barrier scales with the forces along its path, so that one of 0.3 eV, as in good conductors,
# is 0.03 eV off where the softening factor is 0.9, and D at 300 K three times too high; ten times
# at 0.8. Deng et al. (2025, see `compare_forces`) find 0.7 to 1 in such potentials, and barriers
# of migration that are too low with them.
SOFTENING_BELIEVED, SOFTENING_DOUBTFUL = 0.1, 0.2
# Of the forces' variance, an error of 0.25 leaves 94 % right and one of 0.5 leaves 75 %. Wider
# than for softening: what has no direction averages out over a path. Our own choice.
ERROR_BELIEVED, ERROR_DOUBTFUL = 0.25, 0.5

EXAMPLE_BARRIER_EV, EXAMPLE_TEMPERATURE_K = 0.3, 300.0


def compare_forces(
    forces_ev_ang: np.ndarray, reference_ev_ang: np.ndarray
) -> dict[str, float | None]:
    """Compare forces with their reference.

    Parameters
    ----------
    forces_ev_ang, reference_ev_ang : ndarray, shape (n_atoms, 3)
        Atoms of several snapshots may stand below each other.

    Returns
    -------
    dict
        `FORCE_MEASURES`: mean absolute and root mean square error of the components
        in eV/angstrom; the latter over the reference's root mean square; the mean
        cosine between the two forces on an atom; the softening factor, the slope
        through the origin of forces (y) against reference (x), below one where the
        potential is too soft, as Deng et al. define it (npj Computational Materials
        11, 9 (2025), doi:10.1038/s41524-024-01500-6). None where nothing pulls, or
        there are no atoms.
    """
    measures: dict[str, float | None] = dict.fromkeys(FORCE_MEASURES)
    if not len(reference_ev_ang):
        return measures
    error = forces_ev_ang - reference_ev_ang
    rmse = float(np.sqrt((error**2).mean()))
    measures |= {"force_mae_ev_ang": float(np.abs(error).mean()), "force_rmse_ev_ang": rmse}
    products = (forces_ev_ang * reference_ev_ang).sum(axis=1)
    lengths = np.linalg.norm(forces_ev_ang, axis=1) * np.linalg.norm(reference_ev_ang, axis=1)
    pulled = lengths > 0
    if pulled.any():
        measures["force_cosine"] = float(np.mean(products[pulled] / lengths[pulled]))
    square = (reference_ev_ang**2).sum()
    if square > 0:
        measures["force_relative_error"] = rmse / math.sqrt(square / reference_ev_ang.size)
        measures["softening_factor"] = float(products.sum() / square)
    return measures


def measure_errors(
    forces_ev_ang: Sequence[np.ndarray],
    reference_ev_ang: Sequence[np.ndarray],
    *,
    energies_ev: Sequence[float],
    reference_energies_ev: Sequence[float],
    is_lithium: np.ndarray,
) -> dict[str, float | None]:
    """Measure an engine's errors over snapshots of one material.

    Parameters
    ----------
    forces_ev_ang, reference_ev_ang : sequence of ndarray, shape (n_atoms, 3)
        One a snapshot.
    energies_ev, reference_energies_ev : sequence of float
        Of the whole cell, one a snapshot; their zeros need not agree.
    is_lithium : ndarray of bool, shape (n_atoms,)

    Returns
    -------
    dict
        `MEASURES`: those of all atoms, those of lithium alone (`lithium_...`), and
        `energy_error_mev_atom`, the standard deviation over the snapshots of the
        difference of the energies, None for one. Each with its standard error over
        the snapshots (`..._standard_error`), by leaving out one after the other
        (the jackknife; None where too few are left).
    """
    forces, references = np.stack(forces_ev_ang), np.stack(reference_ev_ang)
    differences = np.subtract(energies_ev, reference_energies_ev) * 1000 / len(is_lithium)

    def measure(chosen: np.ndarray) -> dict[str, float | None]:
        all_atoms = compare_forces(*_flatten(forces[chosen], references[chosen]))
        lithium = compare_forces(
            *_flatten(forces[chosen][:, is_lithium], references[chosen][:, is_lithium])
        )
        spread = float(differences[chosen].std(ddof=1)) if len(chosen) > 1 else None
        named = {LITHIUM + name: value for name, value in lithium.items()}
        return {**all_atoms, **named, ENERGY_ERROR: spread}

    snapshots = np.arange(len(forces))
    return measure(snapshots) | _jackknife(measure, snapshots)


def judge(measures: dict[str, float | None], n_snapshots: int) -> tuple[str, str]:
    """Say whether an engine may be believed for a material.

    Lithium's forces decide, for they make its barriers: their softening factor and
    their relative error must lie within the first limits, standard error included,
    to be believed, and beyond the second ones, standard error excluded, not to be.
    What is between is doubtful, as is what one snapshot shows, without a standard
    error, and a material whose forces on all atoms are not to be believed.

    Parameters
    ----------
    measures : dict
        As of `measure_errors`.
    n_snapshots : int

    Returns
    -------
    verdict : str
        believed, doubtful or not_believed.
    reason : str
        In plain words, with the way in which the conductivity is wrong.
    """
    lithium = measures[LITHIUM + "softening_factor"] is not None
    verdict = _grade(measures, LITHIUM if lithium else "")
    remarks = []
    if verdict == BELIEVED and n_snapshots < 2:
        verdict = DOUBTFUL
        remarks.append("one snapshot says nothing of its own uncertainty")
    if verdict == BELIEVED and _grade(measures, "") == NOT_BELIEVED:
        verdict = DOUBTFUL
        remarks.append(
            f"over all atoms the softening factor is {_format(measures, 'softening_factor')} and"
            f" the error {measures['force_relative_error']:.0%} of GPAW's forces"
        )
    return verdict, "; ".join([_explain(measures, LITHIUM if lithium else ""), *remarks])


def _flatten(*forces: np.ndarray) -> list[np.ndarray]:
    """Put the atoms of all snapshots below each other."""
    return [array.reshape(-1, 3) for array in forces]


def _jackknife(
    measure: Callable[[np.ndarray], dict[str, float | None]], snapshots: np.ndarray
) -> dict[str, float | None]:
    """Return the standard error of each measure."""
    n = len(snapshots)
    left_out = [measure(np.delete(snapshots, i)) for i in range(n)] if n > 1 else []

    def standard_error(name: str) -> float | None:
        values = [measures[name] for measures in left_out]
        if not values or None in values:
            return None
        return float(np.sqrt((n - 1) * np.var(values)))

    return {name + STANDARD_ERROR: standard_error(name) for name in MEASURES}


def _grade(measures: dict[str, float | None], group: str) -> str:
    """Grade the forces on a group of atoms: the worse of softening and relative error."""
    softening = measures[group + "softening_factor"]
    if softening is None:
        return DOUBTFUL
    grades = []
    for name, distance, believed, doubtful in (
        ("softening_factor", abs(softening - 1), SOFTENING_BELIEVED, SOFTENING_DOUBTFUL),
        (
            "force_relative_error",
            measures[group + "force_relative_error"],
            ERROR_BELIEVED,
            ERROR_DOUBTFUL,
        ),
    ):
        error = measures[group + name + STANDARD_ERROR] or 0.0
        is_good, is_bad = distance + error <= believed, distance - error > doubtful
        grades.append(BELIEVED if is_good else NOT_BELIEVED if is_bad else DOUBTFUL)
    return max(grades, key=VERDICTS.index)


def _explain(measures: dict[str, float | None], group: str) -> str:
    """Say how the forces are wrong, and what that does to the conductivity."""
    softening = measures[group + "softening_factor"]
    atoms = "lithium's forces" if group else "the forces"
    if softening is None:
        return f"{atoms} vanish in GPAW, so that there is nothing to compare"
    relative = f"their error is {measures[group + 'force_relative_error']:.0%} of GPAW's"
    slope = f"softening factor {_format(measures, group + 'softening_factor')}"
    error = measures[group + "softening_factor" + STANDARD_ERROR] or 0.0
    if abs(softening - 1) <= max(error, 0.005):
        return f"{atoms} are neither too weak nor too strong ({slope}), and {relative}"
    way, barriers, sigma = ("weak", "low", "high") if softening < 1 else ("strong", "high", "low")
    kt_ev = units.kB * EXAMPLE_TEMPERATURE_K
    factor = math.exp(min(abs(softening - 1) * EXAMPLE_BARRIER_EV / kt_ev, 100.0))
    return (
        f"{atoms} are {abs(softening - 1):.0%} too {way} ({slope}), and {relative}: barriers come"
        f" out too {barriers} and the conductivity at {EXAMPLE_TEMPERATURE_K:g} K too {sigma}, by"
        f" a factor of about {factor:.2g} for a barrier of {EXAMPLE_BARRIER_EV:g} eV"
    )


def _format(measures: dict[str, float | None], name: str) -> str:
    error = measures[name + STANDARD_ERROR]
    return f"{measures[name]:.2f}" + ("" if error is None else f" ± {error:.2f}")


def describe_snapshot(row: dict[str, Any]) -> str:
    """Say in one line what a snapshot shows."""
    softening = row["softening_factor"]
    return (
        f"{row['temperature_k']:g} K, replica {row['replica']}, frame {row['frame']}:"
        f" mean absolute force error {row['force_mae_ev_ang']:.3f} eV/A, softening"
        f" {'-' if softening is None else format(softening, '.2f')}, {row['seconds']:.0f} s"
    )
