import time

import numpy as np
import pytest
import trajectory_files as files

from ionscout.config import TransportSettings
from ionscout.errors import TransportError
from ionscout.trajectory import Trajectory
from ionscout.transport import analysis, trajectory
from ionscout.transport.readers import buffer

SETTINGS = TransportSettings()
CELL = {"material_id": "bundled-x", "engine": "chgnet"}


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


def run(
    temperature_k, status="finished", reason="", engine="chgnet", production_ps=20.0, replica=0
):
    return {
        "material_id": "bundled-x",
        "temperature_k": temperature_k,
        "replica": replica,
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
    rows, msd, _ = analysis.analyse_material(CELL, runs, store_dir="unused", settings=SETTINGS)
    return rows, msd


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
    assert tuple(msd.columns) == ("material_id", "replica", *trajectory.MSD_COLUMNS)
    assert rows["production_ps"].tolist() == [20.0] * 5
    assert set(msd["temperature_k"]) == {800.0, 1000.0}
    assert msd["in_fit"].any()
    assert msd["msd_framework_ang2"].max() < 1


def test_lennard_jones_says_plumbing(store):
    store["800"] = make_trajectory(0.5)
    rows, _ = analyse([run(800.0, engine="lennard-jones")])
    assert rows["reason"][0].startswith("plumbing")
    assert "no physical meaning" in rows["reason"][0]


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


def test_replicas_of_a_temperature_are_told_apart(store):
    store["800"] = make_trajectory(0.5)
    rows, msd = analyse([run(800.0), run(900.0, "not_run"), run(800.0, replica=1)])
    assert rows["replica"].tolist() == [0, 0, 1]
    assert set(msd["replica"]) == {0, 1}


def test_a_run_made_elsewhere_is_read_from_its_files(tmp_path):
    fractional, cells, positions_ang = files.truth(n_frames=80, changing=False)
    path = tmp_path / "XDATCAR"
    path.write_text(files.xdatcar(fractional, cells, headers=False))
    elsewhere = run(600.0, engine="external") | {
        "key": None,
        "files": [str(path)],
        "reader": {"frame_interval_fs": 50.0},
    }
    loaded = analysis._load(elsewhere, "there is no store")
    assert loaded.frame_interval_fs == 50.0
    moved = loaded.positions_ang - loaded.positions_ang[0]
    np.testing.assert_allclose(moved, positions_ang - positions_ang[0], atol=1e-5)
    rows, _ = analyse([elsewhere, elsewhere | {"files": [str(tmp_path / "gone" / "XDATCAR")]}])
    assert rows["n_lithium"].tolist()[0] == 4
    assert "gone" in rows["reason"][1]


def test_trajectories_of_a_folder():
    def broken():
        raise TransportError("XDATCAR: line 9 is not a position")

    def missing():
        raise FileNotFoundError("no file")

    runs = [
        ("a", 0, None, "external", lambda: make_trajectory(0.5, 700.0)),
        ("a", 0, 650.0, "external", lambda: make_trajectory(0.5, 700.0)),
        ("a", 0, None, "external", lambda: make_trajectory(0.5, None)),
        ("b", 0, 800.0, "external", broken),
        ("b", 1, 800.0, "external", missing),
    ]
    rows, msd, density = analysis.analyse_trajectories(iter(runs), SETTINGS)
    assert rows["verdict"].tolist() == ["diffusive"] * 2 + ["unresolved"] * 3
    assert rows["temperature_k"].tolist()[:2] == [700.0, 650.0]
    assert np.isnan(rows["temperature_k"][2])
    assert "give temperature_k" in rows["reason"][2]
    assert rows["reason"][3] == "XDATCAR: line 9 is not a position"
    assert rows["reason"][4] == "no file"
    assert set(msd["material_id"]) == {"a"}
    assert sorted(set(msd["temperature_k"])) == [650.0, 700.0]
    assert set(density["temperature_k"]) == {700.0}
    conductivity, lines = analysis.conclude_runs(rows, SETTINGS)
    assert conductivity["material_id"].tolist() == ["a", "b"]
    assert lines["b"]["line"] is None


def test_what_a_diffusive_run_tells(store):
    store["800"] = make_trajectory(0.5, n_frames=3000)
    rows, msd, density = analysis.analyse_material(
        CELL, [run(800.0, production_ps=60.0)], store_dir="unused", settings=SETTINGS
    )
    row = rows.iloc[0]
    axes = [row[f"diffusivity_{axis}_cm2_s"] for axis in ("xx", "yy", "zz")]
    assert np.mean(axes) == pytest.approx(row["diffusivity_cm2_s"])
    assert np.exp(row["ln_diffusivity_mean"]) == pytest.approx(row["diffusivity_cm2_s"], rel=0.1)
    # n e^2 D / kT with 24 ions in 10 angstrom cubed at 800 K
    unit = 24e21 * 1.602177e-19**2 / (1.380649e-23 * 800)
    assert row["sigma_high_s_cm"] == pytest.approx(unit * row["diffusivity_high_cm2_s"], rel=1e-5)
    assert row["sigma_collective_s_cm"] == pytest.approx(
        row["sigma_s_cm"] / row["haven_ratio"], rel=1e-9
    )
    assert row["haven_ratio_low"] < 1 < row["haven_ratio_high"]
    assert row["collective_diffusivity_cm2_s"] * row["haven_ratio"] == pytest.approx(
        row["diffusivity_cm2_s"]
    )
    fit = msd[msd["in_fit"]]
    assert (fit["fit_low_ang2"] <= fit["fit_ang2"]).all()
    assert (fit["fit_ang2"] <= fit["fit_high_ang2"]).all()
    assert abs(fit["fit_ang2"] / fit["msd_li_ang2"] - 1).max() < 0.2
    assert msd.loc[~msd["in_fit"], "fit_ang2"].isna().all()
    assert 0.7 < fit["exponent"].median() < 1.3
    # the cell is a cube of 10 angstrom with 24 lithium
    assert density["lithium_ang2"].mean() == pytest.approx(24 / 100)
    assert 9.8 < density["x_ang"].max() < 10


def test_a_scratch_file_gives_the_same_row(store, monkeypatch):
    store["800"] = make_trajectory(0.5)
    in_memory, *_ = analyse([run(800.0)])
    monkeypatch.setattr(buffer, "MEMORY_BYTES", 1000)
    mapped, *_ = analyse([run(800.0)])
    numbers = mapped.select_dtypes(float).columns
    np.testing.assert_allclose(mapped[numbers], in_memory[numbers], rtol=1e-3)


def test_no_runs_make_empty_tables():
    rows, msd, density = analysis.analyse_trajectories([], SETTINGS)
    assert tuple(density.columns) == analysis.DENSITY_TABLE_COLUMNS
    assert rows.empty
    assert tuple(rows.columns) == analysis.DIFFUSIVITY_COLUMNS
    assert tuple(msd.columns) == analysis.MSD_TABLE_COLUMNS
    assert analysis.conclude_runs(rows, SETTINGS)[0].empty
