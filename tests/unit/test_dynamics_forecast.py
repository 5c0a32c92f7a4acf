import json

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionscout.config import load_campaign
from ionscout.dynamics.engines.gpaw import estimate_seconds_per_step
from ionscout.dynamics.forecast import (
    count_steps,
    describe_costs,
    estimate_costs,
    ladders_of_shortlist,
    largest_ladders,
    main,
)
from ionscout.dynamics.records import empty_run
from ionscout.dynamics.speeds import Speeds, make_standard_cell, measure_step
from ionscout.errors import DynamicsError

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])
CELL = {"material_id": "a", "engine": "chgnet", "status": "ready", "structure": SALT.as_dict()}
DYNAMICS = {
    "temperatures_k": [600, 700],
    "replicas": 2,
    "second_wave": {"temperatures_k": [650, 700], "replicas": 1},
    "equilibration_ps": 2.0,
    "production_ps": 10.0,
    "max_atoms": 30,
    "engine": "chgnet",
}
STEPS = (2 + 10) * 1000 // 2


def campaign(**dynamics):
    sources = {"bundled": {"kind": "bundled"}}
    return load_campaign(
        {"campaign": "c", "structures": {"sources": sources}, "dynamics": {**DYNAMICS, **dynamics}}
    )


def write_run(results, temperature_k, replica, **found):
    run = empty_run(CELL, temperature_k=temperature_k, replica=replica, reason="") | found
    path = results / "dynamics" / "a" / f"{temperature_k}K" / str(replica) / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(run))


def write_speed(store, key, engine, species, seconds):
    (store / key).mkdir(parents=True)
    (store / key / "meta.json").write_text(json.dumps({"engine": engine, "species": species}))
    (store / key / "speed.json").write_text(json.dumps({"seconds_per_step": seconds}))


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "c"
    for name in ("screening", "structures", "dynamics/a"):
        (folder / name).mkdir(parents=True)
    row = {"material_id": "a", "engine": "chgnet", "n_atoms": 8}
    row |= {"temperatures_k": "600;700", "second_wave_k": "650"}
    pd.DataFrame([row]).to_csv(folder / "screening" / "shortlist.csv", index=False)
    pd.DataFrame({"material_id": ["a"], "shard": [0]}).to_csv(
        folder / "structures" / "manifest.csv", index=False
    )
    (folder / "dynamics" / "a" / "cell.json").write_text(json.dumps(CELL))
    return folder


def timed(engine, structure, settings):
    return 0.001 * len(structure)


def costs_of(found, results, measure=timed, **dynamics):
    settings = campaign(**dynamics).dynamics
    speeds = Speeds(results.parent / "store", settings, measure)
    return estimate_costs(found, speeds, settings)


def test_all_runs_of_a_shortlist_are_counted(results):
    (ladder,) = ladders_of_shortlist(campaign(), results)
    assert ladder.first_ps == [10.0] * 4
    assert ladder.later_ps == [10.0]
    (cost,) = costs_of([ladder], results)
    assert cost.steps == 5 * STEPS
    assert cost.seconds_per_step == pytest.approx(0.008)
    assert cost.core_hours == pytest.approx(5 * STEPS * 0.008 / 3600)
    assert cost.later_core_hours == pytest.approx(cost.core_hours / 5)


def test_what_is_done_is_not_counted_and_what_is_prolonged_in_part(results):
    write_run(results, 600, 0, status="finished", production_ps=10.0)
    write_run(results, 600, 1, status="finished", production_ps=4.0, stopped_by="settled")
    write_run(results, 700, 0, status="failed", reason="exploded: it did")
    write_run(results, 700, 1, status="finished", production_ps=6.0, stopped_by="length")
    (ladder,) = ladders_of_shortlist(campaign(), results)
    assert ladder.n_done == 3
    assert ladder.first_ps == [pytest.approx(4.0)]
    (cost,) = costs_of([ladder], results)
    assert cost.steps == 4 * 500 + STEPS


def test_hydrogen_halves_the_step_and_more():
    hydride = Structure(Lattice.cubic(4), ["Li", "H"], [[0] * 3, [0.5] * 3])
    settings = campaign().dynamics
    assert count_steps(SALT, settings, 10.0) == STEPS
    assert count_steps(None, settings, 10.0) == STEPS
    assert count_steps(hydride, settings, 10.0) == 4 * STEPS


def test_the_store_is_believed_before_the_clock(results):
    store, ladders = results.parent / "store", ladders_of_shortlist(campaign(), results)
    write_speed(store, "other", "gpaw", ["Li"] * 4 + ["Cl"] * 4, 99.0)
    write_speed(store, "larger", "chgnet", ["Li"] * 8 + ["Cl"] * 8, 77.0)
    (cost,) = costs_of(ladders, results)
    assert cost.source == "timed now"
    write_speed(store, "own", "chgnet", ["Cl"] * 4 + ["Li"] * 4, 0.5)
    (cost,) = costs_of(ladders, results, chgnet={"threads": 2})
    assert cost.source == "measured in its runs"
    assert cost.seconds_per_step == 1.0, "core-seconds, on two threads"


def test_runs_of_another_engine_are_not_done(results):
    write_run(results, 600, 0, status="finished", production_ps=10.0, stopped_by="length")
    (before,) = ladders_of_shortlist(campaign(), results)
    (after,) = ladders_of_shortlist(campaign(engine="lennard-jones"), results)
    assert (before.engine, before.n_done) == ("chgnet", 1)
    assert (after.engine, after.n_done) == ("lennard-jones", 0)


def test_gpaw_is_never_timed_and_its_guess_is_called_one(results):
    found = largest_ladders(campaign(engine="gpaw"))
    cost = costs_of(found, results, measure=None)[0]
    assert "guess" in cost.source
    assert cost.seconds_per_step == pytest.approx(estimate_seconds_per_step(30))
    on_four = costs_of(found, results, measure=None, gpaw={"ranks": 4})[0]
    assert on_four.seconds_per_step == pytest.approx(4 * estimate_seconds_per_step(30, 4))
    write_speed(results.parent / "store", "k", "gpaw", ["Li"] * 30, 7.0)
    assert costs_of(found, results)[0].seconds_per_step == 7.0


def test_without_a_shortlist_it_is_an_upper_bound(results):
    found = largest_ladders(campaign())
    assert [len(ladder.first_ps) for ladder in found] == [4, 4, 6, 6]
    assert [len(ladder.later_ps) for ladder in found] == [1, 1, 1, 1]
    cost = costs_of(found, results)[0]
    assert cost.seconds_per_step == pytest.approx(0.030), "scaled from the cell that was timed"
    assert "of Li3N" in cost.source


def test_what_cannot_be_timed_is_unknown_with_its_reason(results):
    def fail(engine, structure, settings):
        raise DynamicsError("engine 'chgnet' is not installed")

    costs = costs_of(ladders_of_shortlist(campaign(), results), results, measure=fail)
    lines = list(describe_costs(costs))
    assert "unknown" in lines[1]
    assert "not installed" in lines[1]
    assert lines[2].startswith("at most 0 core-hours, and what is unknown in 5 runs; 0 are done")


def test_the_standard_cell_is_round_and_fits():
    cell = make_standard_cell(50)
    assert len(cell) == 48
    assert max(cell.lattice.abc) < 1.6 * min(cell.lattice.abc)
    assert measure_step("lennard-jones", cell, campaign().dynamics) > 0


def test_the_command_changes_nothing(results, monkeypatch, capsys):
    monkeypatch.chdir(results.parents[1])
    write_speed(results.parent / "store", "own", "chgnet", ["Cl"] * 4 + ["Li"] * 4, 0.5)
    config = results.parents[1] / "c.yaml"
    config.write_text(json.dumps(campaign().model_dump(exclude_defaults=True)))
    before = {path: path.stat().st_mtime_ns for path in config.parent.rglob("*")}
    assert main([str(config)]) == 0
    assert f"at most {5 * STEPS * 0.5 / 3600:.3g} core-hours" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in config.parent.rglob("*")}
    assert main(["nowhere.yaml"]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
