"""The page: everything that a campaign found, in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ionscout.report import (
    sections,
    sections_audit,
    sections_clusters,
    sections_compositions,
    sections_descriptors,
    sections_dynamics,
    sections_explanation,
    sections_funnel,
    sections_models,
    sections_regression,
    sections_stability,
)
from ionscout.report.blocks import Section, Text
from ionscout.report.inputs import ReportInputs, Tables, load_tables

_SOFTWARE = (
    *("ionscout", "pymatgen", "ase", "chgnet", "torch", "gpaw", "scikit-learn"),
    *("numpy", "scipy", "pandas", "snakemake"),
)


def write_report(inputs: ReportInputs, out_path: Path, *, campaign: Mapping[str, Any]) -> None:
    """Write a campaign's page.

    The page is one HTML file that asks for nothing else: style and figures are
    inside, and it runs no script. Equal inputs give equal bytes.

    Parameters
    ----------
    inputs : ReportInputs
        The files it shows.
    out_path : Path
        The page; its directory is made.
    campaign : mapping
        The campaign's settings, `Campaign.model_dump()`.

    Raises
    ------
    CampaignError
        A file is missing or lacks a column.
    """
    page = render_page(load_tables(inputs), campaign=dict(campaign), versions=software_versions())
    save_page(page, out_path)


def render_page(tables: Tables, *, campaign: dict[str, Any], versions: dict[str, str]) -> str:
    """Render the page.

    Parameters
    ----------
    tables : Tables
        What the campaign found.
    campaign : dict
        Its settings.
    versions : dict of str to str
        Software by name.

    Returns
    -------
    str
        HTML.
    """
    return fill_template(
        title=campaign["campaign"],
        subtitle="An Ionscout campaign for lithium solid electrolytes",
        facts=_facts(tables, campaign, versions),
        banners=sections.warn(tables, campaign),
        sections=_sections(tables, campaign, versions),
    )


def fill_template(
    *,
    title: str,
    subtitle: str,
    facts: Sequence[tuple[str, str]],
    banners: Sequence[Text],
    sections: Sequence[Section],
) -> str:
    """Fill the page's template.

    Parameters
    ----------
    title, subtitle : str
        The lines at the top.
    facts : sequence of (str, str)
        Names and values below them.
    banners : sequence of Text
        What must not be missed.
    sections : sequence of Section
        The page's parts.

    Returns
    -------
    str
        HTML.
    """
    loader = PackageLoader("ionscout.report", package_path="")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["trusted"] = Markup
    style, _, _ = loader.get_source(environment, "style.css")
    return environment.get_template("page.html").render(
        style=style,
        title=title,
        subtitle=subtitle,
        facts=facts,
        banners=banners,
        sections=sections,
    )


def save_page(page: str, out_path: Path) -> None:
    """Write a page whole or not at all; its directory is made."""
    out_path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out_path.with_suffix(".part")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out_path)


def software_versions() -> dict[str, str]:
    """Look up the versions of the software that a result depends on."""
    found = {}
    for name in _SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _sections(tables: Tables, campaign: dict[str, Any], versions: dict[str, str]) -> list[Section]:
    threshold_s_cm = campaign["models"]["fast_threshold_s_cm"]
    stability = campaign["screening"]["stability"]
    scored = [] if tables.compositions is None else [tables.compositions]
    return [
        sections.show_results(tables, audit_cutoff_ev=campaign["dynamics"]["audit"]["cutoff_ev"]),
        sections.describe_materials(tables),
        sections_funnel.show_funnel(tables),
        sections.show_ranking(tables, weights=campaign["screening"]["ranking"]),
        sections_stability.show_stability(
            tables,
            cathodes=stability["cathodes"],
            charge_voltage_v=stability["charge_voltage_v"],
        ),
        sections_descriptors.show_descriptors(tables, fast_threshold_s_cm=threshold_s_cm),
        sections_models.show_models(tables, fast_threshold_s_cm=threshold_s_cm),
        sections_explanation.show_explanations(tables),
        sections_regression.show_regression(
            tables,
            fast_threshold_s_cm=threshold_s_cm,
            interval_level=campaign["regression"]["interval_level"],
        ),
        sections_clusters.show_clusters(tables, fast_threshold_s_cm=threshold_s_cm),
        *map(sections_compositions.show_compositions, scored),
        sections_dynamics.show_dynamics(tables),
        sections_audit.show_audit(tables),
        sections_dynamics.show_failures(tables),
        sections_dynamics.explain(),
        sections_dynamics.show_settings(campaign, versions),
    ]


def _facts(
    tables: Tables, campaign: dict[str, Any], versions: dict[str, str]
) -> list[tuple[str, str]]:
    """Say in a few lines what was run."""
    shortlist, dynamics = tables.shortlist, campaign["dynamics"]
    engines = ", ".join(sorted(set(shortlist["engine"].dropna()))) or "none was needed"
    return [
        ("Materials", f"{len(tables.manifest)} curated"),
        ("Shortlisted", f"{len(shortlist)}, controls included"),
        ("Engine", f"{engines} (asked for: {dynamics['engine']})"),
        ("Production", f"{dynamics['production_ps']:g} ps a temperature"),
        ("Seed", str(campaign["seed"])),
        ("Ionscout", versions.get("ionscout", "not installed")),
    ]
