"""The transport stage: runs in, a verdict a temperature and a conductivity a material out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ionscout.config import TransportSettings
from ionscout.dynamics.store import load_trajectory
from ionscout.errors import DynamicsError, TransportError
from ionscout.transport.arrhenius import ArrheniusFit, fit_arrhenius
from ionscout.transport.conductivity import (
    FAST_ENERGY_EV,
    FAST_SIGMA_S_CM,
    ROOM_TEMPERATURE_K,
    fast_diffusivity_cm2_s,
    nernst_einstein,
)
from ionscout.transport.trajectory import MSD_COLUMNS, analyse_trajectory
from ionscout.transport.verdict import (
    DIFFUSIVE,
    EXPLODED,
    MELTED,
    NON_DIFFUSIVE,
    NOT_RUN,
    UNRESOLVED,
    VERDICT_RULES,
    VERDICTS,
)

PLUMBING = "lennard-jones"
PLUMBING_NOTE = "plumbing test with Lennard-Jones forces, no physical meaning"
FAILED = (MELTED, EXPLODED, NOT_RUN)
MIN_DIFFUSIVE = 2
MAX_DECADES = 3.0
LINE_POINTS = 50
DIFFUSIVITY_COLUMNS = (
    "material_id",
    "temperature_k",
    "engine",
    "verdict",
    "reason",
    "diffusivity_cm2_s",
    "diffusivity_low_cm2_s",
    "diffusivity_high_cm2_s",
    "diffusivity_upper_bound_cm2_s",
    "fit_start_ps",
    "fit_end_ps",
    "msd_exponent",
    "msd_li_max_ang2",
    "msd_framework_max_ang2",
    "n_jumps",
    "n_lithium",
    "lithium_density_cm3",
    "production_ps",
)
CONDUCTIVITY_COLUMNS = (
    "material_id",
    "formula",
    "engine",
    "verdict",
    "activation_energy_ev",
    "activation_energy_low_ev",
    "activation_energy_high_ev",
    "sigma_300k_s_cm",
    "sigma_300k_low_s_cm",
    "sigma_300k_high_s_cm",
    "audit_force_mae_ev_ang",
    "reason",
)


def analyse_material(
    cell: dict[str, Any],
    runs: list[dict[str, Any]],
    *,
    store_dir: Path | str,
    settings: TransportSettings,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge each run of a material.

    Parameters
    ----------
    cell : dict
        The content of `cell.json`.
    runs : list of dict
        The content of each temperature's `run.json`.
    store_dir : Path or str
        The store of trajectories.
    settings : TransportSettings
        The section `transport` of the configuration.

    Returns
    -------
    diffusivity : DataFrame
        One row a run, columns `DIFFUSIVITY_COLUMNS`.
    msd : DataFrame
        The curves of the runs that finished, columns `MSD_COLUMNS`.
    """
    rows, curves = [], []
    for run in runs:
        row = dict.fromkeys(DIFFUSIVITY_COLUMNS)
        row |= {
            "material_id": cell["material_id"],
            "temperature_k": run["temperature_k"],
            "engine": run["engine"],
            "production_ps": run["production_ps"],
        }
        if run["status"] == "finished":
            try:
                trajectory = load_trajectory(store_dir, run["key"], run["production_ps"])
                found, curve = analyse_trajectory(trajectory, settings=settings)
                row |= found
                curves.append(curve)
            except (DynamicsError, TransportError) as error:
                row |= {"verdict": UNRESOLVED, "reason": str(error)}
        else:
            exploded = run["status"] == "failed" and run["reason"].startswith(EXPLODED)
            row |= {"verdict": EXPLODED if exploded else NOT_RUN, "reason": run["reason"]}
        if run["engine"] == PLUMBING:
            row["reason"] = f"{PLUMBING_NOTE}: {row['reason']}"
        rows.append(row)
    msd = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=MSD_COLUMNS)
    return _typed(pd.DataFrame(rows, columns=DIFFUSIVITY_COLUMNS)), msd


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
        The rows of `shortlist.csv`.
    diffusivities : list of DataFrame
        Each material's `diffusivity.csv`.
    audits : list of dict
        Each material's `audit.json`.
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
    maes = {audit["material_id"]: audit.get("force_mae_ev_ang") for audit in audits}
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
            "audit_force_mae_ev_ang": maes.get(name),
        }
        rows.append(row)
        line = _line(fit) if fit else None
        arrhenius[name] = {"material_id": name, "reason": row["reason"], "line": line}
    table = pd.DataFrame(rows, columns=CONDUCTIVITY_COLUMNS)
    numbers = [column for column in CONDUCTIVITY_COLUMNS if column.endswith(("_ev", "_cm", "_ang"))]
    return _best_first(table.astype(dict.fromkeys(numbers, float))), arrhenius


def _conclude(
    rows: pd.DataFrame, settings: TransportSettings
) -> tuple[dict[str, Any], ArrheniusFit | None]:
    """Give a material its verdict, with numbers where there is an extrapolation."""
    if rows.empty:
        return {"verdict": NOT_RUN, "reason": "no dynamics were run"}, None
    for verdict in FAILED:
        if 2 * (rows["verdict"] == verdict).sum() > len(rows):
            reason = f"{_temperatures(rows, verdict)}: {_reason(rows, verdict)}"
            return {"verdict": verdict, "reason": reason}, None
    survived = rows[~rows["verdict"].isin(FAILED)]
    hottest = set(
        survived.loc[survived["temperature_k"] == survived["temperature_k"].max(), "verdict"]
    )
    diffusive = rows[rows["verdict"] == DIFFUSIVE]
    if diffusive.empty and hottest == {NON_DIFFUSIVE}:
        return {"verdict": NON_DIFFUSIVE, "reason": _reason(rows, NON_DIFFUSIVE)}, None
    try:
        fit = _fit(diffusive, settings)
        _refuse_contradicted(fit, rows)
        numbers = _numbers(fit, diffusive, settings)
    except TransportError as error:
        why = "; ".join([str(error), *_left_out(rows)])
        if hottest == {DIFFUSIVE} and diffusive["temperature_k"].nunique() >= MIN_DIFFUSIVE:
            at = f"diffusive at {_temperatures(rows, DIFFUSIVE)}"
            why = f"{at}, but no conductivity at {ROOM_TEMPERATURE_K:g} K: {why}"
            return {"verdict": DIFFUSIVE, "reason": why}, None
        return {"verdict": UNRESOLVED, "reason": why}, None
    numbers["reason"] = "; ".join([numbers["reason"], *_left_out(rows)])
    return numbers, fit


def _fit(diffusive: pd.DataFrame, settings: TransportSettings) -> ArrheniusFit:
    """Arrhenius line through the diffusive temperatures, each interval taken as lognormal."""
    ln_low = np.log(diffusive["diffusivity_low_cm2_s"].to_numpy(dtype=float))
    ln_high = np.log(diffusive["diffusivity_high_cm2_s"].to_numpy(dtype=float))
    median = np.exp((ln_low + ln_high) / 2)
    ln_sd = (ln_high - ln_low) / (2 * stats.norm.ppf((1 + settings.credible_level) / 2))
    return fit_arrhenius(
        diffusive["temperature_k"],
        median,
        median * np.sqrt(np.expm1(ln_sd**2)),
        credible_level=settings.credible_level,
        min_temperatures=settings.min_temperatures,
    )


def _numbers(
    fit: ArrheniusFit, diffusive: pd.DataFrame, settings: TransportSettings
) -> dict[str, Any]:
    """Activation energy and conductivity at room temperature, if they are determined."""
    sigma, low, high = fit.conductivity_s_cm(
        ROOM_TEMPERATURE_K, float(diffusive["lithium_density_cm3"].mean())
    )
    decades = np.log10(high / low)
    if decades > MAX_DECADES:
        raise TransportError(
            f"the conductivity at {ROOM_TEMPERATURE_K:g} K is not determined: "
            f"{low:.1e} to {high:.1e} S/cm"
        )
    energy_low, energy_high = fit.activation_energy_interval_ev
    coldest, hottest = fit.temperature_range_k
    return {
        "verdict": DIFFUSIVE,
        "activation_energy_ev": fit.activation_energy_ev,
        "activation_energy_low_ev": energy_low,
        "activation_energy_high_ev": energy_high,
        "sigma_300k_s_cm": sigma,
        "sigma_300k_low_s_cm": low,
        "sigma_300k_high_s_cm": high,
        "reason": f"extrapolated from {len(diffusive)} temperatures, {coldest:g} to {hottest:g} K, "
        "tracer diffusivity with a Haven ratio of 1",
    }


def _refuse_contradicted(fit: ArrheniusFit, rows: pd.DataFrame) -> None:
    """Refuse a line that the temperatures left out speak against."""
    hottest = fit.temperature_range_k[1]
    melted = rows.loc[rows["verdict"] == MELTED, "temperature_k"].min()
    if melted <= hottest:
        raise TransportError(f"melted at {melted:g} K yet diffusive at {hottest:g} K")
    for row in rows[rows["verdict"] == NON_DIFFUSIVE].to_dict("records"):
        kelvin, bound = row["temperature_k"], row["diffusivity_upper_bound_cm2_s"]
        low = fit.diffusivity_cm2_s(kelvin)[1]
        if low > bound:
            raise TransportError(
                f"the line has D above {low:.1e} cm2/s at {kelvin:g} K, where it is below "
                f"{bound:.1e} ({VERDICT_RULES.stated_confidence})"
            )


def _left_out(rows: pd.DataFrame) -> list[str]:
    """Say which temperatures are not in the line and why, in no or one clause."""
    others = []
    for verdict in VERDICTS:
        kelvin = rows.loc[rows["verdict"] == verdict, "temperature_k"]
        if verdict != DIFFUSIVE and not kelvin.empty:
            where = f"at {kelvin.max():g} K: " if kelvin.max() > kelvin.min() else ""
            why = f"{where}{_reason(rows, verdict)}"
            others.append(f"{_temperatures(rows, verdict)} {verdict} ({why})")
    return [f"left out: {', '.join(others)}"] if others else []


def _bound_reason(row: pd.Series) -> str:
    """State the upper bound of a run in which nothing diffused, and what it excludes."""
    bound, kelvin = row["diffusivity_upper_bound_cm2_s"], row["temperature_k"]
    density_cm3 = row["lithium_density_cm3"]
    sigma = nernst_einstein(bound, temperature_k=kelvin, density_cm3=density_cm3)
    excluded = bound < fast_diffusivity_cm2_s(kelvin, density_cm3=density_cm3)
    fast = np.format_float_scientific(FAST_SIGMA_S_CM, trim="-", exp_digits=1)
    return (
        f"D below {bound:.1e} cm2/s and sigma below {sigma:.1e} S/cm at {kelvin:g} K "
        f"({VERDICT_RULES.stated_confidence}) of the ideal crystal, without defects, which "
        f"{'excludes' if excluded else 'does not exclude'} {fast} S/cm at "
        f"{ROOM_TEMPERATURE_K:g} K with {FAST_ENERGY_EV:g} eV"
    )


def _temperatures(rows: pd.DataFrame, verdict: str) -> str:
    """Name the temperatures with a verdict."""
    kelvin = sorted(rows.loc[rows["verdict"] == verdict, "temperature_k"])
    return ", ".join(f"{value:g}" for value in kelvin) + " K"


def _reason(rows: pd.DataFrame, verdict: str) -> str:
    """Repeat the reason of the hottest run with a verdict, without the plumbing note."""
    found = rows[rows["verdict"] == verdict].sort_values("temperature_k").iloc[-1]
    if verdict == NON_DIFFUSIVE:
        return _bound_reason(found)
    return str(found["reason"]).removeprefix(f"{PLUMBING_NOTE}: ")


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


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as floats, NaN where there is none."""
    words = {"material_id", "engine", "verdict", "reason"}
    numbers = [name for name in DIFFUSIVITY_COLUMNS if name not in words]
    return table.astype(dict.fromkeys(numbers, float))
