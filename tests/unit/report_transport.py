"""The tables of a made-up transport stage, for the tests of the report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ionscout.report.inputs_transport import DENSITY_COLUMNS, MSD_SHOWN
from ionscout.transport.analysis import CONDUCTIVITY_COLUMNS, DIFFUSIVITY_COLUMNS

BOLTZMANN_EV_K = 8.617333262e-5
ENERGY_EV, PREFACTOR_CM2_S = 0.35, 2e-3
LITHIUM_DENSITY_CM3 = 3.1e22
WINDOW_PS = 1.0, 7.0
CONDUCTIVITY_NUMBERS = {
    "activation_energy_ev": 0.35,
    "activation_energy_low_ev": 0.31,
    "activation_energy_high_ev": 0.4,
    "prefactor_cm2_s": 2e-3,
    "prefactor_low_cm2_s": 8e-4,
    "prefactor_high_cm2_s": 5e-3,
    "sigma_300k_s_cm": 1.1e-3,
    "sigma_300k_low_s_cm": 2e-4,
    "sigma_300k_high_s_cm": 5e-3,
    "haven_ratio": 0.62,
    "haven_ratio_low": 0.45,
    "haven_ratio_high": 0.83,
    "sigma_300k_collective_s_cm": 1.8e-3,
    "sigma_300k_collective_low_s_cm": 3e-4,
    "sigma_300k_collective_high_s_cm": 8.4e-3,
    "n_temperatures": 3,
    "n_runs": 6,
    "valid_from_k": 800,
    "valid_to_k": 1200,
    "extrapolation_ratio": 5.0,
    "curvature_p": 0.43,
    "kink_p": 0.52,
    "audit_force_mae_ev_ang": 0.061,
    "audit_softening_factor": 0.86,
    "audit_verdict": "doubtful",
}


def true_diffusivity(temperature_k):
    return PREFACTOR_CM2_S * np.exp(-ENERGY_EV / (BOLTZMANN_EV_K * np.asarray(temperature_k)))


def make_run(
    name: str,
    temperature_k: float,
    replica: int = 0,
    *,
    verdict: str = "diffusive",
    engine: str = "chgnet",
    production_ps: float = 20.0,
) -> dict:
    """A row of diffusivity.csv; only a diffusive run has numbers."""
    row = dict.fromkeys(DIFFUSIVITY_COLUMNS) | {
        "material_id": name,
        "temperature_k": temperature_k,
        "replica": replica,
        "engine": engine,
        "verdict": verdict,
        "reason": "two jumps are too few",
        "diffusivity_upper_bound_cm2_s": 3e-7,
        "msd_exponent": 0.12,
        "msd_li_max_ang2": 1.2,
        "msd_framework_max_ang2": 0.9,
        "n_jumps": 2,
        "n_lithium": 12,
        "lithium_density_cm3": LITHIUM_DENSITY_CM3,
        "production_ps": production_ps,
    }
    if verdict != "diffusive":
        return row
    value = float(true_diffusivity(temperature_k)) * (1.2 if replica else 0.9)
    numbers = {
        "reason": "",
        "diffusivity_cm2_s": value,
        "diffusivity_low_cm2_s": value / 1.6,
        "diffusivity_high_cm2_s": value * 1.5,
        "ln_diffusivity_mean": np.log(value),
        "ln_diffusivity_sd": 0.22,
        "diffusivity_upper_bound_cm2_s": None,
        "collective_diffusivity_cm2_s": value / 0.62,
        "collective_diffusivity_low_cm2_s": value / 1.3,
        "collective_diffusivity_high_cm2_s": value / 0.3,
        "haven_ratio": 0.62,
        "haven_ratio_low": 0.31,
        "haven_ratio_high": 1.22,
        "anisotropy": 2.4,
        "fit_start_ps": WINDOW_PS[0],
        "fit_end_ps": WINDOW_PS[1],
        "msd_exponent": 0.97,
        "msd_li_max_ang2": 6e4 * value * production_ps,
        "n_jumps": 41,
        "jump_rate_per_ion_ps": 0.17,
        "jump_length_ang": 2.9,
    }
    parts = {"xx": 1.3, "yy": 1.1, "zz": 0.6, "yz": 0.0, "xz": 0.0, "xy": 0.1}
    return row | numbers | {f"diffusivity_{k}_cm2_s": value * part for k, part in parts.items()}


def make_curve(run: dict) -> pd.DataFrame:
    """The MSD of a run: ballistic, then a cage, then the line of its diffusivity."""
    lag = np.unique(np.geomspace(0.01, run["production_ps"] / 2, 200).round(3))
    slope = 6 * (run["diffusivity_cm2_s"] or 0.0) * 1e4
    msd = 1.1 * -np.expm1(-((lag / 0.08) ** 2)) + slope * lag
    in_fit = (lag >= WINDOW_PS[0]) & (lag <= WINDOW_PS[1]) & (run["verdict"] == "diffusive")
    line = np.where(in_fit, 1.1 + slope * lag, np.nan)
    return pd.DataFrame(
        {
            "material_id": run["material_id"],
            "replica": run["replica"],
            "temperature_k": float(run["temperature_k"]),
            "lag_ps": lag,
            "msd_li_ang2": msd,
            "msd_li_error_ang2": 0.02 * msd + 0.03 * slope * lag * np.sqrt(lag),
            "msd_framework_ang2": 0.4 * -np.expm1(-((lag / 0.1) ** 2)),
            "in_fit": in_fit,
            "exponent": np.gradient(np.log(msd), np.log(lag)),
            "fit_ang2": line,
            "fit_low_ang2": 1.1 + (line - 1.1) / 1.6,
            "fit_high_ang2": 1.1 + (line - 1.1) * 1.5,
        }
    )[MSD_SHOWN]


def make_density(name: str, temperature_k: float) -> pd.DataFrame:
    """Sites and a path between them on the sheared grid of a hexagonal plane."""
    n_i, n_j = 36, 36
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(n_i), np.arange(n_j), indexing="ij"))
    u, v = (i + 0.5) / n_i, (j + 0.5) / n_j
    wave = np.cos(2 * np.pi * 2 * u) + np.cos(2 * np.pi * 2 * v) + np.cos(2 * np.pi * 2 * (u + v))
    return pd.DataFrame(
        {
            "material_id": name,
            "temperature_k": float(temperature_k),
            "replica": 0,
            "axis": "c",
            "i": i,
            "j": j,
            "x_ang": 7.3 * (u - 0.5 * v),
            "y_ang": 7.3 * np.sqrt(3) / 2 * v,
            "lithium_ang2": 0.02 * np.exp(1.3 * wave),
        }
    )[DENSITY_COLUMNS]


def make_line() -> dict[str, list[float]]:
    temperature_k = np.linspace(300, 1200, 40)
    value = true_diffusivity(temperature_k)
    spread = np.exp(0.3 + np.abs(1000 / temperature_k - 1))
    line = {
        "temperature_k": temperature_k,
        "diffusivity_cm2_s": value,
        "diffusivity_low_cm2_s": value / spread,
        "diffusivity_high_cm2_s": value * spread,
    }
    return {key: list(column) for key, column in line.items()}


def make_conductivities(rows: list[dict]) -> pd.DataFrame:
    """Rows with numbers where `verdict` is diffusive, columns as in conductivity.csv."""
    filled = [row | (CONDUCTIVITY_NUMBERS if row["verdict"] == "diffusive" else {}) for row in rows]
    return pd.DataFrame(filled).reindex(columns=CONDUCTIVITY_COLUMNS)
