import time

import numpy as np
import pandas as pd
import pytest

from ionscout.config import TransportSettings
from ionscout.dynamics.store import Trajectory
from ionscout.transport import analysis, trajectory

SETTINGS = TransportSettings()
CELL = {"material_id": "bundled-x", "engine": "chgnet"}
KB = 8.617333262e-5


def make_trajectory(d_ang2_ps, temperature_k=800.0, n_frames=1000, seed=0):
    rng = np.random.default_rng(seed)
    step = np.sqrt(2 * d_ang2_ps * 0.02)
    ions = np.cumsum(rng.normal(0, step, (n_frames, 24, 3)), axis=0)
    everything = np.concatenate([ions, np.zeros((n_frames, 8, 3))], axis=1)
    everything += rng.normal(0, 0.15, everything.shape)
    everything += np.linspace(0, 20, n_frames)[:, None, None]
    return Trajectory(
        positions_ang=everything,
        species=["Li"] * 24 + ["N"] * 8,
        cell_ang=np.eye(3) * 10.0,
        frame_interval_fs=20.0,
        temperature_k=temperature_k,
        kinetic_temperature_k=np.full(n_frames, temperature_k),
        potential_energy_ev=np.zeros(n_frames),
    )


def run(temperature_k, status="finished", reason="", engine="chgnet", production_ps=20.0):
    return {
        "material_id": "bundled-x",
        "temperature_k": temperature_k,
        "status": status,
        "reason": reason,
        "engine": engine,
        "key": f"{temperature_k:g}",
        "production_ps": production_ps,
    }


@pytest.fixture
def store(monkeypatch):
    held = {}
    monkeypatch.setattr(analysis, "load_trajectory", lambda _, key, length: held[key])
    return held


def analyse(runs):
    return analysis.analyse_material(CELL, runs, store_dir="unused", settings=SETTINGS)


def arrhenius_table(verdicts="diffusive", temperatures=(800.0, 1000.0, 1200.0), **columns):
    kelvin = np.array(temperatures)
    d = 1e-3 * np.exp(-0.3 / (KB * kelvin))
    table = pd.DataFrame({"material_id": "bundled-x", "temperature_k": kelvin, "engine": "chgnet"})
    return table.assign(
        verdict=verdicts,
        reason="because",
        diffusivity_cm2_s=d,
        diffusivity_low_cm2_s=d / 1.2,
        diffusivity_high_cm2_s=d * 1.2,
        diffusivity_upper_bound_cm2_s=1e-6,
        lithium_density_cm3=2e22,
        **columns,
    )


def conclude(table, engine="chgnet"):
    shortlist = pd.DataFrame([{"material_id": "bundled-x", "formula": "Li3N", "engine": engine}])
    audits = [{"material_id": "bundled-x", "force_mae_ev_ang": 0.1}]
    return analysis.conductivity_table(shortlist, [table], audits, SETTINGS)


def test_runs_become_rows_and_curves(store):
    store["800"], store["1000"] = make_trajectory(0.5), make_trajectory(0.0, 1000.0)
    rows, msd = analyse(
        [
            run(800.0),
            run(1000.0),
            run(1100.0, "failed", "exploded: two atoms met"),
            run(1200.0, "failed", "the engine is not installed"),
            run(1300.0, "not_run", "the second wave was not needed"),
        ]
    )
    assert tuple(rows.columns) == analysis.DIFFUSIVITY_COLUMNS
    assert rows["verdict"].tolist() == [
        "diffusive",
        "non-diffusive",
        "exploded",
        "not_run",
        "not_run",
    ]
    moving, still = rows.iloc[0], rows.iloc[1]
    assert moving["diffusivity_low_cm2_s"] < 0.5e-4 < moving["diffusivity_high_cm2_s"]
    assert np.isnan(moving["diffusivity_upper_bound_cm2_s"])
    assert np.isnan(still["diffusivity_cm2_s"])
    assert still["diffusivity_upper_bound_cm2_s"] < 3e-6
    assert moving["lithium_density_cm3"] == pytest.approx(24 / 1000 * 1e24)
    assert (rows["reason"].str.len() > 0).all()
    assert tuple(msd.columns) == trajectory.MSD_COLUMNS
    assert set(msd["temperature_k"]) == {800.0, 1000.0}
    assert msd["in_fit"].any()
    assert msd["msd_framework_ang2"].max() < 1


def test_lennard_jones_says_plumbing(store):
    store["800"] = make_trajectory(0.5)
    rows, _ = analyse([run(800.0, engine="lennard-jones")])
    assert rows["reason"][0].startswith("plumbing")
    table, _ = conclude(arrhenius_table(), engine="lennard-jones")
    assert "no physical meaning" in table["reason"][0]


def test_a_short_run_is_quick_and_unresolved(store):
    store["800"] = make_trajectory(0.8, n_frames=100)
    begin = time.perf_counter()
    rows, _ = analyse([run(800.0, production_ps=2.0)])
    assert time.perf_counter() - begin < 1
    assert rows["verdict"][0] == "unresolved"
    assert "too short" in rows["reason"][0]


def test_a_handful_of_frames_is_unresolved_not_an_error(store):
    store["800"] = make_trajectory(0.8, n_frames=12)
    rows, msd = analyse([run(800.0)])
    assert rows["verdict"][0] == "unresolved"
    assert msd.empty


def test_melted_framework(store):
    melt = make_trajectory(0.5)
    rng = np.random.default_rng(1)
    melt.positions_ang[:, 24:] += np.cumsum(rng.normal(0, 0.12, (1000, 8, 3)), axis=0)
    store["800"] = melt
    rows, _ = analyse([run(800.0)])
    assert rows["verdict"][0] == "melted"
    assert np.isnan(rows["diffusivity_cm2_s"][0])


def test_lithium_among_flowing_anions_is_not_diffusive(store):
    flowing = make_trajectory(0.5)
    rng = np.random.default_rng(1)
    flowing.positions_ang[:, 24:28] += np.cumsum(rng.normal(0, 0.12, (1000, 4, 3)), axis=0)
    flowing.positions_ang[:, 28:] += 5.0
    flowing.species[28:] = ["La"] * 4
    store["800"] = flowing
    rows, _ = analyse([run(800.0)])
    assert rows["verdict"][0] == "unresolved"
    assert "the framework moves too" in rows["reason"][0]
    assert np.isnan(rows["diffusivity_cm2_s"][0])


@pytest.mark.parametrize(("spacing_ang", "jump_ang"), [(2.11, 3.0), (3.64, 3.64), (5.0, 5.0)])
def test_the_bound_takes_jumps_as_long_as_sites_are_apart(store, spacing_ang, jump_ang):
    store["800"] = make_trajectory(0.0)
    grid = spacing_ang * np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)
    store["800"].positions_ang[:, :24] += grid[:24]
    store["800"].cell_ang[:] = 3 * spacing_ang * np.eye(3)
    rows, _ = analyse([run(800.0)])
    expected = 2.9957 * jump_ang**2 / (6 * 24 * 20) * 1e-4
    assert rows["diffusivity_upper_bound_cm2_s"][0] == pytest.approx(expected, rel=0.01)


def test_three_diffusive_temperatures_extrapolate():
    table, arrhenius = conclude(arrhenius_table())
    row = table.iloc[0]
    assert tuple(table.columns) == analysis.CONDUCTIVITY_COLUMNS
    assert row["verdict"] == "diffusive"
    assert row["activation_energy_ev"] == pytest.approx(0.3, rel=1e-6)
    assert row["sigma_300k_low_s_cm"] < row["sigma_300k_s_cm"] < row["sigma_300k_high_s_cm"]
    assert row["audit_force_mae_ev_ang"] == 0.1
    line = arrhenius["bundled-x"]["line"]
    assert min(line["temperature_k"]) == pytest.approx(300)
    assert len(line["diffusivity_low_cm2_s"]) == len(line["temperature_k"])


@pytest.mark.parametrize(
    ("verdicts", "expected", "words"),
    [
        (["diffusive", "diffusive", "unresolved"], "unresolved", "2 temperatures"),
        (["unresolved", "diffusive", "diffusive"], "diffusive", "diffusive at 1000, 1200 K, but"),
        (["unresolved", "unresolved", "diffusive"], "unresolved", "1 temperature with"),
        (["unresolved"] * 3, "unresolved", "0 temperatures"),
        (["non-diffusive"] * 3, "non-diffusive", "ideal crystal"),
        (["non-diffusive", "unresolved", "unresolved"], "unresolved", "D below 1.0e-06"),
        (["unresolved", "non-diffusive", "non-diffusive"], "non-diffusive", "at 1200 K (95 %)"),
        (["unresolved", "non-diffusive", "melted"], "non-diffusive", "at 1000 K (95 %)"),
        (["non-diffusive", "diffusive", "non-diffusive"], "unresolved", "1 temperature with"),
        (["melted", "exploded", "not_run"], "unresolved", "800 K melted"),
        (["diffusive", "melted", "melted"], "melted", "1000, 1200 K"),
        (["diffusive", "diffusive", "melted"], "diffusive", "left out: 1200 K melted"),
        (["exploded"] * 3, "exploded", "because"),
        (["not_run"] * 3, "not_run", "because"),
    ],
)
def test_materials_verdict(verdicts, expected, words):
    table, arrhenius = conclude(arrhenius_table(verdicts))
    assert table["verdict"][0] == expected
    assert words in table["reason"][0]
    assert np.isnan(table["sigma_300k_s_cm"][0])
    assert arrhenius["bundled-x"]["line"] is None


def test_an_undetermined_conductivity_is_withheld():
    table = arrhenius_table()
    table["diffusivity_low_cm2_s"] /= 3
    table["diffusivity_high_cm2_s"] *= 3
    found, _ = conclude(table)
    assert found["verdict"][0] == "diffusive"
    assert np.isnan(found["sigma_300k_s_cm"][0])
    assert np.isnan(found["activation_energy_ev"][0])
    words = "diffusive at 800, 1000, 1200 K, but no conductivity at 300 K: "
    assert found["reason"][0].startswith(words)
    assert "not determined" in found["reason"][0] or "not resolved" in found["reason"][0]


@pytest.mark.parametrize(
    ("bound_cm2_s", "words"), [(1e-6, "which excludes 1e-4"), (2.9e-6, "does not exclude 1e-4")]
)
def test_a_bound_says_whether_it_excludes_a_fast_conductor(bound_cm2_s, words):
    table = arrhenius_table("non-diffusive", (600.0, 800.0, 1000.0))
    found, _ = conclude(table.assign(diffusivity_upper_bound_cm2_s=bound_cm2_s))
    assert "of the ideal crystal, without defects" in found["reason"][0]
    assert f"{words} S/cm at 300 K with 0.3 eV" in found["reason"][0]


LADDER_K = (600.0, 800.0, 1000.0, 1200.0)


def test_temperatures_left_out_are_named():
    found, _ = conclude(arrhenius_table(["unresolved"] + ["diffusive"] * 3, LADDER_K))
    assert found["sigma_300k_s_cm"][0] > 0
    assert found["reason"][0].startswith("extrapolated from 3 temperatures")
    assert "left out: 600 K unresolved" in found["reason"][0]


@pytest.mark.parametrize(
    ("verdict", "kelvin", "bound_cm2_s", "believed"),
    [
        ("melted", 900.0, np.nan, False),
        ("melted", 1200.0, np.nan, False),
        ("melted", 1300.0, np.nan, True),
        ("non-diffusive", 600.0, 1e-6, False),
        ("non-diffusive", 600.0, 3e-6, True),
    ],
)
def test_a_line_is_not_drawn_against_the_other_temperatures(verdict, kelvin, bound_cm2_s, believed):
    other = arrhenius_table(verdict, (kelvin,)).assign(diffusivity_upper_bound_cm2_s=bound_cm2_s)
    found, arrhenius = conclude(pd.concat([arrhenius_table(), other]))
    assert found["verdict"][0] == "diffusive"
    assert (found["sigma_300k_s_cm"][0] > 0) == believed
    assert (arrhenius["bundled-x"]["line"] is not None) == believed
    assert f"{kelvin:g} K" in found["reason"][0]


def test_best_comes_first():
    names = ["slow", "fast", "still", "open", "moving"]
    shortlist = pd.DataFrame({"material_id": names, "formula": "Li", "engine": "chgnet"})
    slow = arrhenius_table().assign(material_id="slow")
    d = [name for name in slow if name.startswith("diffusivity")]
    slow[d] /= 10
    tables = [
        slow,
        arrhenius_table().assign(material_id="fast"),
        arrhenius_table("non-diffusive").assign(material_id="still"),
        arrhenius_table("unresolved").assign(material_id="open"),
        arrhenius_table(["unresolved", "diffusive", "diffusive"]).assign(material_id="moving"),
    ]
    table, _ = analysis.conductivity_table(shortlist, tables, [], SETTINGS)
    assert table["material_id"].tolist() == ["fast", "slow", "moving", "open", "still"]
