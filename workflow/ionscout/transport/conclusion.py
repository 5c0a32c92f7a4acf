"""What the runs of a material add up to: a conductivity at 300 K, or the reason for none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ionscout.config import TransportSettings
from ionscout.dynamics.audit_measures import NOT_AUDITED
from ionscout.errors import TransportError
from ionscout.transport.arrhenius import ArrheniusFit, fit_ln_arrhenius
from ionscout.transport.conductivity import ROOM_TEMPERATURE_K
from ionscout.transport.pooling import pool_haven_ratio
from ionscout.transport.reasons import (
    PLUMBING,
    PLUMBING_NOTE,
    left_out,
    name_temperatures,
    repeat_reason,
)
from ionscout.transport.verdict import (
    DIFFUSIVE,
    EXPLODED,
    FRAMEWORK_MOVES,
    MELTED,
    NON_DIFFUSIVE,
    NOT_RUN,
    UNRESOLVED,
    VERDICT_RULES,
    VERDICTS,
)

FAILED = (MELTED, EXPLODED, NOT_RUN)
MIN_DIFFUSIVE = 2
MAX_DECADES = 3.0
LINE_POINTS = 50
SCATTER_NOTE = ", which scatter beyond their errors: the intervals hold the scatter"
CONDUCTIVITY_COLUMNS = (
    "material_id",
    "formula",
    "engine",
    "verdict",
    "activation_energy_ev",
    "activation_energy_low_ev",
    "activation_energy_high_ev",
    "prefactor_cm2_s",
    "prefactor_low_cm2_s",
    "prefactor_high_cm2_s",
    "sigma_300k_s_cm",
    "sigma_300k_low_s_cm",
    "sigma_300k_high_s_cm",
    "haven_ratio",
    "haven_ratio_low",
    "haven_ratio_high",
    "sigma_300k_collective_s_cm",
    "sigma_300k_collective_low_s_cm",
    "sigma_300k_collective_high_s_cm",
    "n_temperatures",
    "n_runs",
    "valid_from_k",
    "valid_to_k",
    "extrapolation_ratio",
    "curvature_p",
    "kink_p",
    "audit_force_mae_ev_ang",
    "audit_softening_factor",
    "audit_verdict",
    "reason",
)
WORDS = ("material_id", "formula", "engine", "verdict", "audit_verdict", "reason")


def conductivity_table(
    shortlist: pd.DataFrame,
    diffusivities: list[pd.DataFrame],
    audits: list[dict[str, Any]],
    settings: TransportSettings,
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Extrapolate each material's conductivity, or say why not.

    Parameters
    ----------
    shortlist : DataFrame
        The rows of `shortlist.csv`: material_id, formula and engine.
    diffusivities : list of DataFrame
        Each material's `diffusivity.csv`.
    audits : list of dict
        Each material's `audit.json`. What it says of the forces stands beside the numbers,
        and changes none of them: the softening factor is that of lithium.
    settings : TransportSettings
        The section `transport` of the configuration.

    Returns
    -------
    conductivity : DataFrame
        One row a material of the shortlist, columns `CONDUCTIVITY_COLUMNS`, best first.
    arrhenius : dict
        By material: `material_id`, `reason` and `line`, which is None or holds the lists
        temperature_k, diffusivity_cm2_s and its low and high bounds.
    """
    by_material = {
        str(name): rows for table in diffusivities for name, rows in table.groupby("material_id")
    }
    audited = {audit["material_id"]: audit for audit in audits}
    rows, arrhenius = [], {}
    for material in shortlist.to_dict("records"):
        name = str(material["material_id"])
        row, fit = _conclude(by_material.get(name, pd.DataFrame()), settings)
        if material["engine"] == PLUMBING:
            row["reason"] = f"{PLUMBING_NOTE}: {row['reason']}"
        row |= {
            "material_id": name,
            "formula": material["formula"],
            "engine": material["engine"],
            **_stand_beside(audited.get(name, {})),
        }
        rows.append(row)
        line = _line(fit) if fit else None
        arrhenius[name] = {"material_id": name, "reason": row["reason"], "line": line}
    table = pd.DataFrame(rows, columns=CONDUCTIVITY_COLUMNS)
    numbers = [column for column in CONDUCTIVITY_COLUMNS if column not in WORDS]
    return _best_first(table.astype(dict.fromkeys(numbers, float))), arrhenius


def _stand_beside(audit: dict[str, Any]) -> dict[str, Any]:
    """Return what an audit says of the forces behind a conductivity."""
    return {
        "audit_force_mae_ev_ang": audit.get("force_mae_ev_ang"),
        "audit_softening_factor": audit.get("lithium_softening_factor"),
        "audit_verdict": audit.get("verdict", NOT_AUDITED),
    }


def conclude_runs(
    diffusivity: pd.DataFrame, settings: TransportSettings
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Extrapolate the conductivity of every material in a table of runs.

    Parameters
    ----------
    diffusivity : DataFrame
        As `analysis.analyse_trajectories` makes it, of one or many materials.
    settings : TransportSettings
        The section `transport` of the configuration.

    Returns
    -------
    conductivity, arrhenius
        As of `conductivity_table`, with the material's id for its formula.
    """
    materials = diffusivity.drop_duplicates("material_id")[["material_id", "engine"]]
    materials = materials.assign(formula=materials["material_id"])
    return conductivity_table(materials, [diffusivity], [], settings)


def _conclude(
    rows: pd.DataFrame, settings: TransportSettings
) -> tuple[dict[str, Any], ArrheniusFit | None]:
    """Give a material its verdict, with numbers where there is an extrapolation."""
    if rows.empty:
        return {"verdict": NOT_RUN, "reason": "no dynamics were run"}, None
    for verdict in FAILED:
        if 2 * (rows["verdict"] == verdict).sum() > len(rows):
            reason = f"{name_temperatures(rows, verdict)}: {repeat_reason(rows, verdict)}"
            return {"verdict": verdict, "reason": reason}, None
    survived = rows[~rows["verdict"].isin(FAILED)]
    hottest = set(
        survived.loc[survived["temperature_k"] == survived["temperature_k"].max(), "verdict"]
    )
    diffusive = rows[rows["verdict"] == DIFFUSIVE]
    if diffusive.empty and hottest == {NON_DIFFUSIVE}:
        return {"verdict": NON_DIFFUSIVE, "reason": repeat_reason(rows, NON_DIFFUSIVE)}, None
    try:
        solid = _solid_runs(rows, diffusive)
        fit = _fit(solid, rows, settings)
        numbers = _numbers(fit, solid, rows, settings)
    except TransportError as error:
        why = "; ".join([str(error), *left_out(rows)])
        if DIFFUSIVE in hottest and diffusive["temperature_k"].nunique() >= MIN_DIFFUSIVE:
            at = f"diffusive at {name_temperatures(rows, DIFFUSIVE)}"
            why = f"{at}, but no conductivity at {ROOM_TEMPERATURE_K:g} K: {why}"
            return {"verdict": DIFFUSIVE, "reason": why}, None
        return {"verdict": UNRESOLVED, "reason": why}, None
    numbers["reason"] = "; ".join([numbers["reason"], *left_out(rows)])
    return numbers, fit


def _solid_runs(rows: pd.DataFrame, diffusive: pd.DataFrame) -> pd.DataFrame:
    """Leave out the diffusive runs from where a replica melted or its framework moved."""
    melted = rows.loc[rows["verdict"] == MELTED, "temperature_k"].min()
    hottest = diffusive["temperature_k"].max()
    if melted < hottest:
        raise TransportError(f"melted at {melted:g} K yet diffusive at {hottest:g} K")
    ends = _ends_of_crystal(rows)
    return diffusive[diffusive["temperature_k"] < ends.min()] if len(ends) else diffusive


def _ends_of_crystal(rows: pd.DataFrame) -> pd.Series:
    """Temperatures at which the framework melted or moved."""
    moved = rows["reason"].astype(str).str.contains(FRAMEWORK_MOVES, regex=False)
    return rows.loc[(rows["verdict"] == MELTED) | moved, "temperature_k"]


def _fit(solid: pd.DataFrame, rows: pd.DataFrame, settings: TransportSettings) -> ArrheniusFit:
    """Arrhenius line through the diffusive runs, under the bounds of those that are not."""
    still = rows.loc[
        rows["verdict"] == NON_DIFFUSIVE, ["temperature_k", "diffusivity_upper_bound_cm2_s"]
    ].dropna()
    ln_mean, ln_sd = _ln_moments(solid, settings.credible_level)
    return fit_ln_arrhenius(
        solid["temperature_k"].to_numpy(dtype=float),
        ln_mean,
        ln_sd,
        bounds=still.to_numpy(dtype=float),
        bound_confidence=VERDICT_RULES.confidence,
        credible_level=settings.credible_level,
        min_temperatures=settings.min_temperatures,
    )


def _ln_moments(runs: pd.DataFrame, level: float) -> tuple[NDArray, NDArray]:
    """Mean and standard deviation of ln D, from the interval where a table lacks them."""
    ln_low = np.log(runs["diffusivity_low_cm2_s"].to_numpy(dtype=float))
    ln_high = np.log(runs["diffusivity_high_cm2_s"].to_numpy(dtype=float))
    mean, sd = (ln_low + ln_high) / 2, (ln_high - ln_low) / (2 * stats.norm.ppf((1 + level) / 2))
    columns = ["ln_diffusivity_mean", "ln_diffusivity_sd"]
    stated = runs.reindex(columns=columns).to_numpy(dtype=float)
    known = np.isfinite(stated).all(axis=1)
    return np.where(known, stated[:, 0], mean), np.where(known, stated[:, 1], sd)


def _numbers(
    fit: ArrheniusFit, solid: pd.DataFrame, rows: pd.DataFrame, settings: TransportSettings
) -> dict[str, Any]:
    """Numbers of a row of `conductivity.csv`, if the conductivity is determined."""
    sigma, low, high = fit.conductivity_s_cm(
        ROOM_TEMPERATURE_K, float(solid["lithium_density_cm3"].mean())
    )
    if np.log10(high / low) > MAX_DECADES:
        raise TransportError(
            f"the conductivity at {ROOM_TEMPERATURE_K:g} K is not determined: "
            f"{low:.1e} to {high:.1e} S/cm"
        )
    energy_low, energy_high = fit.activation_energy_interval_ev
    prefactor_low, prefactor_high = fit.prefactor_interval_cm2_s
    collective, note = _collective(solid, (sigma, low, high), settings.credible_level)
    return collective | {
        "verdict": DIFFUSIVE,
        "activation_energy_ev": fit.activation_energy_ev,
        "activation_energy_low_ev": energy_low,
        "activation_energy_high_ev": energy_high,
        "prefactor_cm2_s": fit.prefactor_cm2_s,
        "prefactor_low_cm2_s": prefactor_low,
        "prefactor_high_cm2_s": prefactor_high,
        "sigma_300k_s_cm": sigma,
        "sigma_300k_low_s_cm": low,
        "sigma_300k_high_s_cm": high,
        "n_temperatures": fit.n_temperatures,
        "n_runs": fit.n_runs,
        "valid_from_k": fit.temperature_range_k[0],
        "valid_to_k": _top_of_validity(fit, rows),
        "extrapolation_ratio": fit.extrapolation_ratio(ROOM_TEMPERATURE_K),
        "curvature_p": fit.straightness.curvature_p,
        "kink_p": fit.straightness.kink_p,
        "reason": f"{_span(fit)}, {note}",
    }


def _span(fit: ArrheniusFit) -> str:
    """Say what the line goes through and how far it is carried."""
    coldest, hottest = fit.temperature_range_k
    replicas = f" ({fit.n_runs} runs)" if fit.n_runs > fit.n_temperatures else ""
    return (
        f"extrapolated from {fit.n_temperatures} temperatures{replicas}, {coldest:g} to "
        f"{hottest:g} K, by {fit.extrapolation_ratio(ROOM_TEMPERATURE_K):.1f} times that range "
        f"in 1/T{SCATTER_NOTE * fit.straightness.scattered}"
    )


def _collective(
    solid: pd.DataFrame, sigma_s_cm: tuple[float, float, float], level: float
) -> tuple[dict[str, float], str]:
    """Haven ratio and the conductivity with it, and what to say of them."""
    plain = "tracer diffusivity with a Haven ratio of 1"
    try:
        pooled = pool_haven_ratio(solid, credible_level=level)
    except TransportError as error:
        return {}, f"{plain}, for {error}"
    if pooled is None:
        return {}, plain
    value, low, high = pooled.divide(*sigma_s_cm)
    numbers = {
        "haven_ratio": pooled.median,
        "haven_ratio_low": pooled.low,
        "haven_ratio_high": pooled.high,
        "sigma_300k_collective_s_cm": value,
        "sigma_300k_collective_low_s_cm": low,
        "sigma_300k_collective_high_s_cm": high,
    }
    return numbers, (
        f"{plain}; with the one of the runs, {pooled.median:.2f}, taken as the same at "
        f"{ROOM_TEMPERATURE_K:g} K, {value:.1e} S/cm"
    )


def _top_of_validity(fit: ArrheniusFit, rows: pd.DataFrame) -> float:
    """Lowest temperature at which the framework melted or moved, else the hottest fitted."""
    ends = _ends_of_crystal(rows)
    return float(ends.min()) if len(ends) else fit.temperature_range_k[1]


def _line(fit: ArrheniusFit) -> dict[str, list[float]]:
    """Tabulate the fitted line, with its band, from room temperature to the hottest one."""
    coldest, hottest = fit.temperature_range_k
    ends = min(coldest, ROOM_TEMPERATURE_K), max(hottest, ROOM_TEMPERATURE_K)
    kelvin = 1 / np.linspace(1 / ends[0], 1 / ends[1], LINE_POINTS)
    median, low, high = fit.diffusivity_cm2_s(kelvin)
    return {
        "temperature_k": kelvin.tolist(),
        "diffusivity_cm2_s": median.tolist(),
        "diffusivity_low_cm2_s": low.tolist(),
        "diffusivity_high_cm2_s": high.tolist(),
    }


def _best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Sort by conductivity, then by verdict."""
    order = table.assign(
        by_verdict=table["verdict"].map(VERDICTS.index), by_sigma=-table["sigma_300k_s_cm"]
    ).sort_values(["by_sigma", "by_verdict", "material_id"], na_position="last")
    return table.loc[order.index].reset_index(drop=True)
