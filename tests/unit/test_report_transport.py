from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_transport import (
    LITHIUM_DENSITY_CM3,
    WINDOW_PS,
    make_conductivities,
    make_curve,
    make_density,
    make_line,
    make_run,
    true_diffusivity,
)
from test_report_page import Page

from ionscout.errors import CampaignError
from ionscout.report import figures_dynamics, figures_transport, write_transport_page
from ionscout.report.figures_transport import ArrheniusSeries
from ionscout.report.inputs_transport import (
    CONDUCTIVITY_NEEDED,
    DENSITY_COLUMNS,
    DIFFUSIVITY_NEEDED,
    MEASURED_COLUMNS,
    MSD_NEEDED,
    Transport,
    read_transport,
)
from ionscout.report.sections_transport import arrhenius_series, transport_blocks
from ionscout.transport.conductivity import nernst_einstein

SHEARED = {"x": (0.9, -0.4), "y": (0.1, 0.7)}  # steps along i and j


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if "text" in element.tag]


def make_transport(runs: list[dict], *, measured: pd.DataFrame | None = None) -> Transport:
    if measured is None:
        measured = pd.DataFrame(columns=MEASURED_COLUMNS)
    ids = list(dict.fromkeys(run["material_id"] for run in runs))
    rows = [
        {"material_id": one, "formula": one, "engine": "chgnet", "verdict": "diffusive"}
        for one in ids
    ]
    return Transport(
        diffusivity=pd.DataFrame(runs),
        msd=pd.concat(map(make_curve, runs), ignore_index=True),
        density=make_density(ids[0], 800),
        arrhenius={ids[0]: {"line": make_line()}},
        conductivity=make_conductivities(rows),
        measured=measured,
        formulas={"m": "Li6PS5Cl"},
    )


def make_series(*, line=None, measured=(), **columns) -> ArrheniusSeries:
    runs = pd.DataFrame({"temperature_k": [600.0, 700.0, 800.0], "replica": 0} | columns)
    names = ("diffusivity_cm2_s", "diffusivity_low_cm2_s", "diffusivity_high_cm2_s")
    runs = runs.reindex(columns=["temperature_k", *names, "diffusivity_upper_bound_cm2_s"])
    points = pd.DataFrame(
        measured, columns=["temperature_k", "diffusivity_cm2_s", "is_upper_bound"]
    )
    return ArrheniusSeries("a", runs, line or {}, points)


@pytest.fixture
def folder(tmp_path):
    """The tables of two materials, one of which does not conduct."""
    runs = [make_run("Li3N", kelvin, replica) for kelvin in (800, 1000, 1200) for replica in (0, 1)]
    runs += [make_run("LiCl", kelvin, verdict="non-diffusive") for kelvin in (600, 700)]
    rows = [
        {"material_id": name, "formula": name, "engine": "external", "verdict": verdict,
         "reason": reason}
        for name, verdict, reason in (
            ("Li3N", "diffusive", "three temperatures"), ("LiCl", "non-diffusive", "it rattled")
        )
    ]  # fmt: skip
    where = tmp_path / "mine"
    where.mkdir()
    pd.DataFrame(runs).to_csv(where / "diffusivity.csv", index=False)
    pd.concat(map(make_curve, runs)).to_parquet(where / "msd.parquet")
    make_density("Li3N", 1200).to_parquet(where / "density.parquet")
    make_conductivities(rows).to_csv(where / "conductivity.csv", index=False)
    lines = {"Li3N": {"line": make_line()}, "LiCl": {"line": None}}
    (where / "arrhenius.json").write_text(json.dumps(lines))
    return where


def render(folder) -> str:
    write_transport_page(folder, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


def test_bounds_are_arrows_and_values_are_not():
    value = np.array([1e-7, 1e-6, 1e-5])
    bounded = make_series(diffusivity_upper_bound_cm2_s=value)
    valued = make_series(
        diffusivity_cm2_s=value, diffusivity_low_cm2_s=value / 2, diffusivity_high_cm2_s=value * 2
    )

    def patches(series):
        return len(re.findall(r'<g id="patch_', figures_transport.draw_arrhenius([series])))

    assert patches(bounded) - patches(valued) == 3
    measured_bound = make_series(
        diffusivity_cm2_s=value, measured=[(298.0, 1e-12, True), (298.0, 1e-11, False)]
    )
    assert patches(measured_bound) - patches(valued) == 1


def test_an_extrapolation_reaches_the_target_temperature():
    def labels(line):
        series = make_series(diffusivity_cm2_s=[1e-7, 1e-6, 1e-5], line=line)
        return texts_of(figures_transport.draw_arrhenius([series]))

    assert "300" in labels(make_line())
    assert "300" not in labels(None)


def test_only_measured_values_add_a_star_to_the_legend():
    value = [1e-7, 1e-6, 1e-5]
    plain = figures_transport.draw_arrhenius([make_series(diffusivity_cm2_s=value)])
    starred = figures_transport.draw_arrhenius(
        [make_series(diffusivity_cm2_s=value, measured=[(298.0, 1e-11, False)])]
    )
    assert "measured" not in texts_of(plain)
    assert "measured" in texts_of(starred)


def test_a_measured_conductivity_becomes_the_diffusivity_that_gives_it():
    measured = pd.DataFrame(
        [("m", 2e-3, False, 298.0), ("other", 1e-3, False, 298.0)],
        columns=["material_id", "sigma_rt_s_cm", "is_upper_bound", "temperature_k"],
    )
    (series,) = arrhenius_series(make_transport([make_run("m", 800)], measured=measured))
    (row,) = series.measured.to_dict("records")
    sigma = nernst_einstein(
        row["diffusivity_cm2_s"], temperature_k=298.0, density_cm3=LITHIUM_DENSITY_CM3
    )
    assert sigma == pytest.approx(2e-3)
    # n q^2 D / kT: 3.1e22 x (1.602e-19)^2 / (1.381e-23 x 298)
    assert row["diffusivity_cm2_s"] == pytest.approx(1.034e-8, rel=1e-3)
    assert series.name == "Li₆PS₅Cl (m)"


def test_replicas_stand_side_by_side_about_their_temperature():
    runs = pd.DataFrame({"temperature_k": [800.0, 600.0, 800.0, 800.0]})
    aside = figures_transport._aside(runs)
    np.testing.assert_allclose(aside[[0, 2, 3]], [-0.012, 0, 0.012])
    assert aside[1] == 0


def test_the_fit_and_its_window_are_drawn_where_there_is_a_fit():
    fitted, still = make_run("m", 1000), make_run("m", 600, verdict="non-diffusive")

    def texts(*runs):
        curves = pd.concat(map(make_curve, runs))
        return texts_of(figures_dynamics.draw_msd(curves, pd.DataFrame(runs), name="m"))

    named = {"fit window", "fit and its interval"}
    assert named <= set(texts(fitted))
    assert not named & set(texts(still))
    assert "600 K: non-diffusive" in texts(still)
    assert "D < 3.00 × 10⁻⁷ cm²/s" in texts(still)
    both = texts(fitted, make_run("m", 1000, 1))
    assert {"1000 K, replica 0: diffusive", "1000 K, replica 1: diffusive"} <= set(both)
    assert {"D = 3.10 × 10⁻⁵ cm²/s", "D = 4.13 × 10⁻⁵ cm²/s"} <= set(both)


def test_the_curves_carry_window_line_band_and_slope():
    upper, lower = Figure().subplots(2)
    curve = make_curve(make_run("m", 1000))
    figures_dynamics._shade_window(curve, upper, lower)
    figures_dynamics._draw_displacement(upper, curve)
    figures_dynamics._draw_slope(lower, curve)
    for axes in (upper, lower):
        window = axes.patches[0].get_extents().transformed(axes.transData.inverted())
        assert window.x0 == pytest.approx(WINDOW_PS[0], rel=0.05)
        assert window.x1 == pytest.approx(WINDOW_PS[1], rel=0.05)
    fit = next(line for line in upper.lines if line.get_label() == "fit and its interval")
    x, y = (values[np.isfinite(fit.get_ydata())] for values in fit.get_data())
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    assert slope == pytest.approx(6e4 * 0.9 * true_diffusivity(1000))
    heights = [line.get_ydata()[0] for line in lower.lines[:2]]
    assert heights == [1, 0]
    np.testing.assert_array_equal(lower.lines[2].get_ydata(), curve["exponent"])


def test_thinning_keeps_the_ends_of_a_long_curve():
    lag = np.arange(1, 50_001) * 0.002
    thin = figures_dynamics._thin(pd.DataFrame({"lag_ps": lag}))["lag_ps"].to_numpy()
    assert len(thin) <= figures_dynamics._MAX_POINTS_OF_A_CURVE + 2
    assert thin[0] == lag[0]
    assert thin[-1] == lag[-1]
    np.testing.assert_array_equal(thin[:5], lag[:5])


def test_a_run_in_which_nothing_moved_is_an_empty_panel():
    run = make_run("m", 600, verdict="non-diffusive")
    curve = make_curve(run).assign(msd_li_ang2=0.0)
    svg = figures_dynamics.draw_msd(curve, pd.DataFrame([run]), name="m")
    assert "600 K: non-diffusive" in texts_of(svg)


def test_a_sheared_map_puts_every_value_at_its_place():
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(3), indexing="ij"))
    value = np.random.default_rng(2).uniform(1, 2, i.size)
    x, y = (SHEARED[axis][0] * i + SHEARED[axis][1] * j + 5.0 for axis in "xy")
    points = pd.DataFrame({"i": i, "j": j, "x_ang": x, "y_ang": y, "lithium_ang2": value})
    figure = Figure()
    axes = figure.subplots()
    figures_transport._draw_map(figure, axes, points.sample(frac=1, random_state=1))
    mesh = axes.collections[0]
    corners = np.asarray(mesh.get_coordinates())
    middles = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
    np.testing.assert_allclose(middles.reshape(-1, 2), np.stack([x, y], axis=1))
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).ravel(), value)
    outline = np.stack(axes.lines[0].get_data(), axis=1)
    assert len(np.unique(outline.round(9), axis=0)) == 4


def test_maps_say_what_they_show():
    density = make_density("Li3N", 1200)
    texts = texts_of(figures_transport.draw_density(density, {"Li3N": "x" * 60}))
    assert {"1200 K, seen along c", "Li ions (1/Å²)", "x (Å)"} <= set(texts)
    assert max(map(len, texts)) <= 34


def test_the_page_of_a_folder_holds_figures_tables_and_words(folder):
    html = render(folder)
    page = Page(html)
    # Arrhenius, two materials' MSDs, the density
    assert len(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)) == 4
    text = page.text
    assert "<h1>mine</h1>" in html
    assert "0.350 0.310 to 0.400" in text
    assert "0.620 0.450 to 0.830" in text
    assert "1.80 × 10⁻³ 3.00 × 10⁻⁴ to 8.40 × 10⁻³" in text
    assert "800 to 1200 6 runs at 3 T" in text
    assert "0.620 0.310 to 1.22" in text
    assert "2.40 41 of 12 Li 0.170 2.90" in text
    assert "it rattled" in text
    for words in ("credible interval of the tracer", "ideal crystal", "one mechanism", "of one."):
        assert words in text
    for foreign in ("campaign", "shortlist", "gates", "Measured σ"):
        assert foreign.lower() not in text.lower()


def test_the_page_of_a_folder_asks_for_nothing_and_is_the_same_again(folder):
    html = render(folder)
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "img"}
    for _, attrs in page.tags:
        for name in ("href", "src", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:"))
    assert render(folder) == html
    anchors = {attrs["id"] for tag, attrs in page.tags if tag == "section"}
    assert {attrs["href"] for tag, attrs in page.tags if tag == "a"} == {f"#{a}" for a in anchors}


def test_a_title_is_text_and_no_more(folder):
    write_transport_page(folder, folder / "deep" / "page.html", title="<b>LGPS</b>")
    html = (folder / "deep" / "page.html").read_text(encoding="utf-8")
    assert "<h1>&lt;b&gt;LGPS&lt;/b&gt;</h1>" in html


def test_tables_of_an_older_version_are_shown_with_dashes(folder):
    diffusivity = pd.read_csv(folder / "diffusivity.csv")
    diffusivity[DIFFUSIVITY_NEEDED].to_csv(folder / "diffusivity.csv", index=False)
    msd = pd.read_parquet(folder / "msd.parquet").query("replica == 0")
    msd[["material_id", *MSD_NEEDED]].to_parquet(folder / "msd.parquet")
    conductivity = pd.read_csv(folder / "conductivity.csv")
    conductivity[CONDUCTIVITY_NEEDED].to_csv(folder / "conductivity.csv", index=False)
    html = render(folder)
    assert len(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)) == 4
    assert "nan" not in Page(html).text.lower()
    assert "replica" not in Page(html).text


def test_an_empty_folder_is_described_in_sentences(folder):
    for name in ("diffusivity", "conductivity"):
        pd.read_csv(folder / f"{name}.csv").head(0).to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame(columns=DENSITY_COLUMNS).to_parquet(folder / "density.parquet")
    pd.DataFrame().to_parquet(folder / "msd.parquet")
    (folder / "arrhenius.json").write_text("{}")
    html = render(folder)
    assert "No trajectory was found." in html
    assert "No run was analysed." in html
    assert "<svg" not in html


def test_runs_that_all_failed_are_shown_with_their_reasons(folder):
    diffusivity = pd.read_csv(folder / "diffusivity.csv")[DIFFUSIVITY_NEEDED]
    numbers = [name for name in DIFFUSIVITY_NEEDED if name.endswith("cm2_s")]
    diffusivity = diffusivity.assign(verdict="unresolved", reason="a broken file")
    diffusivity[numbers] = np.nan
    diffusivity["temperature_k"] = np.nan
    diffusivity.to_csv(folder / "diffusivity.csv", index=False)
    pd.DataFrame().to_parquet(folder / "msd.parquet")
    pd.DataFrame(columns=DENSITY_COLUMNS).to_parquet(folder / "density.parquet")
    conductivity = pd.read_csv(folder / "conductivity.csv").assign(sigma_300k_s_cm=np.nan)
    conductivity.to_csv(folder / "conductivity.csv", index=False)
    html = render(folder)
    assert "<svg" not in html
    assert "a broken file" in html
    assert "No conductivity was extrapolated" in html


def test_a_lacking_file_or_column_is_named(folder):
    msd = pd.read_parquet(folder / "msd.parquet")
    msd.drop(columns="lag_ps").to_parquet(folder / "msd.parquet")
    with pytest.raises(CampaignError, match=r"msd\.parquet has no column 'lag_ps'"):
        read_transport(folder)
    (folder / "density.parquet").unlink()
    msd.to_parquet(folder / "msd.parquet")
    with pytest.raises(CampaignError, match=r"density\.parquet is missing"):
        read_transport(folder)


def test_measured_values_stand_beside_the_extrapolated_ones():
    measured = pd.DataFrame([("m", 2e-3, True, 303.0)], columns=MEASURED_COLUMNS)
    blocks = transport_blocks(make_transport([make_run("m", 800)], measured=measured))
    table = next(block for block in blocks if "rest on" in getattr(block, "caption", ""))
    cell = table.rows[0][table.headings.index("Measured σ (S/cm)")]
    assert (cell.text, cell.detail) == ("< 2.00 × 10⁻³", "303 K")
