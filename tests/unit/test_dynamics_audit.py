from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics import audit as audits
from ionscout.dynamics import engines as engines_module
from ionscout.dynamics import snapshots, store
from ionscout.dynamics.audit_measures import (
    FORCE_MEASURES,
    MEASURES,
    STANDARD_ERROR,
    compare_forces,
    judge,
    measure_errors,
)
from ionscout.trajectory import Trajectory

LITHIUM_CHLORIDE = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
SETTINGS = DynamicsSettings(engine="chgnet", audit={"snapshots": 2})


class Springs(Calculator):
    """Springs to the sites, scaled, with an energy zero of their own."""

    implemented_properties = ("energy", "forces")
    calls = 0

    def __init__(self, scale, offset_ev=0.0, lithium_scale=None):
        super().__init__()
        self.scale, self.offset_ev, self.lithium_scale = scale, offset_ev, lithium_scale or scale

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        type(self).calls += 1
        displacements = atoms.positions - LITHIUM_CHLORIDE.cart_coords
        scales = np.where(atoms.numbers == 3, self.lithium_scale, self.scale)[:, None]
        energy = 0.5 * (scales * displacements**2).sum() + self.offset_ev
        self.results = {"energy": energy, "forces": -scales * displacements}


@pytest.fixture
def engines(monkeypatch):
    """CHGNet is a softer copy of GPAW, with another zero of energy."""
    made = {"chgnet": lambda: Springs(0.8, -30.0), "gpaw": lambda: Springs(1.0)}
    asked = []

    def make(engine, atoms, settings, *, log_path=None, charge_e=0.0):
        asked.append((engine, settings.gpaw.cutoff_ev))
        return made[engine]()

    monkeypatch.setattr(engines_module, "make_calculator", make)
    monkeypatch.setattr(snapshots, "engine_version", lambda engine, settings: f"{engine} 1.0")
    monkeypatch.setattr(audits, "is_installed", lambda engine, settings: True)
    return made, asked


def make_cell(**changes):
    return {
        "material_id": "test-licl",
        "engine": "chgnet",
        "n_atoms": 8,
        "charge_e": 0.0,
        "structure": LITHIUM_CHLORIDE.as_dict(),
        **changes,
    }


def store_run(store_dir, key, temperature_k, *, n_frames=100, replica=0):
    """A run of uncorrelated frames, 20 fs apart."""
    random = np.random.default_rng(int(temperature_k) + replica)
    (store_dir / key).mkdir(parents=True)
    meta = {
        "species": [site.specie.symbol for site in LITHIUM_CHLORIDE],
        "cell_ang": LITHIUM_CHLORIDE.lattice.matrix.tolist(),
        "frame_interval_fs": 20.0,
        "frames_per_segment": n_frames,
        "temperature_k": temperature_k,
    }
    (store_dir / key / "meta.json").write_text(json.dumps(meta))
    shaken = LITHIUM_CHLORIDE.cart_coords + random.normal(0, 0.2, (n_frames, 8, 3))
    segment = store.Segment(
        positions_ang=shaken.astype(np.float32),
        kinetic_temperature_k=np.full(n_frames, temperature_k),
        potential_energy_ev=random.normal(size=n_frames),
        conserved_energy_ev=np.zeros(n_frames),
        pressure_gpa=np.zeros(n_frames),
        scale=np.ones(n_frames),
        end_positions_ang=shaken[-1],
        end_velocities_ang_fs=shaken[-1] * 0,
        end_forces_ev_ang=shaken[-1] * 0,
        end_heat_ev=np.array(0.0),
        end_scale=np.array(1.0),
        end_random=np.array("{}"),
    )
    store.write_segment(store.segment_path(store_dir / key, store.PRODUCTION, 0), segment)
    return {
        "status": "finished",
        "reason": "",
        "temperature_k": temperature_k,
        "replica": replica,
        "key": key,
        "production_ps": n_frames * 0.02,
    }


def audit(store_dir, runs, settings=SETTINGS, **changes):
    found, frames = audits.audit_forces(
        make_cell(**changes), runs, store_dir=store_dir, settings=settings
    )
    json.dumps(found, allow_nan=False)
    return found, frames


def test_forces_are_compared_component_and_vector_wise():
    reference = np.random.default_rng(3).normal(size=(30, 3))
    same = compare_forces(reference, reference)
    assert same["force_mae_ev_ang"] == same["force_rmse_ev_ang"] == 0
    assert same["force_cosine"] == pytest.approx(1)
    soft = compare_forces(0.8 * reference, reference)
    assert soft["softening_factor"] == pytest.approx(0.8)
    assert soft["force_relative_error"] == pytest.approx(0.2)
    assert soft["force_mae_ev_ang"] == pytest.approx(0.2 * np.abs(reference).mean())
    assert soft["force_rmse_ev_ang"] == pytest.approx(0.2 * np.sqrt((reference**2).mean()))
    turned = compare_forces(reference @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1.0]]), reference)
    assert turned["force_cosine"] < 0.8


def test_noise_in_the_engine_leaves_the_softening_factor_alone():
    random = np.random.default_rng(4)
    reference = random.normal(size=(20000, 3))
    noisy = 0.9 * reference + random.normal(0, 0.5, reference.shape)
    assert compare_forces(noisy, reference)["softening_factor"] == pytest.approx(0.9, abs=0.01)


def test_what_does_not_pull_has_no_slope():
    nothing = np.zeros((4, 3))
    measures = compare_forces(nothing + 0.1, nothing)
    assert measures["force_mae_ev_ang"] == pytest.approx(0.1)
    assert measures["softening_factor"] is measures["force_cosine"] is None
    assert measures["force_relative_error"] is None
    assert set(compare_forces(nothing[:0], nothing[:0]).values()) == {None}


def measure_scales(scales, lithium_scales, noise=0.0, n_atoms=16):
    """Measures of snapshots whose forces are GPAW's times a factor each."""
    random = np.random.default_rng(5)
    is_lithium = np.arange(n_atoms) < n_atoms // 2
    references = list(random.normal(size=(len(scales), n_atoms, 3)))
    forces = [
        np.where(is_lithium[:, None], lithium, scale) * reference
        + random.normal(0, noise, reference.shape)
        for scale, lithium, reference in zip(scales, lithium_scales, references, strict=True)
    ]
    energies = random.normal(-5, 0.1, len(scales))
    return measure_errors(
        forces,
        references,
        energies_ev=energies - 100 + 0.016 * np.arange(len(scales)),
        reference_energies_ev=energies,
        is_lithium=is_lithium,
    )


def test_lithium_is_measured_alone_and_energies_without_their_zero():
    measures = measure_scales([1.0] * 3, [0.7] * 3)
    assert measures["lithium_softening_factor"] == pytest.approx(0.7)
    assert 0.7 < measures["softening_factor"] < 1
    assert measures["lithium_force_relative_error"] == pytest.approx(0.3)
    # differences of 0, 16 and 32 meV in a cell of 16 atoms
    assert measures["energy_error_mev_atom"] == pytest.approx(1.0)
    assert set(measures) == {*MEASURES, *(name + STANDARD_ERROR for name in MEASURES)}


def test_the_standard_error_of_a_mean_is_its_own():
    """All atoms pull alike in all snapshots, so that the slope is the mean of the slopes."""
    slopes = np.array([0.8, 0.9, 1.0, 1.2])
    reference = np.ones((4, 3))
    measures = measure_errors(
        [slope * reference for slope in slopes],
        [reference] * 4,
        energies_ev=[0.0] * 4,
        reference_energies_ev=[0.0] * 4,
        is_lithium=np.array([True, False, False, True]),
    )
    expected = slopes.std(ddof=1) / 2
    assert measures["softening_factor_standard_error"] == pytest.approx(expected)
    assert measures["lithium_softening_factor_standard_error"] == pytest.approx(expected)


def test_few_snapshots_have_no_standard_error():
    alone = measure_scales([1.0], [1.0])
    assert all(alone[name + STANDARD_ERROR] is None for name in MEASURES)
    assert alone["energy_error_mev_atom"] is None
    two = measure_scales([1.0, 1.1], [1.0, 1.1])
    assert two["energy_error_mev_atom"] is not None
    assert two["energy_error_mev_atom_standard_error"] is None
    assert all(two[name + STANDARD_ERROR] is not None for name in FORCE_MEASURES)


@pytest.mark.parametrize(
    ("scales", "lithium_scales", "noise", "verdict", "words"),
    [
        ([1.0] * 3, [0.95] * 3, 0.1, "believed", "too weak"),
        ([1.0] * 3, [1.0] * 3, 0.0, "believed", "neither too weak nor too strong"),
        ([0.95] * 3, [0.85] * 3, 0.05, "doubtful", "lithium's forces are 15% too weak"),
        ([1.0] * 3, [0.7] * 3, 0.05, "not_believed", "conductivity at 300 K too high"),
        ([1.0] * 3, [1.3] * 3, 0.05, "not_believed", "conductivity at 300 K too low"),
        ([1.0] * 3, [1.0] * 3, 0.35, "doubtful", "of GPAW's"),
        ([1.0] * 3, [1.0] * 3, 1.0, "not_believed", "of GPAW's"),
        ([0.93] * 3, [0.93, 0.8, 1.06], 0.0, "doubtful", "±"),
        ([0.8] * 3, [1.0] * 3, 0.0, "believed", "neither"),
        ([0.1] * 3, [1.0] * 3, 0.0, "doubtful", "over all atoms"),
        ([1.0], [1.0], 0.0, "doubtful", "one snapshot"),
        ([1.0], [0.6], 0.0, "not_believed", "barriers come out too low"),
    ],
)  # fmt: skip
def test_the_verdict_follows_lithium(scales, lithium_scales, noise, verdict, words):
    found, reason = judge(measure_scales(scales, lithium_scales, noise, n_atoms=64), len(scales))
    assert found == verdict, reason
    assert words in reason


def test_the_factor_in_sigma_is_that_of_the_barrier():
    """0.2 of 0.3 eV against kT of 25.85 meV: exp(2.32) = 10."""
    _, reason = judge(measure_scales([0.8] * 3, [0.8] * 3), 3)
    assert "by a factor of about 10 for a barrier of 0.3 eV" in reason


def test_a_cell_without_lithium_is_judged_whole():
    measures = measure_scales([0.7] * 3, [0.7] * 3)
    measures |= {name: None for name in measures if name.startswith("lithium_")}
    verdict, reason = judge(measures, 3)
    assert verdict == "not_believed"
    assert reason.startswith("the forces are 30% too weak")


def make_trajectory(energies_ev, interval_fs=20.0):
    return Trajectory(
        positions_ang=np.zeros((len(energies_ev), 2, 3)),
        species=["Li", "Cl"],
        cell_ang=np.eye(3),
        frame_interval_fs=interval_fs,
        temperature_k=800.0,
        potential_energy_ev=np.asarray(energies_ev),
    )


def test_the_correlation_time_is_that_of_a_known_process():
    """x' = a x + noise forgets in (1 + a) / (2 (1 - a)) steps: 9.5 for a = 0.9."""
    random = np.random.default_rng(6)
    times = []
    for _ in range(20):
        series = np.zeros(4000)
        for i, kick in enumerate(random.normal(size=3999), start=1):
            series[i] = 0.9 * series[i - 1] + kick
        times.append(snapshots.correlation_frames(series))
    assert np.mean(times) == pytest.approx(9.5, rel=0.15)
    assert snapshots.correlation_frames(np.full(50, 3.0)) == 0.5
    assert snapshots.correlation_frames(np.array([1.0])) == 0.5


def test_snapshots_are_even_and_forget_each_other():
    white = np.random.default_rng(7).normal(size=300)
    frames = snapshots.choose_frames(make_trajectory(white), 3)
    assert frames.tolist() == [50, 150, 250]
    # 6 ps hold 30 pieces of 0.2 ps, whatever is asked
    assert len(snapshots.choose_frames(make_trajectory(white), 500)) <= 30
    slow = np.cos(np.linspace(0, 2 * np.pi, 300))
    assert len(snapshots.choose_frames(make_trajectory(slow), 10)) < 5
    assert snapshots.choose_frames(make_trajectory(white[:4]), 3).tolist() == [2]


def test_all_runs_are_audited_with_known_errors(tmp_path, engines):
    runs = [store_run(tmp_path, f"key{t}", t) for t in (600.0, 900.0)]
    found, frames = audit(tmp_path, runs)
    assert (found["status"], found["reason"], found["verdict"]) == ("audited", "", "doubtful")
    assert found["n_snapshots"] == found["n_snapshots_wanted"] == len(frames) == 4
    assert found["temperatures_k"] == [600.0, 900.0]
    assert [row["temperature_k"] for row in found["snapshots"]] == [900.0, 600.0] * 2
    assert found["softening_factor"] == pytest.approx(0.8)
    assert found["lithium_softening_factor"] == pytest.approx(0.8)
    assert found["force_cosine"] == pytest.approx(1)
    # 0.1 of the springs' energy, whose mean over a run is that of their displacements
    assert 0 < found["energy_error_mev_atom"] < 30
    assert {cutoff for _, cutoff in engines[1]} == {SETTINGS.audit.cutoff_ev}
    points = found["scatter"]
    assert len(points["gpaw_ev_ang"]) == len(points["is_lithium"]) == 4 * 24
    np.testing.assert_allclose(
        points["engine_ev_ang"], np.multiply(points["gpaw_ev_ang"], 0.8), atol=2e-4
    )


def test_gpaw_alone_is_told_the_charge(tmp_path, engines, monkeypatch):
    charges, make = {}, engines_module.make_calculator

    def make_charged(engine, *args, charge_e=0.0, **kwargs):
        charges.setdefault(engine, set()).add(charge_e)
        return make(engine, *args, **kwargs)

    monkeypatch.setattr(engines_module, "make_calculator", make_charged)
    found, _ = audit(tmp_path, [store_run(tmp_path, "key", 900.0)], charge_e=-1.0)
    assert charges == {"chgnet": {0.0}, "gpaw": {-1.0}}
    assert found["gpaw"]["charge"] == -1.0


def test_lithium_is_told_from_the_rest(tmp_path, engines):
    engines[0]["chgnet"] = lambda: Springs(1.0, lithium_scale=0.6)
    found, _ = audit(tmp_path, [store_run(tmp_path, "key", 900.0)])
    assert found["lithium_softening_factor"] == pytest.approx(0.6)
    assert found["softening_factor"] > 0.7
    assert found["verdict"] == "not_believed"


def test_the_frames_are_kept_for_training(tmp_path, engines):
    runs = [store_run(tmp_path, "key", 900.0, replica=2)]
    found, frames = audit(tmp_path, runs)
    snapshots.write_frames(tmp_path / "audit.extxyz", frames)
    read = ase.io.read(tmp_path / "audit.extxyz", ":")
    assert len(read) == 2
    row, frame = found["snapshots"][0], read[0]
    assert frame.info["REF_energy"] == pytest.approx(frame.info["engine_energy"] * 1.25 + 37.5)
    np.testing.assert_allclose(
        frame.arrays["engine_forces"], 0.8 * frame.arrays["REF_forces"], atol=1e-7
    )
    displacements = frame.positions - LITHIUM_CHLORIDE.cart_coords
    np.testing.assert_allclose(frame.arrays["REF_forces"], -displacements, atol=1e-6)
    kept = {"material_id": "test-licl", "engine": "chgnet", "run_key": "key", "replica": 2,
            "temperature_k": 900.0, "frame": row["frame"]}  # fmt: skip
    assert {name: frame.info[name] for name in kept} == kept
    gpaw = json.loads(frame.info["gpaw"])
    assert (gpaw["version"], gpaw["xc"], gpaw["mode"]["ecut"]) == ("gpaw 1.0", "PBE", 500.0)
    assert frame.pbc.all()
    np.testing.assert_allclose(frame.cell.array, LITHIUM_CHLORIDE.lattice.matrix)
    snapshots.write_frames(tmp_path / "audit.extxyz", [])
    assert (tmp_path / "audit.extxyz").read_text() == ""


def count_gpaw(engines):
    return sum(engine == "gpaw" for engine, _ in engines[1])


def test_a_snapshot_is_computed_once(tmp_path, engines):
    runs = [store_run(tmp_path, "key", 900.0)]
    first, _ = audit(tmp_path, runs)
    again, _ = audit(tmp_path, runs)
    assert count_gpaw(engines) == 2
    assert again == first
    other = SETTINGS.model_copy(update={"gpaw": SETTINGS.gpaw.model_copy(update={"ranks": 2})})
    audit(tmp_path, runs, other)
    assert count_gpaw(engines) == 2
    finer = SETTINGS.model_copy(
        update={"audit": SETTINGS.audit.model_copy(update={"cutoff_ev": 600.0})}
    )
    audit(tmp_path, runs, finer)
    assert count_gpaw(engines) == 4
    for damaged in (tmp_path / "key" / "audit").glob("*.npz"):
        damaged.write_bytes(damaged.read_bytes()[:100])
    assert audit(tmp_path, runs)[0]["force_mae_ev_ang"] == first["force_mae_ev_ang"]
    assert count_gpaw(engines) == 6


def test_a_broken_snapshot_ends_the_audit_and_the_others_count(tmp_path, engines):
    made, asked = engines
    runs = [store_run(tmp_path, "key", 900.0)]

    class Broken(Springs):
        calls = 0

        def calculate(self, *args, **kwargs):
            if Broken.calls >= 1:
                raise RuntimeError("did not converge")
            super().calculate(*args, **kwargs)

    made["gpaw"] = lambda: Broken(1.0)
    found, frames = audit(tmp_path, runs)
    assert found["status"] == "audited"
    assert found["reason"] == "1 of 2 snapshots: gpaw: RuntimeError: did not converge"
    assert found["verdict"] == "doubtful"
    assert len(frames) == 1
    made["gpaw"] = lambda: Springs(1.0)
    asked.clear()
    assert audit(tmp_path, runs)[0]["n_snapshots"] == 2
    assert sum(engine == "gpaw" for engine, _ in asked) == 1
    made["gpaw"] = lambda: Broken(1.0)
    (tmp_path / "elsewhere").mkdir()
    found, frames = audit(tmp_path / "elsewhere", [store_run(tmp_path / "elsewhere", "k", 900.0)])
    assert (found["status"], found["verdict"], frames) == ("not_audited", "not_audited", [])
    assert found["reason"].startswith("0 of 2 snapshots: gpaw: RuntimeError")


def test_the_budget_bounds_the_snapshots_and_a_rerun_holds_the_same(tmp_path, engines, monkeypatch):
    runs = [store_run(tmp_path, f"key{t}", t) for t in (600.0, 900.0)]
    clock = iter(range(0, 100000, 100))
    monkeypatch.setattr(snapshots.time, "perf_counter", lambda: next(clock))
    settings = SETTINGS.model_copy(
        update={"audit": SETTINGS.audit.model_copy(update={"budget_minutes": 5.5})}
    )
    found, _ = audit(tmp_path, runs, settings)
    assert (found["n_snapshots"], found["n_snapshots_wanted"]) == (3, 4)
    assert found["reason"].startswith("3 of 4 snapshots: the next one would pass")
    assert "budget_minutes = 5.5; 5.0 minutes are spent" in found["reason"]
    assert [row["temperature_k"] for row in found["snapshots"]] == [900.0, 600.0, 900.0]
    again, _ = audit(tmp_path, runs, settings)
    assert again == found
    assert count_gpaw(engines) == 3
    nothing = SETTINGS.model_copy(
        update={"audit": SETTINGS.audit.model_copy(update={"budget_minutes": 0.0})}
    )
    assert audit(tmp_path, runs, nothing)[0]["n_snapshots"] == 1


def test_unfinished_runs_are_left_out(tmp_path, engines):
    runs = [
        store_run(tmp_path, "key", 900.0),
        {"status": "failed", "reason": "exploded: x", "temperature_k": 1200.0, "key": "none"},
    ]
    found, _ = audit(tmp_path, runs)
    assert found["temperatures_k"] == [900.0]
    assert found["n_snapshots"] == found["n_snapshots_wanted"] == 2


WITH_IRON = LITHIUM_CHLORIDE.copy().replace_species({"Cl": "O"})
WITH_IRON[0] = "Fe"


@pytest.mark.parametrize(
    ("cell", "run", "settings", "reason"),
    [
        ({}, {"status": "failed", "reason": "exploded: x"}, {}, "800 K is failed: exploded"),
        ({"engine": "gpaw"}, {}, {}, "GPAW itself"),
        ({"engine": "lennard-jones"}, {}, {}, "plumbing only"),
        ({"engine": "external"}, {}, {}, "elsewhere"),
        ({}, {}, {"audit": {"enabled": False}}, "switched off"),
        ({}, {}, {"audit": {"max_atoms": 7}}, "8 atoms are more than"),
        ({"structure": WITH_IRON.as_dict()}, {}, {}, "CHGNet learnt Fe from PBE + U"),
        ({}, {}, {}, "store gone: meta.json"),
    ],
)
def test_what_is_not_audited_says_why(tmp_path, engines, cell, run, settings, reason):
    run = {
        "status": "finished",
        "reason": "",
        "temperature_k": 800.0,
        "key": "gone",
        "production_ps": 1.0,
        **run,
    }
    found, frames = audit(tmp_path, [run], DynamicsSettings(**settings), **cell)
    assert found["status"] == found["verdict"] == "not_audited"
    assert reason in found["reason"]
    assert found["force_mae_ev_ang"] is found["lithium_softening_factor"] is None
    assert (found["n_snapshots"], frames) == (0, [])


def test_a_cell_that_failed_and_a_missing_gpaw_are_told(tmp_path, engines, monkeypatch):
    failed = {"status": "not_run", "reason": "the cell failed: y", "temperature_k": 800.0}
    found, _ = audit(tmp_path, [failed], structure=None, n_atoms=None)
    assert found["reason"] == "the run at 800 K is not_run: the cell failed: y"
    assert audit(tmp_path, [])[0]["reason"] == "there is no run"
    monkeypatch.setattr(audits, "is_installed", engines_module.is_installed)
    monkeypatch.setattr(engines_module.importlib.util, "find_spec", lambda name: None)
    run = store_run(tmp_path, "key", 900.0)
    assert audit(tmp_path, [run])[0]["reason"] == "GPAW is not installed"
    elsewhere = DynamicsSettings(gpaw={"python": "/opt/gpaw/bin/python"})
    assert audit(tmp_path, [run], elsewhere)[0]["status"] == "audited"
    monkeypatch.setattr(snapshots, "engine_version", engines_module.engine_version)
    found, frames = audit(tmp_path, [run], elsewhere)
    assert (found["status"], frames) == ("not_audited", [])
    assert "dynamics.gpaw.python: '/opt/gpaw/bin/python' has no gpaw" in found["reason"]
