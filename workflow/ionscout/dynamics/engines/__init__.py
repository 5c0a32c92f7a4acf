"""What computes the forces: ASE calculators behind one name each."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings
from ionscout.errors import DynamicsError

CHGNET = "chgnet"
GPAW = "gpaw"
LENNARD_JONES = "lennard-jones"
PLUMBING = "lennard-jones is plumbing only, its numbers mean nothing"

FAULTS = (ArithmeticError, MemoryError, OSError, RuntimeError, np.linalg.LinAlgError)

CHGNET_HEAVIEST = 94
CHGNET_MISSING = frozenset({"Po", "At", "Rn", "Fr", "Ra"})


def to_atoms(structure: Structure) -> Atoms:
    """Return a pymatgen structure as ASE atoms, oxidation states left out."""
    return Atoms(
        [site.specie.symbol for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def make_calculator(
    engine: str,
    structure: Structure | Atoms,
    settings: DynamicsSettings,
    *,
    log_path: Path | None = None,
) -> Calculator:
    """Make an engine's calculator.

    Parameters
    ----------
    engine : str
        chgnet, gpaw or lennard-jones.
    structure : Structure or Atoms
        The crystal; the Lennard-Jones potential takes its distances from it.
    settings : DynamicsSettings
    log_path : Path, optional
        Where the engine writes its own log, if it has one.

    Returns
    -------
    Calculator
        Energy, forces and stress in ASE's units.

    Raises
    ------
    DynamicsError
        The engine is unknown, not installed or cannot run as configured.
    """
    _check_installed(engine)
    atoms = structure if isinstance(structure, Atoms) else to_atoms(structure)
    if engine == CHGNET:
        from ionscout.dynamics.engines.chgnet import TrimmedChgnet

        return TrimmedChgnet(threads=settings.chgnet.threads)
    if engine == GPAW:
        from ionscout.dynamics.engines.gpaw import make_gpaw

        return make_gpaw(atoms.symbols, settings.gpaw, log_path=log_path)
    from ionscout.dynamics.engines.lennard_jones import LennardJones

    return LennardJones(atoms)


def engine_version(engine: str) -> str:
    """Return the versions that decide an engine's numbers.

    Raises
    ------
    DynamicsError
        The engine is unknown or not installed.
    """
    _check_installed(engine)
    name = engine.replace("-", "_")
    return importlib.import_module(f"ionscout.dynamics.engines.{name}").describe_version()


def resolve_engine(
    requested: str, n_atoms: int, elements: Iterable[str], settings: DynamicsSettings
) -> tuple[str, str]:
    """Choose the engine of one material.

    Parameters
    ----------
    requested : str
        An engine's name, or auto.
    n_atoms : int
        Atoms in the cell that will run.
    elements : iterable of str
        Symbols of the material's elements.
    settings : DynamicsSettings

    Returns
    -------
    engine : str
    reason : str
        Why this one, in one line.

    Raises
    ------
    DynamicsError
        The engine asked for is not installed or does not know an element.
    """
    unknown = sorted(symbol for symbol in elements if not _is_in_chgnet(symbol))
    if requested != "auto":
        _check_installed(requested)
        if requested == CHGNET and unknown:
            raise DynamicsError(f"chgnet does not know {', '.join(unknown)}; take another engine")
        return requested, PLUMBING if requested == LENNARD_JONES else "asked for in the config"
    if n_atoms <= settings.gpaw_max_atoms and is_installed(GPAW):
        return GPAW, f"{n_atoms} atoms fit gpaw_max_atoms = {settings.gpaw_max_atoms}"
    if not is_installed(CHGNET):
        return LENNARD_JONES, f"chgnet is not installed; {PLUMBING}"
    if unknown:
        return LENNARD_JONES, f"chgnet does not know {', '.join(unknown)}; {PLUMBING}"
    return CHGNET, "the fastest installed potential that knows all elements"


def is_installed(engine: str) -> bool:
    """Say whether an engine's package is there, without importing it."""
    return engine == LENNARD_JONES or importlib.util.find_spec(engine) is not None


def _is_in_chgnet(symbol: str) -> bool:
    return symbol not in CHGNET_MISSING and atomic_numbers[symbol] <= CHGNET_HEAVIEST


def _check_installed(engine: str) -> None:
    if engine not in (CHGNET, GPAW, LENNARD_JONES):
        raise DynamicsError(f"engine {engine!r} is unknown; take chgnet, gpaw or lennard-jones")
    if not is_installed(engine):
        raise DynamicsError(f"engine {engine!r} is not installed: pip install {engine}")


@contextlib.contextmanager
def reporting_faults(engine: str) -> Iterator[None]:
    """Turn what can go wrong in an engine into one line; mistakes in our code pass through.

    Parameters
    ----------
    engine : str
        Named in the message.

    Raises
    ------
    DynamicsError
        In place of numerical, memory and file errors, and of all that GPAW raises.
    """
    try:
        yield
    except DynamicsError:
        raise
    except Exception as error:
        if not (isinstance(error, FAULTS) or _is_raised_in(GPAW, error)):
            raise
        lines = str(error).strip().splitlines() or [""]
        raise DynamicsError(f"{engine}: {type(error).__name__}: {lines[0]}") from error


def _is_raised_in(package: str, error: Exception) -> bool:
    """Say whether an error was raised by a package's own code."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = traceback.tb_frame.f_globals.get("__name__", "") if traceback else ""
    return module.split(".")[0] == package
