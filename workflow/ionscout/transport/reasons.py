"""The words in which a material's runs are summed up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.transport.conductivity import (
    FAST_ENERGY_EV,
    FAST_SIGMA_S_CM,
    ROOM_TEMPERATURE_K,
    fast_diffusivity_cm2_s,
    nernst_einstein,
)
from ionscout.transport.verdict import DIFFUSIVE, NON_DIFFUSIVE, VERDICT_RULES, VERDICTS

PLUMBING = "lennard-jones"
PLUMBING_NOTE = "plumbing test with Lennard-Jones forces, no physical meaning"


def left_out(rows: pd.DataFrame) -> list[str]:
    """Say which temperatures are not in the line and why, in no or one clause."""
    others = []
    for verdict in VERDICTS:
        kelvin = rows.loc[rows["verdict"] == verdict, "temperature_k"]
        if verdict != DIFFUSIVE and not kelvin.empty:
            where = f"at {kelvin.max():g} K: " if kelvin.max() > kelvin.min() else ""
            why = f"{where}{repeat_reason(rows, verdict)}"
            others.append(f"{name_temperatures(rows, verdict)} {verdict} ({why})")
    return [f"left out: {', '.join(others)}"] if others else []


def name_temperatures(rows: pd.DataFrame, verdict: str) -> str:
    """Name the temperatures with a verdict, with the number of runs where it is not one."""
    if rows.loc[rows["verdict"] == verdict, "temperature_k"].isna().all():
        return "unknown temperatures"
    counts = rows.loc[rows["verdict"] == verdict, "temperature_k"].value_counts().sort_index()
    named = [f"{kelvin:g}" + (f" (x{n})" if n > 1 else "") for kelvin, n in counts.items()]
    return ", ".join(named) + " K"


def repeat_reason(rows: pd.DataFrame, verdict: str) -> str:
    """Repeat the reason of the hottest run with a verdict, without the plumbing note."""
    found = rows[rows["verdict"] == verdict].sort_values("temperature_k").iloc[-1]
    if verdict == NON_DIFFUSIVE:
        return _bound_reason(found)
    return str(found["reason"]).removeprefix(f"{PLUMBING_NOTE}: ")


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
