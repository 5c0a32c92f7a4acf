"""A page of the transport stage alone, for trajectories that no campaign ran."""

from __future__ import annotations

from pathlib import Path

from ionscout.report import sections_dynamics, sections_transport
from ionscout.report.blocks import Section, Text
from ionscout.report.inputs_transport import Transport, read_transport
from ionscout.report.page import fill_template, save_page, software_versions


def write_transport_page(folder: Path | str, page: Path | str, *, title: str | None = None) -> None:
    """Write the page of a folder of analysed trajectories.

    It has the figures and tables of a campaign's page on transport, is one HTML file that
    asks for nothing else, and equal tables give equal bytes.

    Parameters
    ----------
    folder : Path or str
        Holds diffusivity.csv, msd.parquet, density.parquet, conductivity.csv and
        arrhenius.json, all materials in one.
    page : Path or str
        The page; its directory is made.
    title : str, optional
        The line at the top; the folder's name by default.

    Raises
    ------
    CampaignError
        A file is missing or lacks a column.
    """
    folder = Path(folder)
    transport = read_transport(folder)
    html = fill_template(
        title=folder.resolve().name if title is None else title,
        subtitle="Lithium transport from trajectories, by Ionscout",
        facts=_facts(transport),
        banners=(),
        sections=_sections(transport),
    )
    save_page(html, Path(page))


def _sections(transport: Transport) -> list[Section]:
    blocks = [Text("No run was analysed.")]
    if not transport.diffusivity.empty:
        blocks = sections_transport.transport_blocks(transport)
    return [
        sections_transport.show_conductivities(transport),
        Section("dynamics", "Dynamics", tuple(blocks)),
        Section("reading", "How to read this page", sections_dynamics.explain_verdicts()),
    ]


def _facts(transport: Transport) -> list[tuple[str, str]]:
    """Say in a few lines what was analysed."""
    rows = transport.diffusivity
    counts = rows["verdict"].value_counts()
    return [
        ("Materials", str(len(transport.conductivity))),
        ("Runs", str(len(rows))),
        ("Verdicts", ", ".join(f"{n} {name}" for name, n in counts.items()) or "none"),
        ("Ionscout", software_versions().get("ionscout", "not installed")),
    ]
