"""What the dynamics will cost, before anything runs: `python -m ionscout.dynamics.forecast`.

Steps are counted from the configuration and the shortlist; seconds a step are those of
runs in the store, else a few steps are timed here and now. Nothing is written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from pymatgen.core import Element, Structure

from ionscout.config import Campaign, DynamicsSettings, load_campaign
from ionscout.dynamics.engines import resolve_engine
from ionscout.dynamics.plan import make_plan
from ionscout.dynamics.records import EXTERNAL
from ionscout.dynamics.speeds import Speeds
from ionscout.dynamics.store import PRODUCTION
from ionscout.dynamics.supercell import find_primitive, supercell_matrix
from ionscout.errors import DynamicsError, IonscoutError
from ionscout.structures.records import read_structures


@dataclass(frozen=True)
class Ladder:
    """The runs of a material that are to be made.

    Attributes
    ----------
    material_id, engine : str
    n_atoms : int
    structure : Structure or None
        The cell that runs, where it is known.
    first_ps, later_ps : list of float
        Production still to be run by each run of the first and of the second wave.
    n_done : int
        Runs that need nothing more.
    """

    material_id: str
    engine: str
    n_atoms: int
    structure: Structure | None
    first_ps: list[float]
    later_ps: list[float]
    n_done: int


@dataclass(frozen=True)
class Cost:
    """What a material's runs cost.

    `seconds_per_step` is None where nobody knows it, and `source` says where it is from.
    Core-hours are those of both waves, and of the second alone.
    """

    ladder: Ladder
    steps: int
    seconds_per_step: float | None
    source: str
    core_hours: float
    later_core_hours: float


def ladders_of_shortlist(campaign: Campaign, results_dir: Path) -> list[Ladder]:
    """Read what each shortlisted material has still to run.

    Parameters
    ----------
    campaign : Campaign
    results_dir : Path
        `results/<campaign>`, with a shortlist.

    Returns
    -------
    list of Ladder
        In the shortlist's order.
    """
    dynamics = campaign.dynamics
    n_later = dynamics.second_wave.replicas or dynamics.replicas
    rows = pd.read_csv(results_dir / "screening" / "shortlist.csv", dtype=str).fillna("")
    shards = _shards(results_dir)
    ladders = []
    for row in rows.to_dict("records"):
        folder = results_dir / "dynamics" / row["material_id"]
        engine = row["engine"] if dynamics.engine == "auto" else dynamics.engine
        left = {
            wave: [
                _left_ps(folder / f"{kelvin}K" / str(replica) / "run.json", engine, dynamics)
                for kelvin in filter(None, row.get(wave, "").split(";"))
                for replica in range(n)
            ]
            for wave, n in (("temperatures_k", dynamics.replicas), ("second_wave_k", n_later))
        }
        first_ps, later_ps = ([ps for ps in found if ps > 0] for found in left.values())
        n_runs = sum(map(len, left.values()))
        ladders.append(
            Ladder(
                row["material_id"],
                engine,
                int(row["n_atoms"]),
                _find_cell(row, folder / "cell.json", shards, dynamics),
                first_ps,
                later_ps,
                n_runs - len(first_ps) - len(later_ps),
            )
        )
    return ladders


def largest_ladders(campaign: Campaign) -> list[Ladder]:
    """Return an upper bound of what a campaign without a shortlist will run.

    Candidates and controls all have the largest cell. Variants with a vacancy, which come
    on top, are left out.
    """
    dynamics, screening = campaign.dynamics, campaign.screening
    engine, n_atoms = dynamics.engine, dynamics.max_atoms
    if engine != EXTERNAL:
        engine, _ = resolve_engine(engine, n_atoms, ["Li"], dynamics)
    n_later = dynamics.second_wave.replicas or dynamics.replicas
    ladders = {
        f"candidate {i + 1}": dynamics.temperatures_k for i in range(screening.shortlist_size)
    }
    for control in (screening.positive_control, screening.negative_control):
        ladders[control.material_id] = control.temperatures_k
    found = []
    for name, kelvin in ladders.items():
        later_k = set(dynamics.second_wave.temperatures_k) - set(kelvin)
        first_ps = [dynamics.production_ps] * (len(set(kelvin)) * dynamics.replicas)
        later_ps = [dynamics.production_ps] * (len(later_k) * n_later)
        found.append(Ladder(name, engine, n_atoms, None, first_ps, later_ps, 0))
    return found


def estimate_costs(ladders: list[Ladder], speeds: Speeds, settings: DynamicsSettings) -> list[Cost]:
    """Count steps and core-hours.

    Parameters
    ----------
    ladders : list of Ladder
    speeds : Speeds
    settings : DynamicsSettings

    Returns
    -------
    list of Cost
        One a material. A run that was cut off counts whole, one that is prolonged by what
        is missing; none is assumed to end early.
    """
    costs = []
    for ladder in ladders:
        first, later = (
            sum(count_steps(ladder.structure, settings, ps) for ps in lengths_ps)
            for lengths_ps in (ladder.first_ps, ladder.later_ps)
        )
        seconds, source = (
            speeds.find(ladder.engine, ladder.n_atoms, ladder.structure)
            if first + later
            else (None, "nothing is left to run")
        )
        hours_per_step = (seconds or 0.0) / 3600
        total, second_wave = (n * hours_per_step for n in (first + later, later))
        costs.append(Cost(ladder, first + later, seconds, source, total, second_wave))
    return costs


def count_steps(structure: Structure | None, settings: DynamicsSettings, left_ps: float) -> int:
    """Count the steps of a run with so much production left.

    Parameters
    ----------
    structure : Structure or None
        Its lightest atom decides the time step; lithium where it is not known.
    settings : DynamicsSettings
    left_ps : float
        All of the production, with which goes what comes before it, or what prolongs it.

    Returns
    -------
    int
    """
    masses_u = (
        [site.specie.atomic_mass for site in structure]
        if structure
        else [Element("Li").atomic_mass]
    )
    settings_left = settings.model_copy(update={"production_ps": left_ps})
    plan = make_plan(np.array(masses_u, dtype=float), settings_left)
    phases = plan.phases
    if left_ps < settings.production_ps:
        phases = {PRODUCTION: phases[PRODUCTION]}
    return sum(map(sum, phases.values())) * plan.steps_per_frame


def describe_costs(costs: list[Cost]) -> Iterator[str]:
    """Write costs as lines: one a material, the sums, and what they leave out."""
    widths = "{:<32} {:<14} {:>5} {:>5} {:>10} {:>8} {:>11}  {}".format
    yield widths("material", "engine", "atoms", "runs", "steps", "s/step", "core-hours", "speed")
    n_first, n_later, n_done, is_known = 0, 0, 0, True
    for cost in costs:
        ladder, seconds = cost.ladder, cost.seconds_per_step
        n_runs = len(ladder.first_ps) + len(ladder.later_ps)
        n_first, n_later = n_first + len(ladder.first_ps), n_later + len(ladder.later_ps)
        n_done += ladder.n_done
        is_known &= seconds is not None or not n_runs
        speed = "-" if seconds is None else f"{seconds:.3g}"
        hours = "unknown" if seconds is None and n_runs else f"{cost.core_hours:.3g}"
        named = ladder.material_id, ladder.engine, ladder.n_atoms
        yield widths(*named, n_runs, cost.steps, speed, hours, cost.source)
    total = sum(cost.core_hours for cost in costs)
    later = sum(cost.later_core_hours for cost in costs)
    unknown = "" if is_known else ", and what is unknown"
    yield f"at most {total:.3g} core-hours{unknown} in {n_first + n_later} runs; {n_done} are done"
    if n_later:
        yield f"of these {later:.3g} core-hours and {n_later} runs in the second wave"
    yield "not counted: relaxation, audit, other stages; a run that was cut off counts whole"


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line.

    Returns
    -------
    int
        The exit code: 0, or 2 where the configuration is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="python -m ionscout.dynamics.forecast",
        description="Core-hours of a campaign's dynamics, before anything runs.",
    )
    parser.add_argument("config", type=Path, nargs="?", default=Path("config/config.yaml"))
    asked = parser.parse_args(arguments)
    try:
        campaign = load_campaign(yaml.safe_load(asked.config.read_text()))
        results_dir = Path("results") / campaign.campaign
        if (results_dir / "screening" / "shortlist.csv").exists():
            ladders = ladders_of_shortlist(campaign, results_dir)
            print(f"dynamics of {campaign.campaign}, by its shortlist:")
        else:
            ladders = largest_ladders(campaign)
            print(
                f"dynamics of {campaign.campaign}: there is no shortlist yet, so that this is an"
                f" upper bound, all cells of dynamics.max_atoms = {campaign.dynamics.max_atoms}:"
            )
        speeds = Speeds(Path("results") / "store", campaign.dynamics)
        for line in describe_costs(estimate_costs(ladders, speeds, campaign.dynamics)):
            print(line)
    except (IonscoutError, OSError, yaml.YAMLError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _left_ps(path: Path, engine: str, dynamics: DynamicsSettings) -> float:
    """Return the production that a run has still to do, in ps; all of it with another engine."""
    try:
        run = json.loads(path.read_text())
    except (OSError, ValueError):
        return dynamics.production_ps
    if run["engine"] != engine:
        return dynamics.production_ps
    ended = run["status"] != "finished" or run.get("stopped_by") == "settled"
    return 0.0 if ended else max(0.0, dynamics.production_ps - run["production_ps"])


def _shards(results_dir: Path) -> dict[str, Path]:
    """Return the shard of each curated material."""
    manifest = pd.read_csv(results_dir / "structures" / "manifest.csv")
    folder = results_dir / "structures" / "shards"
    names = manifest["material_id"].astype(str)
    return {
        name: folder / f"{n}.jsonl.gz" for name, n in zip(names, manifest["shard"], strict=True)
    }


def _find_cell(
    row: dict[str, str], cell_path: Path, shards: dict[str, Path], dynamics: DynamicsSettings
) -> Structure | None:
    """Return the cell that a material runs in: prepared, else made from its crystal."""
    try:
        cell = json.loads(cell_path.read_text())
        if cell["status"] == "ready":
            return Structure.from_dict(cell["structure"])
    except (OSError, ValueError):
        pass
    try:
        crystal = find_primitive(read_structures([shards[row["material_id"]]])[row["material_id"]])
        matrix = supercell_matrix(crystal, dynamics.min_image_distance_ang, dynamics.max_atoms)
        return crystal.make_supercell(matrix)
    except (DynamicsError, OSError, KeyError):
        return None


if __name__ == "__main__":
    sys.exit(main())
