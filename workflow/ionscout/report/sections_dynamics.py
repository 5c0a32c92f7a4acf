"""The sections of the page from the molecular dynamics on, and how to read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ionscout.report import figures_dynamics as figures
from ionscout.report.blocks import Block, Cell, Definitions, Details, Figure, Section, Table, Text
from ionscout.report.inputs import FAILURE_COLUMNS, Tables
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    format_count,
    format_formula,
    format_number,
    interval_column,
    is_missing,
    make_table,
    material_column,
    number_column,
    prose_column,
    text_column,
    verdict_cell,
    verdict_column,
)
from ionscout.transport.conductivity import ROOM_TEMPERATURE_K

N_FAILURES = 100
N_EXAMPLES = 3

_VERDICTS_EXPLAINED = (
    (
        "diffusive",
        "Lithium left its sites and its mean squared displacement grows in proportion to time."
        " D follows from its slope, with an interval.",
    ),
    (
        "non-diffusive",
        "At most a jump or two led to a new site. D lies below the bound given (95 %), for the"
        " ideal crystal without vacancies and the length of the run; the reason says whether that"
        " excludes a fast conductor. No conductivity is extrapolated.",
    ),
    (
        "unresolved",
        "The run neither shows a slope that can be believed nor excludes one; the reason says what"
        " is missing.",
    ),
    (
        "melted",
        "The framework left its sites as well, so that this is no longer the crystal asked about."
        " Lower temperatures are needed.",
    ),
    (
        "exploded",
        "Atoms ran away or energies lost all bounds. The forces, the time step or the starting"
        " structure is at fault, not the material.",
    ),
    (
        "not_run",
        "There is no trajectory, for the reason given. Nothing follows about the material.",
    ),
)


def show_dynamics(tables: Tables) -> Section:
    """Show the diffusivities, their temperature dependence and where they come from."""
    blocks: list[Block] = []
    if tables.diffusivity.empty:
        blocks.append(Text("No molecular dynamics was run."))
        return Section("dynamics", "Dynamics", tuple(blocks))
    if tables.diffusivity["verdict"].ne("diffusive").all():
        blocks.append(Text("No material was diffusive at any temperature."))
    series = arrhenius_series(tables)
    if series:
        blocks.append(
            Figure(
                figures.draw_arrhenius(series),
                "Arrhenius plot of all materials",
                "Lithium diffusivity over inverse temperature, with intervals. Arrows point down"
                " from upper bounds. A line with its band is drawn only where the extrapolation"
                f" to {ROOM_TEMPERATURE_K:g} K (dotted) is supported.",
            )
        )
    blocks.append(_diffusivity_table(_with_formula(tables.diffusivity, tables)))
    for material_id, curves in tables.msd.groupby("material_id", sort=False):
        rows = tables.diffusivity[tables.diffusivity["material_id"] == material_id]
        name = _name(str(material_id), tables)
        blocks.append(
            Figure(
                figures.draw_msd(curves, rows, name=str(material_id)),
                f"Mean squared displacements of {name}",
                f"{name}: mean squared displacement of lithium, with its error band, and of the"
                " framework (dashed). Shaded: the window of the fit. Scales differ.",
            )
        )
    blocks.append(Details("Cells and runs", _run_table(tables)))
    return Section("dynamics", "Dynamics", tuple(blocks))


def show_audit(tables: Tables) -> Section:
    """Show how far the forces can be believed."""
    if tables.audits.empty:
        return Section("audit", "Audit", (Text("No material reached the audit of its forces."),))
    columns = [
        material_column(),
        text_column("Engine", "engine"),
        Column("Status", lambda row: Cell(str(row["status"]).replace("_", " "))),
        number_column("T (K)", "temperature_k"),
        count_column("Atoms", "n_atoms"),
        number_column("Mean absolute error (eV/Å)", "force_mae_ev_ang"),
        number_column("Root mean square error (eV/Å)", "force_rmse_ev_ang"),
        number_column("Cosine", "force_cosine"),
        number_column("Softening factor", "softening_factor"),
        prose_column("Reason", "reason"),
    ]
    text = (
        "Forces of the engine against GPAW on one snapshot of each trajectory. A softening factor"
        " below one means that the engine's forces are too weak, and its barriers too low."
    )
    table = make_table(
        _with_formula(tables.audits, tables), columns, caption="Force errors against GPAW"
    )
    return Section("audit", "Audit", (Text(text), table))


def show_failures(tables: Tables) -> Section:
    """List what was left out at any stage, and why."""
    failures = collect_failures(tables)
    if failures.empty:
        return Section("failures", "What failed", (Text("Nothing failed."),))
    grouped = (
        failures.groupby(["stage", "reason"], sort=False)["material_id"]
        .agg(["size", lambda ids: ", ".join(map(str, ids.iloc[:N_EXAMPLES]))])
        .set_axis(["n", "examples"], axis=1)
        .reset_index()
    )
    columns = [
        text_column("Stage", "stage"),
        count_column("Materials", "n"),
        Column("Which", _examples_cell),
        prose_column("Reason", "reason"),
    ]
    shown = grouped.head(N_FAILURES)
    blocks: list[Block] = [
        Text("Each was left out of the stage named, and the rest went on."),
        make_table(shown, columns, caption="What failed, by stage and reason"),
    ]
    if len(grouped) > len(shown):
        blocks.append(Text(f"{len(grouped) - len(shown)} further reasons are in the tables."))
    return Section("failures", "What failed", tuple(blocks))


def explain() -> Section:
    """Say how to read the page."""
    verdicts = Definitions(
        tuple((verdict_cell(verdict), text) for verdict, text in _VERDICTS_EXPLAINED)
    )
    return Section(
        "reading",
        "How to read this page",
        (
            Text(
                "A verdict stands for the whole material in the results and for one temperature"
                " in the dynamics. A dash means that there is no value, and the reason stands"
                " beside it. Intervals of what dynamics give are credible intervals at the level"
                " set in the campaign; they hold the statistical error of the runs, not that of the"
                " forces. Those of scores say how rough a score from so few materials is."
            ),
            verdicts,
            Text(
                "Gates answer pass, fail or unknown; what an unknown leads to is a setting. A"
                " model's probability is that of conducting fast at room temperature, judged on"
                " structure and composition alone. σ is the conductivity of a perfect single"
                " crystal; measured values of pellets contain grain boundaries and vacancies."
            ),
        ),
    )


def show_settings(campaign: dict[str, Any], versions: dict[str, str]) -> Section:
    """List every setting and the versions of the software."""
    settings = pd.DataFrame(flatten_settings(campaign), columns=["key", "value"])
    software = pd.DataFrame(sorted(versions.items()), columns=["name", "version"])
    settings_table = make_table(
        settings,
        [text_column("Key", "key"), text_column("Value", "value")],
        caption="The campaign's settings",
    )
    software_table = make_table(
        software,
        [text_column("Software", "name"), text_column("Version", "version")],
        caption="Versions that made this page",
    )
    blocks = (Details("All settings", settings_table), Details("Software", software_table))
    return Section("settings", "Settings", blocks)


def flatten_settings(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Write nested settings as dotted keys with their values as text."""
    flat: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            flat += flatten_settings(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            flat.append((prefix + key, ", ".join(map(str, value)) or "none"))
        else:
            flat.append((prefix + key, "none" if value in (None, {}) else str(value)))
    return flat


def collect_failures(tables: Tables) -> pd.DataFrame:
    """Put together what every stage left out.

    Returns
    -------
    DataFrame
        material_id, source, stage, reason.
    """
    predictions = tables.predictions[tables.predictions["reason"] != ""]
    by_reason = predictions.groupby(["material_id", "reason"], sort=False, as_index=False)
    by_reason = by_reason["model"].agg(", ".join)
    cells = tables.cells[tables.cells["status"] == "failed"]
    runs = tables.runs[tables.runs["status"].isin(["failed", "not_run"])]
    parts = [
        tables.failures,
        *(
            _as_failures(table[table["reason"] != ""].reset_index(), f"features {name}")
            for name, table in [*tables.features.items(), *tables.candidates.items()]
        ),
        _as_failures(by_reason, [f"models {models}" for models in by_reason["model"]]),
        _as_failures(cells, "dynamics, cell"),
        _as_failures(runs, [f"dynamics, {kelvin:g} K" for kelvin in runs["temperature_k"]]),
    ]
    filled = [part for part in parts if not part.empty]
    return pd.concat(filled, ignore_index=True) if filled else tables.failures


def arrhenius_series(tables: Tables) -> list[figures.ArrheniusSeries]:
    """Gather what the Arrhenius plot shows, a series a material that has something to show."""
    names = {"diffusivity_cm2_s": 0, "diffusivity_low_cm2_s": 1, "diffusivity_high_cm2_s": 2}
    values = [*names, "diffusivity_upper_bound_cm2_s"]
    series = []
    for material_id, rows in tables.diffusivity.groupby("material_id", sort=False):
        rows = rows.dropna(subset=["diffusivity_cm2_s", values[-1]], how="all")
        if rows.empty:
            continue
        diffusivity, low, high, bound = (rows[name].to_numpy(dtype=float) for name in values)
        line = tables.arrhenius.get(str(material_id), {}).get("line") or {}
        curve = [np.asarray(line.get(name, []), dtype=float) for name in ("temperature_k", *names)]
        series.append(
            figures.ArrheniusSeries(
                _name(str(material_id), tables),
                rows["temperature_k"].to_numpy(dtype=float),
                *(diffusivity, low, high, bound),
                *curve,
            )
        )
    return series


def _with_formula(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Add the formulas of the shortlisted materials."""
    return rows.merge(tables.shortlist[["material_id", "formula"]], on="material_id", how="left")


def _name(material_id: str, tables: Tables) -> str:
    """Name a shortlisted material by formula and id."""
    of_material = tables.shortlist["material_id"] == material_id
    formulas = [format_formula(formula) for formula in tables.shortlist.loc[of_material, "formula"]]
    return f"{', '.join(formulas)} ({material_id})"


def _as_failures(rows: pd.DataFrame, stage: str | list[str]) -> pd.DataFrame:
    return rows.assign(stage=stage, source="")[FAILURE_COLUMNS]


def _examples_cell(row: dict[str, Any]) -> Cell:
    more = row["n"] - N_EXAMPLES
    return Cell(row["examples"] + (f" and {more} more" if more > 0 else ""))


def _diffusivity_table(diffusivity: pd.DataFrame) -> Table:
    columns = [
        material_column(),
        number_column("T (K)", "temperature_k"),
        verdict_column(),
        interval_column(
            "D (cm²/s)", "diffusivity_cm2_s", "diffusivity_low_cm2_s", "diffusivity_high_cm2_s"
        ),
        number_column("Upper bound of D (cm²/s)", "diffusivity_upper_bound_cm2_s"),
        number_column("Exponent of the MSD", "msd_exponent"),
        Column("Largest MSD of Li, framework (Å²)", _largest_msd_cell, numeric=True),
        Column("Jumps", _jumps_cell, numeric=True),
        prose_column("Reason", "reason"),
    ]
    return make_table(diffusivity, columns, caption="Diffusivity by temperature")


def _largest_msd_cell(row: dict[str, Any]) -> Cell:
    return Cell(format_number(row["msd_li_max_ang2"]), format_number(row["msd_framework_max_ang2"]))


def _jumps_cell(row: dict[str, Any]) -> Cell:
    ions = "" if is_missing(row["n_lithium"]) else f"of {format_count(row['n_lithium'])} Li"
    return Cell(format_count(row["n_jumps"]), ions)


def _run_table(tables: Tables) -> Table:
    of_cells = ["material_id", "n_atoms", "relax_converged", "relax_steps"]
    of_cells += ["volume_change_fraction", "remark"]
    cells = tables.cells.rename(columns={"reason": "remark"})[of_cells]
    rows = tables.runs.merge(cells, on="material_id", how="left")
    columns = [
        material_column(),
        number_column("T (K)", "temperature_k"),
        Column("Status", lambda row: Cell(str(row["status"]).replace("_", " "))),
        Column("Engine", lambda row: Cell(*_engine_and_version(row))),
        count_column("Atoms", "n_atoms"),
        Column("Relaxation", _relaxation_cell),
        number_column("Volume change (fraction)", "volume_change_fraction"),
        number_column("Time step (fs)", "timestep_fs"),
        number_column("Equilibration (ps)", "equilibration_ps"),
        number_column("Production (ps)", "production_ps"),
        number_column("Mean T (K)", "mean_temperature_k"),
        number_column("Cost (s/step)", "seconds_per_step"),
        prose_column("Remark on the cell", "remark"),
    ]
    return make_table(_with_formula(rows, tables), columns, caption="Cells and runs")


def _relaxation_cell(row: dict[str, Any]) -> Cell:
    if is_missing(row["relax_converged"]):
        return Cell(MISSING)
    outcome = "converged" if row["relax_converged"] else "not converged"
    return Cell(outcome, f"{format_count(row['relax_steps'])} steps")


def _engine_and_version(row: dict[str, Any]) -> tuple[str, str]:
    return tuple(
        "" if is_missing(row[key]) else str(row[key]) for key in ("engine", "engine_version")
    )
