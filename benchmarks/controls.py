"""Controls: insulators and conductors through all of the dynamics and transport, in one table.

    make run CONFIG=benchmarks/controls.yaml ARGS="--until curate_structures"
    python benchmarks/controls.py results/controls [--ps 20] [--only bundled-lif] [--store FOLDER]

CHGNet at three temperatures each, 2 ps of equilibration first. The runs go into a store
and go on where they were stopped: some hours on one core, so start one a core, with `--only`.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from pymatgen.core import Structure

from ionscout.config import DynamicsSettings, TransportSettings
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.structures.records import read_structures
from ionscout.transport.analysis import analyse_material, conclude_runs

CONTROLS = {
    "bundled-licl": (600, 700, 800),
    "bundled-lif": (600, 700, 800),
    "bundled-li2o": (800, 900, 1000),
    "bundled-li3n": (700, 850, 1000),
    "bundled-li10gep2s12": (600, 800, 1000),
    "bundled-li6ps5cl": (600, 800, 1000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", type=Path, help="folder of a campaign that curated them")
    parser.add_argument("--store", type=Path, default=Path("results/store"))
    parser.add_argument("--ps", type=float, default=20.0, help="length of each run")
    parser.add_argument("--apart-ang", type=float, default=8.0, help="least distance of images")
    parser.add_argument("--only", nargs="*", default=list(CONTROLS), help="some of the materials")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    settings = DynamicsSettings(
        engine="chgnet",
        equilibration_ps=2.0,
        production_ps=options.ps,
        stop_when_settled=False,
        segment_ps=1.0,
        min_image_distance_ang=options.apart_ang,
    )
    shards = sorted((options.campaign / "structures" / "shards").glob("*.jsonl.gz"))
    structures = read_structures(shards)
    for name in options.only:
        print_control(structures[name], name, settings, options.store)


def print_control(
    structure: Structure, name: str, settings: DynamicsSettings, store_dir: Path
) -> None:
    """Run one material and print a line a temperature, and one for 300 K."""
    cell = prepare_cell(structure, material_id=name, engine="chgnet", settings=settings)
    runs = [
        run_dynamics(
            cell,
            temperature_k=kelvin,
            seed=2026,
            settings=settings,
            store_dir=store_dir,
            progress=lambda line: print(line, flush=True),
        )
        for kelvin in CONTROLS[name]
    ]
    rows, *_ = analyse_material(cell, runs, store_dir=store_dir, settings=TransportSettings())
    for row, run in zip(rows.itertuples(), runs, strict=True):
        print(
            f"{name} {cell['n_atoms']} atoms {row.temperature_k:.0f} K: {row.verdict}"
            f" D {row.diffusivity_cm2_s:.2g} ({row.diffusivity_low_cm2_s:.2g} to"
            f" {row.diffusivity_high_cm2_s:.2g}), {run['seconds_per_step']:.3f} s a step,"
            f" drift {run['energy_drift_mev_atom_ps']:+.2f} meV/atom/ps; {row.reason}",
            flush=True,
        )
    conclusion = conclude_runs(rows, TransportSettings())[0].iloc[0]
    print(
        f"{name}: {conclusion['verdict']}, {conclusion['sigma_300k_s_cm']:.2g} S/cm at 300 K;"
        f" {conclusion['reason']}",
        flush=True,
    )


if __name__ == "__main__":
    main()
