"""What the page shows of the transport stage, for a campaign and for a folder alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ionscout.report import figures_dynamics, figures_transport
from ionscout.report.blocks import Block, Bullets, Cell, Figure, Section, Table, Text
from ionscout.report.inputs_transport import Transport
from ionscout.report.tables import (
    MISSING,
    Column,
    format_count,
    format_formula,
    format_number,
    format_range,
    interval_column,
    is_missing,
    make_table,
    number_column,
    prose_column,
    verdict_column,
)
from ionscout.transport.conductivity import ROOM_TEMPERATURE_K, nernst_einstein

INTERVALS_TITLE = "What the intervals hold, and what is assumed"

_AT_300_K = f"at {ROOM_TEMPERATURE_K:g} K"
_INTERVALS = (
    "D of a run is a credible interval of the tracer diffusivity: the error of a finite run of a"
    " few ions, whose squared displacements at different lags are correlated. It holds nothing of"
    " the forces, the size of the cell or its thermal expansion.",
    "An upper bound of D holds with 95 % from one side, for the ideal crystal as it was run and for"
    " the length of the run. Vacancies, interstitials and grain boundaries that the cell does not"
    " have may make a real sample faster.",
    "Collective D is that of the summed displacement of all lithium ions; the Haven ratio is D over"
    " collective D, with both errors in its interval. Below one, ions push each other along.",
    f"The band of a line, and the interval of σ {_AT_300_K}, hold the errors of the runs and the"
    " spread between runs of one temperature. They assume one mechanism with one activation energy"
    " from the hottest run down to there: a transition below the coldest run is not seen. The"
    " p-values are those of a line that is straight, against a bend and against a kink; a line"
    " with p below 0.01 is refused. Three temperatures cannot tell a kink from a bend.",
    "σ from the tracer takes a Haven ratio of one. The collective σ divides it by the Haven ratio"
    f" of the runs, taken as the same {_AT_300_K}.",
)
_MEASURED = (
    "A measured σ is of a sample with its grain boundaries, vacancies and impurities. Its star in"
    " the plot is σ turned into D by Nernst and Einstein, with the lithium density of the runs and"
    " a Haven ratio of one."
)


def transport_blocks(transport: Transport) -> list[Block]:
    """Show the runs of a transport stage and what they add up to.

    Parameters
    ----------
    transport : Transport
        With at least one run.

    Returns
    -------
    list of Block
    """
    rows = transport.diffusivity
    blocks: list[Block] = []
    if rows["verdict"].ne("diffusive").all():
        blocks.append(Text("No material was diffusive at any temperature."))
    blocks += _arrhenius_figure(transport)
    blocks += _extrapolation_table(transport)
    blocks += [_diffusivity_table(rows, transport), _motion_table(rows, transport)]
    blocks += _msd_figures(transport)
    blocks += _density_figure(transport)
    known = transport.measured["material_id"].isin(rows["material_id"]).any()
    blocks.append(Bullets(INTERVALS_TITLE, (*_INTERVALS, *([_MEASURED] if known else []))))
    return blocks


def show_conductivities(transport: Transport) -> Section:
    """Show each material's verdict and conductivity, for a page without a campaign."""
    if transport.conductivity.empty:
        return Section("results", "Results", (Text("No trajectory was found."),))
    columns = [
        _material_column(transport),
        verdict_column(),
        interval_column(
            "Activation energy (eV)",
            *("activation_energy_ev", "activation_energy_low_ev", "activation_energy_high_ev"),
        ),
        interval_column(
            f"σ {_AT_300_K} (S/cm)",
            *("sigma_300k_s_cm", "sigma_300k_low_s_cm", "sigma_300k_high_s_cm"),
        ),
        prose_column("Reason", "reason"),
    ]
    caption = "Conductivity by material, best first, with intervals"
    table = make_table(transport.conductivity, columns, caption=caption)
    return Section("results", "Results", (table,))


def arrhenius_series(transport: Transport) -> list[figures_transport.ArrheniusSeries]:
    """Gather what the Arrhenius plot shows, a series a material that has something to show."""
    values = ["diffusivity_cm2_s", "diffusivity_upper_bound_cm2_s"]
    series = []
    for material_id, rows in transport.diffusivity.groupby("material_id", sort=False):
        shown = rows.dropna(subset=values, how="all")
        if shown.empty:
            continue
        line = transport.arrhenius.get(str(material_id), {}).get("line") or {}
        measured = _measured_diffusivity(str(material_id), rows, transport)
        series.append(
            figures_transport.ArrheniusSeries(
                transport.name(str(material_id)), shown, line, measured
            )
        )
    return series


def _measured_diffusivity(
    material_id: str, rows: pd.DataFrame, transport: Transport
) -> pd.DataFrame:
    """Turn measured conductivities into diffusivities, with the lithium density of the runs."""
    measured = transport.measured[transport.measured["material_id"] == material_id]
    density = rows["lithium_density_cm3"].astype(float).mean()
    per_diffusivity = nernst_einstein(
        1.0, temperature_k=measured["temperature_k"].astype(float), density_cm3=density
    )
    value = measured["sigma_rt_s_cm"].astype(float) / per_diffusivity
    found = measured[["temperature_k", "is_upper_bound"]].assign(diffusivity_cm2_s=value)
    return found[value > 0]


def _arrhenius_figure(transport: Transport) -> Iterable[Block]:
    series = arrhenius_series(transport)
    if not series:
        return
    caption = (
        "Lithium diffusivity over inverse temperature, a point a run with its interval; runs of"
        " one temperature stand side by side. Arrows point down from upper bounds. A line with its"
        f" band is drawn only where the extrapolation to {ROOM_TEMPERATURE_K:g} K (dotted) is"
        " supported."
    )
    if any(len(one.measured) for one in series):
        caption += " Stars: measured conductivities, as diffusivities by Nernst and Einstein."
    yield Figure(
        figures_transport.draw_arrhenius(series), "Arrhenius plot of all materials", caption
    )


def _extrapolation_table(transport: Transport) -> Iterable[Block]:
    rows = transport.conductivity.dropna(subset=["sigma_300k_s_cm"])
    if rows.empty:
        yield Text("No conductivity was extrapolated; the reasons stand with the results.")
        return
    measured = transport.measured.drop_duplicates("material_id").set_index("material_id")
    columns = [
        _material_column(transport),
        interval_column(
            "Prefactor D₀ (cm²/s)",
            *("prefactor_cm2_s", "prefactor_low_cm2_s", "prefactor_high_cm2_s"),
        ),
        Column("Valid (K), runs", _range_of_validity, numeric=True),
        number_column("Extrapolated by (× fitted range of 1/T)", "extrapolation_ratio"),
        Column("Bend, kink (p)", _straightness, numeric=True),
        interval_column(
            f"σ {_AT_300_K}, tracer (S/cm)",
            *("sigma_300k_s_cm", "sigma_300k_low_s_cm", "sigma_300k_high_s_cm"),
        ),
        interval_column("Haven ratio", "haven_ratio", "haven_ratio_low", "haven_ratio_high"),
        interval_column(
            f"σ {_AT_300_K}, collective (S/cm)",
            "sigma_300k_collective_s_cm",
            "sigma_300k_collective_low_s_cm",
            "sigma_300k_collective_high_s_cm",
        ),
    ]
    if measured.index.isin(rows["material_id"]).any():
        columns.append(Column("Measured σ (S/cm)", _measured_cell(measured), numeric=True))
    yield make_table(rows, columns, caption=f"What the conductivities {_AT_300_K} rest on")


def _range_of_validity(row: dict[str, Any]) -> Cell:
    counts = format_count(row["n_runs"]), format_count(row["n_temperatures"])
    runs = "" if MISSING in counts else f"{counts[0]} runs at {counts[1]} T"
    return Cell(format_range(row["valid_from_k"], row["valid_to_k"]) or MISSING, runs)


def _straightness(row: dict[str, Any]) -> Cell:
    return Cell(format_number(row["curvature_p"]), format_number(row["kink_p"]))


def _measured_cell(measured: pd.DataFrame) -> Any:
    """Make the cell of a measured conductivity, at the temperature of the measurement."""

    def cell(row: dict[str, Any]) -> Cell:
        if row["material_id"] not in measured.index:
            return Cell(MISSING)
        known = measured.loc[row["material_id"]]
        sign = "< " if known["is_upper_bound"] else ""
        return Cell(sign + format_number(known["sigma_rt_s_cm"]), f"{known['temperature_k']:g} K")

    return cell


def _diffusivity_table(rows: pd.DataFrame, transport: Transport) -> Table:
    columns = [
        _material_column(transport),
        _temperature_column(rows),
        verdict_column(),
        interval_column(
            "D (cm²/s)", "diffusivity_cm2_s", "diffusivity_low_cm2_s", "diffusivity_high_cm2_s"
        ),
        interval_column("σ at T (S/cm)", "sigma_s_cm", "sigma_low_s_cm", "sigma_high_s_cm"),
        number_column("Upper bound of D (cm²/s)", "diffusivity_upper_bound_cm2_s"),
        interval_column(
            "Collective D (cm²/s)",
            "collective_diffusivity_cm2_s",
            "collective_diffusivity_low_cm2_s",
            "collective_diffusivity_high_cm2_s",
        ),
        interval_column("Haven ratio", "haven_ratio", "haven_ratio_low", "haven_ratio_high"),
        prose_column("Reason", "reason"),
    ]
    return make_table(rows, columns, caption="Diffusivity by run, with intervals")


def _motion_table(rows: pd.DataFrame, transport: Transport) -> Table:
    columns = [
        _material_column(transport),
        _temperature_column(rows),
        number_column("Run (ps)", "production_ps"),
        Column("Fit window (ps)", _fit_window_cell, numeric=True),
        number_column("Exponent of the MSD", "msd_exponent"),
        Column("Largest MSD of Li, framework (Å²)", _largest_msd_cell, numeric=True),
        Column("D along x, y, z (cm²/s)", _directions_cell, numeric=True),
        number_column("Anisotropy", "anisotropy"),
        Column("Jumps", _jumps_cell, numeric=True),
        number_column("Jumps of an ion (1/ps)", "jump_rate_per_ion_ps"),
        number_column("Jump length (Å)", "jump_length_ang"),
    ]
    caption = (
        "How lithium moved, by run; the anisotropy is the largest over the smallest principal D,"
        " where the directions differ beyond their errors"
    )
    return make_table(rows, columns, caption=caption)


def _temperature_column(rows: pd.DataFrame) -> Column:
    """Make a column of temperatures, with the replica where a material has several."""
    several = set(rows.loc[rows["replica"] > 0, "material_id"])

    def cell(row: dict[str, Any]) -> Cell:
        is_one_of_several = row["material_id"] in several
        replica = f"replica {format_count(row['replica'])}" if is_one_of_several else ""
        return Cell(format_number(row["temperature_k"]), replica)

    return Column("T (K)", cell, numeric=True)


def _material_column(transport: Transport) -> Column:
    """Make a column of formulas with the ids below, or of ids alone."""

    def cell(row: dict[str, Any]) -> Cell:
        material_id = str(row["material_id"])
        formula = transport.formulas.get(material_id, material_id)
        if formula == material_id:
            return Cell(material_id, style="strong")
        return Cell(format_formula(formula), material_id, "strong")

    return Column("Material", cell)


def _fit_window_cell(row: dict[str, Any]) -> Cell:
    return Cell(format_range(row["fit_start_ps"], row["fit_end_ps"]) or MISSING)


def _largest_msd_cell(row: dict[str, Any]) -> Cell:
    return Cell(format_number(row["msd_li_max_ang2"]), format_number(row["msd_framework_max_ang2"]))


def _directions_cell(row: dict[str, Any]) -> Cell:
    names = [f"diffusivity_{axis}_cm2_s" for axis in ("xx", "yy", "zz")]
    if any(is_missing(row[name]) for name in names):
        return Cell(MISSING)
    first, *others = (format_number(row[name]) for name in names)
    return Cell(first, ", ".join(others))


def _jumps_cell(row: dict[str, Any]) -> Cell:
    ions = "" if is_missing(row["n_lithium"]) else f"of {format_count(row['n_lithium'])} Li"
    return Cell(format_count(row["n_jumps"]), ions)


def _msd_figures(transport: Transport) -> Iterable[Block]:
    for material_id, curves in transport.msd.groupby("material_id", sort=False):
        rows = transport.diffusivity[transport.diffusivity["material_id"] == material_id]
        name = transport.name(str(material_id))
        yield Figure(
            figures_dynamics.draw_msd(curves, rows, name=str(material_id)),
            f"Mean squared displacements of {name}, and their slopes",
            f"{name}: mean squared displacement of lithium, with its error band, and of the"
            " framework (dashed), both axes logarithmic. Shaded: the window of the fit; in it the"
            " fitted line with the interval of D. Below: the local slope of the logarithms, 1"
            " (dashed) where lithium diffuses, 0 (dotted) where it only rattles, 2 where it flies."
            " Scales differ.",
        )


def _density_figure(transport: Transport) -> Iterable[Block]:
    if transport.density.empty:
        return
    names: Mapping[str, str] = {
        material_id: transport.name(material_id)
        for material_id in transport.density["material_id"].unique()
    }
    yield Figure(
        figures_transport.draw_density(transport.density, names),
        "Maps of the lithium density",
        "Where lithium was in the hottest run of the solid: ions above a square ångström of the"
        " plane, summed along one axis of the cell (outlined). Colour goes with the square root,"
        " so that the paths between sites show beside the sites.",
    )
