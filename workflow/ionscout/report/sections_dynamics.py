"""The sections of the page from the molecular dynamics on, and how to read them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ionscout.dynamics.waves import SECOND_WAVE
from ionscout.report.blocks import Block, Cell, Definitions, Details, Section, Table, Text
from ionscout.report.inputs import FAILURE_COLUMNS, Tables
from ionscout.report.inputs_transport import MEASURED_COLUMNS, Transport
from ionscout.report.sections_transport import transport_blocks
from ionscout.report.tables import (
    MISSING,
    Column,
    count_column,
    format_count,
    is_missing,
    make_table,
    material_column,
    number_column,
    prose_column,
    text_column,
    verdict_cell,
)

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


_STOPPED_BY = {
    "settled": "its verdict was settled",
    "length": "its length was reached",
}


def show_dynamics(tables: Tables) -> Section:
    """Show the diffusivities, their temperature dependence and where they come from."""
    blocks: list[Block] = []
    if tables.diffusivity.empty:
        blocks.append(Text("No molecular dynamics was run."))
        return Section("dynamics", "Dynamics", tuple(blocks))
    blocks += transport_blocks(gather_transport(tables))
    blocks.append(Details("Cells and runs", _run_table(tables)))
    return Section("dynamics", "Dynamics", tuple(blocks))


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
    gates = Text(
        "Gates answer pass, fail or unknown; what an unknown leads to is a setting. A model's"
        " probability is that of conducting fast at room temperature, judged on structure and"
        " composition alone; the intervals of scores say how rough a score from so few materials"
        " is."
    )
    return Section("reading", "How to read this page", (*explain_verdicts(), gates))


def explain_verdicts() -> tuple[Block, ...]:
    """Say what the verdicts and intervals of the dynamics mean."""
    text = Text(
        "A verdict stands for the whole material in the results and for one run in the dynamics."
        " A dash means that there is no value, and the reason stands beside it. Intervals of what"
        " dynamics give are credible intervals at the level set; they hold the statistical error"
        " of the runs, not that of the forces. σ is the conductivity of a perfect single crystal;"
        " measured values of pellets contain grain boundaries and vacancies."
    )
    verdicts = tuple((verdict_cell(verdict), meaning) for verdict, meaning in _VERDICTS_EXPLAINED)
    return text, Definitions(verdicts)


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
    is_left_out = tables.runs["reason"].str.startswith(SECOND_WAVE)
    runs = tables.runs[tables.runs["status"].isin(["failed", "not_run"]) & ~is_left_out]
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
    if not filled:
        return tables.failures
    return pd.concat(filled).drop_duplicates(ignore_index=True)  # replicas fail alike


def gather_transport(tables: Tables) -> Transport:
    """Gather what the transport stage found, with formulas and measured conductivities."""
    formulas = zip(tables.shortlist["material_id"], tables.shortlist["formula"], strict=True)
    return Transport(
        diffusivity=tables.diffusivity,
        msd=tables.msd,
        density=tables.density,
        arrhenius=tables.arrhenius,
        conductivity=tables.conductivity,
        measured=tables.labels[MEASURED_COLUMNS],
        formulas={str(material_id): str(formula) for material_id, formula in formulas},
    )


def _with_formula(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Add the formulas of the shortlisted materials."""
    return rows.merge(tables.shortlist[["material_id", "formula"]], on="material_id", how="left")


def _as_failures(rows: pd.DataFrame, stage: str | list[str]) -> pd.DataFrame:
    return rows.assign(stage=stage, source="")[FAILURE_COLUMNS]


def _examples_cell(row: dict[str, Any]) -> Cell:
    more = row["n"] - N_EXAMPLES
    return Cell(row["examples"] + (f" and {more} more" if more > 0 else ""))


def _run_table(tables: Tables) -> Table:
    of_cells = ["material_id", "n_atoms", "relax_converged", "relax_steps"]
    of_cells += ["volume_change_fraction", "remark"]
    cells = tables.cells.rename(columns={"reason": "remark"})[of_cells]
    rows = tables.runs.merge(cells, on="material_id", how="left")
    columns = [
        material_column(),
        number_column("T (K)", "temperature_k"),
        *([count_column("Replica", "replica")] if (rows["replica"] > 0).any() else []),
        Column("Status", _status_cell),
        Column("Engine", lambda row: Cell(*_engine_and_version(row))),
        count_column("Atoms", "n_atoms"),
        Column("Relaxation", _relaxation_cell),
        number_column("Volume change (fraction)", "volume_change_fraction"),
        number_column("Time step (fs)", "timestep_fs"),
        number_column("Equilibration (ps)", "equilibration_ps"),
        number_column("Production (ps)", "production_ps"),
        number_column("Mean T (K)", "mean_temperature_k"),
        number_column("Energy drift (meV/atom/ps)", "energy_drift_mev_atom_ps"),
        number_column("Mean pressure (GPa)", "mean_pressure_gpa"),
        number_column("Thermal expansion (fraction)", "volume_expansion_fraction"),
        number_column("Cost (s/step)", "seconds_per_step"),
        prose_column("Remark on the cell", "remark"),
    ]
    return make_table(_with_formula(rows, tables), columns, caption="Cells and runs")


def _status_cell(row: dict[str, Any]) -> Cell:
    """Say how a run ended, and what ended it."""
    return Cell(str(row["status"]).replace("_", " "), _STOPPED_BY.get(row["stopped_by"], ""))


def _relaxation_cell(row: dict[str, Any]) -> Cell:
    if is_missing(row["relax_converged"]):
        return Cell(MISSING)
    outcome = "converged" if row["relax_converged"] else "not converged"
    return Cell(outcome, f"{format_count(row['relax_steps'])} steps")


def _engine_and_version(row: dict[str, Any]) -> tuple[str, str]:
    return tuple(
        "" if is_missing(row[key]) else str(row[key]) for key in ("engine", "engine_version")
    )
