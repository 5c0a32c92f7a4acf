"""CHGNet's energies and forces on snapshots of its own dynamics, audited with GPAW.

    python benchmarks/audit.py FOLDER [--production-ps 1.5] [--snapshots 3] [--only Li3N]

Small cells of four crystals (LiCl 16 atoms, Li2O 24, Li3N 32, Li2S 24) are relaxed and run at
800 K with CHGNet, and GPAW (PBE, plane waves to 500 eV) computes the snapshots: 55 to 215 s each
on a busy machine. The folder keeps runs and snapshots, so that a second call goes on from there.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import crystals

from ionscout.config import DynamicsSettings
from ionscout.dynamics.audit import audit_forces
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.run import run_dynamics
from ionscout.dynamics.snapshots import write_frames

TEMPERATURE_K = 800.0
CRYSTALS = {
    "LiCl": crystals.lithium_chloride,
    "Li2O": crystals.lithium_oxide,
    "Li3N": crystals.lithium_nitride,
    "Li2S": crystals.lithium_sulfide,
}


def audit_crystal(name: str, settings: DynamicsSettings, folder: Path) -> dict:
    """Relax, run and audit one crystal; return the content of its `audit.json`."""
    cell = prepare_cell(CRYSTALS[name](), material_id=name, engine="chgnet", settings=settings)
    run = run_dynamics(
        cell, temperature_k=TEMPERATURE_K, seed=1, settings=settings, store_dir=folder
    )
    audit, frames = audit_forces(
        cell, [run], store_dir=folder, settings=settings, progress=lambda line: print(" ", line)
    )
    write_frames(folder / f"{name}.extxyz", frames)
    return audit


def describe(audit: dict) -> str:
    """Return the row of one material."""
    if audit["status"] != "audited":
        return f"{audit['material_id']:8s} not audited: {audit['reason']}"

    def value(name: str, digits: int) -> str:
        error = audit[f"{name}_standard_error"]
        with_error = "" if error is None else f" ± {error:.{digits}f}"
        return "-" if audit[name] is None else f"{audit[name]:.{digits}f}{with_error}"

    cells = (
        f"{audit['n_atoms']}",
        f"{audit['n_snapshots']} of {audit['n_snapshots_wanted']}",
        value("force_mae_ev_ang", 3),
        value("force_cosine", 3),
        value("softening_factor", 3),
        value("lithium_softening_factor", 3),
        value("lithium_force_relative_error", 3),
        value("energy_error_mev_atom", 1),
        f"{audit['seconds'] / audit['n_snapshots']:.0f}",
        audit["verdict"],
    )
    return f"{audit['material_id']} | " + " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps the runs and the snapshots")
    parser.add_argument("--production-ps", type=float, default=1.5)
    parser.add_argument("--snapshots", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CRYSTALS, default=list(CRYSTALS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    options.folder.mkdir(parents=True, exist_ok=True)
    settings = DynamicsSettings(
        min_image_distance_ang=6.4,
        equilibration_ps=0.5,
        production_ps=options.production_ps,
        segment_ps=0.5,
        audit={"snapshots": options.snapshots},
    )
    audits = []
    for name in options.only:
        print(name, flush=True)
        audits.append(audit_crystal(name, settings, options.folder))
    print(
        "\ncrystal | atoms | snapshots | MAE eV/A | cosine | softening | softening of lithium"
        " | relative error of lithium | energy error meV/atom | s a snapshot | verdict"
    )
    for audit in audits:
        print(describe(audit))
    for audit in audits:
        print(f"{audit['material_id']}: {audit['verdict_reason']} {audit['reason']}".rstrip())


if __name__ == "__main__":
    main()
