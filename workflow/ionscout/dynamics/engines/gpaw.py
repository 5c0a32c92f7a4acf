"""Density functional theory with GPAW, in plane waves or atomic orbitals."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ionscout.config import GpawSettings
from ionscout.dynamics.engines.gpaw_process import GpawProcess
from ionscout.dynamics.engines.gpaw_ranks import Solver, describe_error
from ionscout.errors import CANNOT_WRITE, DynamicsError

PLANE_WAVES = "pw"

# The cutoff in eV at which forces of crystals displaced by 0.12 A lie within 0.03 eV/A (where
# the largest are 1 to 5) of those at 800 eV; each element checked in one or more binary crystals.
CUTOFFS_EV = {
    300: "H Li Be Na Mg Al Si P S Cl K Sc Zn Ga Ge As Se Br Rb Sr Y Ag Cd In Sn Sb I Cs Ba La Lu"
    " Tl Pb Bi",
    350: "B Nb Hf Ta W",
    400: "C F Ti Mo",
    450: "N O Ca",
    500: "Zr",
}
UNCHECKED_EV = 500

# High-spin moments, in Bohr magnetons, of the usual ions: V3+, Cr3+, Mn2+, Fe3+, Co2+, Ni2+, Cu2+
# and the trivalent lanthanides but for Eu, which starts as the half-filled Eu2+.
START_MOMENTS_BOHR = {
    "V": 2, "Cr": 3, "Mn": 5, "Fe": 5, "Co": 3, "Ni": 2, "Cu": 1,
    "Ce": 1, "Pr": 2, "Nd": 3, "Pm": 4, "Sm": 5, "Eu": 7, "Gd": 7, "Tb": 6, "Dy": 5, "Ho": 4,
    "Er": 3, "Tm": 2, "Yb": 1,
}  # fmt: skip

LAUNCHER_VARIABLES = ("PMIX_RANK", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "I_MPI_MPIRUN")
VERSIONS = (
    "import json; from importlib.metadata import version;"
    "print(json.dumps([version('gpaw'), version('gpaw-data')]))"
)


def describe_version(settings: GpawSettings) -> str:
    """Return the versions of GPAW and of its atomic data sets.

    Raises
    ------
    DynamicsError
        The interpreter of `gpaw.python` has no GPAW.
    """
    if settings.python is None:
        return f"gpaw {version('gpaw')}, gpaw-data {version('gpaw-data')}"
    command = [settings.python, "-c", VERSIONS]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise DynamicsError(
            f"dynamics.gpaw.python: {settings.python!r} has no gpaw and gpaw-data ({error})"
        ) from error
    gpaw, data = json.loads(told)
    return f"gpaw {gpaw}, gpaw-data {data}"


def choose_cutoff_ev(symbols: Iterable[str]) -> float:
    """Return the plane-wave cutoff that the hardest of some elements needs.

    Parameters
    ----------
    symbols : iterable of str

    Returns
    -------
    float
        In eV; see `CUTOFFS_EV`. 500 where an element is unchecked, and without elements.
    """
    known = {symbol: cutoff for cutoff, row in CUTOFFS_EV.items() for symbol in row.split()}
    return float(max((known.get(s, UNCHECKED_EV) for s in symbols), default=UNCHECKED_EV))


def choose_start_moments_bohr(symbols: Iterable[str], settings: GpawSettings) -> np.ndarray:
    """Return the magnetic moments that a calculation starts from, shape (n_atoms,).

    Hund's high spin for open d and f shells, all parallel; zero where spin is off.
    The self-consistency changes them, but seldom their order: an antiferromagnet runs
    as a ferromagnet.
    """
    moments = np.array([START_MOMENTS_BOHR.get(symbol, 0) for symbol in symbols], dtype=float)
    return moments * 0 if settings.spin is False else moments


def choose_parameters(
    settings: GpawSettings, symbols: Iterable[str] = (), *, charge_e: float = 0.0
) -> dict[str, Any]:
    """Return GPAW's own parameters, as plain data.

    At the default convergence the conserved energy of LiCl (8 atoms, 640 K, Gamma
    point) drifts by less than 1 meV/atom in a picosecond. Tolerances of 1e-3 eV, 1e-3
    and 1e-4 eV^2 let it drift by 40.

    Parameters
    ----------
    settings : GpawSettings
    symbols : iterable of str
        The atoms' elements, which decide cutoff and spin where the settings leave them open.
    charge_e : float
        Charge of the cell, balanced by a uniform background: -1 for a crystal that
        lacks one Li+.

    Returns
    -------
    dict
        Keyword arguments of `gpaw.GPAW`, but for the log file.
    """
    symbols = list(symbols)
    kpts = (
        {"density": settings.kpoint_density_ang}
        if settings.kpoint_density_ang > 0
        else {"size": (1, 1, 1)}
    )
    spin = settings.spin
    if spin is None:
        spin = bool(choose_start_moments_bohr(symbols, settings).any())
    cutoff_ev = settings.cutoff_ev or choose_cutoff_ev(symbols)
    basis = (
        {"mode": {"name": PLANE_WAVES, "ecut": cutoff_ev}}
        if settings.mode == PLANE_WAVES
        else {"mode": {"name": "lcao"}, "basis": settings.basis, "h": settings.grid_spacing_ang}
    )
    return {
        **basis,
        "xc": settings.functional,
        "kpts": kpts,
        "spinpol": spin,
        "charge": charge_e,
        "occupations": {"name": "fermi-dirac", "width": settings.smearing_ev},
        "convergence": {
            "energy": settings.energy_tolerance_ev,
            "density": settings.density_tolerance,
            "eigenstates": settings.eigenstates_tolerance,
        },
        "symmetry": {"point_group": False},
    }


def estimate_seconds_per_step(n_atoms: int, n_ranks: int = 1) -> float:
    """Return a rough time of a step in s, true within a factor of three.

    A power law through what was measured in plane waves at the Gamma point, 2 fs a step:
    0.65 s for 8 atoms of LiCl, 1.6 s for 16 of Li3N and 18 s on two ranks for 96 of Li2S;
    two ranks are 1.5 times as fast as one.
    """
    return 0.65 * (n_atoms / 8) ** 1.5 / n_ranks**0.6


class Gpaw(Calculator):
    """ASE calculator of GPAW, here or in processes of its own.

    Parameters
    ----------
    solver : Solver or GpawProcess
    start_moments_bohr : ndarray, shape (n_atoms,)
    with_stress : bool
        Can this mode compute the stress?
    """

    def __init__(
        self, solver: Solver | GpawProcess, start_moments_bohr: np.ndarray, *, with_stress: bool
    ):
        super().__init__()
        self.implemented_properties = ["energy", "free_energy", "forces", "magmoms"]
        if with_stress:
            self.implemented_properties.append("stress")
        self._solver, self._start_moments_bohr = solver, start_moments_bohr

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute energy and forces; the stress where it is asked for.

        Raises
        ------
        DynamicsError
            GPAW cannot compute this cell.
        OSError
            Its log cannot be written.
        """
        super().calculate(atoms, properties, system_changes)
        question = {
            "numbers": self.atoms.numbers,
            "positions_ang": self.atoms.positions,
            "cell_ang": self.atoms.cell.array,
            "start_moments_bohr": self._start_moments_bohr,
            "with_stress": np.array("stress" in (properties or ())),
        }
        try:
            answer = self._solver.solve(question)
        except (DynamicsError, OSError) as error:
            if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
                raise
            told = str(error) if isinstance(error, DynamicsError) else describe_error(error)
            raise DynamicsError(_explain(told)) from error
        self.n_iterations = int(answer.pop("n_iterations"))
        scalars = {name: float(answer.pop(name)) for name in ("energy", "free_energy")}
        self.results = {**answer, **scalars}

    def close(self) -> None:
        """End GPAW's own processes, where there are any."""
        if isinstance(self._solver, GpawProcess):
            self._solver.close()


def make_gpaw(
    symbols: Iterable[str],
    settings: GpawSettings,
    *,
    log_path: Path | None = None,
    charge_e: float = 0.0,
) -> Gpaw:
    """Make the ASE calculator; it starts each step from the last one's wavefunctions.

    Parameters
    ----------
    symbols : iterable of str
        The elements of the atoms, in order.
    settings : GpawSettings
    log_path : Path, optional
        Where GPAW writes its own log; nowhere where left out.
    charge_e : float
        Charge of the cell.

    Returns
    -------
    Gpaw

    Raises
    ------
    DynamicsError
        Several ranks are asked for and cannot be started.
    """
    symbols = list(symbols)
    parameters = choose_parameters(settings, symbols, charge_e=charge_e)
    log = str(log_path.absolute()) if log_path else None
    if settings.ranks > 1 or settings.python is not None:
        n_ranks, python = settings.ranks, settings.python
        solver = GpawProcess(parameters, n_ranks=n_ranks, python=python, log_path=log)
    else:
        _import_for_one_process()
        solver = Solver(parameters, log)
    moments = choose_start_moments_bohr(symbols, settings)
    return Gpaw(solver, moments, with_stress=settings.mode == PLANE_WAVES)


def _import_for_one_process() -> None:
    """Import GPAW, which refuses where a queue's launcher, which sets these, started us."""
    kept = {name: os.environ.pop(name) for name in LAUNCHER_VARIABLES if name in os.environ}
    try:
        importlib.import_module("gpaw.mpi")
    finally:
        os.environ.update(kept)


def _explain(told: str) -> str:
    """Say which element lacks its data set, where that is the fault."""
    missing = re.search(r'Could not find required (.+) file "(\w+)\.(\S+?)"', told)
    if missing is None:
        return f"gpaw: {told}"
    kind, symbol, name = missing.groups()
    return (
        f"gpaw has no {kind} {name} for {symbol}: pip install gpaw-data; where that holds none,"
        " take another engine or functional, or name a folder that has it in GPAW_SETUP_PATH"
    )
