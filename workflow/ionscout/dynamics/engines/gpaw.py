"""Density functional theory with GPAW in plane waves."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from ionscout.config import GpawSettings
from ionscout.errors import DynamicsError

# Without spin, their forces mean nothing: V to Cu, and the lanthanides between La and Lu.
OPEN_SHELL = {chemical_symbols[z] for z in (*range(23, 30), *range(58, 71))}


def describe_version() -> str:
    """Return the versions of GPAW and of its atomic data sets."""
    return f"gpaw {version('gpaw')}, gpaw-data {version('gpaw-data')}"


def choose_parameters(settings: GpawSettings) -> dict[str, Any]:
    """Return GPAW's own parameters, as plain data.

    The default convergence keeps the energy of a run without thermostat: LiCl,
    8 atoms, 800 K drifts by 0.02 meV/atom/ps. Tolerances of 1e-3 eV, 1e-3 and
    1e-4 eV^2 let it drift by 40.

    Parameters
    ----------
    settings : GpawSettings

    Returns
    -------
    dict
        Keyword arguments of `gpaw.GPAW`, but for the log file.
    """
    kpts = (
        {"density": settings.kpoint_density_ang}
        if settings.kpoint_density_ang > 0
        else {"size": (1, 1, 1)}
    )
    return {
        "mode": {"name": "pw", "ecut": settings.cutoff_ev},
        "xc": settings.functional,
        "kpts": kpts,
        "occupations": {"name": "fermi-dirac", "width": settings.smearing_ev},
        "convergence": {
            "energy": settings.energy_tolerance_ev,
            "density": settings.density_tolerance,
            "eigenstates": settings.eigenstates_tolerance,
        },
        "symmetry": {"point_group": False},
    }


def make_gpaw(
    symbols: Iterable[str], settings: GpawSettings, *, log_path: Path | None = None
) -> Calculator:
    """Make the ASE calculator; it starts each step from the last one's wavefunctions.

    Parameters
    ----------
    symbols : iterable of str
        The elements of the crystal.
    settings : GpawSettings
    log_path : Path, optional
        Where GPAW writes its own log; nowhere where left out.

    Returns
    -------
    Calculator

    Raises
    ------
    DynamicsError
        More than one MPI rank is asked for, or an element may be magnetic.
    """
    magnetic = sorted(OPEN_SHELL & set(symbols))
    if magnetic:
        raise DynamicsError(
            f"{', '.join(magnetic)} may have unpaired d or f electrons, and GPAW runs without spin"
            " here; take another engine for this material"
        )
    if settings.ranks > 1:
        raise DynamicsError(
            f"dynamics.gpaw.ranks: {settings.ranks} ranks need a GPAW built with MPI and "
            "started by mpiexec, which is not supported yet; set it to 1"
        )
    from gpaw import GPAW

    return GPAW(**choose_parameters(settings), txt=str(log_path) if log_path else None)
