"""What computes the forces: ASE calculators behind one name each."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_masses, atomic_numbers
from pymatgen.core import Structure

from ionscout.config import ENGINES, DynamicsSettings
from ionscout.dynamics.engines import potentials
from ionscout.dynamics.engines.gpaw_ranks import describe_error
from ionscout.dynamics.plan import choose_timestep_fs
from ionscout.dynamics.records import EXTERNAL
from ionscout.errors import CANNOT_WRITE, DynamicsError, IonscoutError, StoreError

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


def to_structure(atoms: Atoms) -> Structure:
    """Return ASE atoms as a pymatgen structure."""
    return Structure(atoms.cell.array, atoms.symbols, atoms.get_scaled_positions())


@contextlib.contextmanager
def open_calculator(
    engine: str, structure: Structure | Atoms, settings: DynamicsSettings, **options: Any
) -> Iterator[Calculator]:
    """Make an engine's calculator, and end its processes afterwards.

    Parameters
    ----------
    engine, structure, settings, **options
        As of `make_calculator`.

    Yields
    ------
    Calculator
    """
    calculator = make_calculator(engine, structure, settings, **options)
    try:
        yield calculator
    finally:
        close = getattr(calculator, "close", None)
        if close is not None:
            close()


def make_calculator(
    engine: str,
    structure: Structure | Atoms,
    settings: DynamicsSettings,
    *,
    log_path: Path | None = None,
    charge_e: float = 0.0,
) -> Calculator:
    """Make an engine's calculator.

    Parameters
    ----------
    engine : str
        chgnet, gpaw, mace, sevennet, mattersim, orb, `package.module:factory` or
        lennard-jones.
    structure : Structure or Atoms
        The crystal: the Lennard-Jones potential takes its distances from it, GPAW its
        cutoff and spins.
    settings : DynamicsSettings
    log_path : Path, optional
        Where the engine writes its own log, if it has one.
    charge_e : float
        Charge of the cell, which GPAW alone knows: -1 where one Li+ is taken out.

    Returns
    -------
    Calculator
        Energy, forces and, but for GPAW's atomic orbitals and some of the user's own
        calculators, stress in ASE's units. One that has processes of its own ends them
        in `close()`.

    Raises
    ------
    DynamicsError
        The engine is unknown, not installed or cannot run as configured.
    """
    _check_installed(engine, settings)
    atoms = structure if isinstance(structure, Atoms) else to_atoms(structure)
    if engine == CHGNET:
        from ionscout.dynamics.engines.chgnet import TrimmedChgnet

        return TrimmedChgnet(threads=settings.chgnet.threads)
    if engine == GPAW:
        from ionscout.dynamics.engines.gpaw import make_gpaw

        return make_gpaw(atoms.symbols, settings.gpaw, log_path=log_path, charge_e=charge_e)
    if engine == LENNARD_JONES:
        from ionscout.dynamics.engines.lennard_jones import LennardJones

        return LennardJones(atoms)
    if engine == EXTERNAL:
        raise DynamicsError("engine 'external' computes nothing: it reads what you ran elsewhere")
    return potentials.make_potential(engine, settings.potential)


def engine_version(engine: str, settings: DynamicsSettings | None = None) -> str:
    """Return the versions that decide an engine's numbers.

    Parameters
    ----------
    engine : str
    settings : DynamicsSettings, optional
        The defaults where left out; potentials other than chgnet need them.

    Raises
    ------
    DynamicsError
        The engine is unknown or not installed.
    """
    settings = settings or DynamicsSettings()
    _check_installed(engine, settings)
    if potentials.is_potential(engine):
        return potentials.describe_version(engine, settings.potential)
    module = importlib.import_module(f"ionscout.dynamics.engines.{engine.replace('-', '_')}")
    return module.describe_version(settings.gpaw) if engine == GPAW else module.describe_version()


def engine_settings(
    engine: str, structure: Structure | Atoms, settings: DynamicsSettings, *, charge_e: float = 0.0
) -> dict[str, Any]:
    """Return the settings that decide an engine's numbers, for a run's key.

    Parameters
    ----------
    engine : str
    structure : Structure or Atoms
    settings : DynamicsSettings
    charge_e : float

    Returns
    -------
    dict
        Plain data. GPAW's ranks are left out: within its convergence they change nothing.
    """
    if engine == GPAW:
        from ionscout.dynamics.engines.gpaw import choose_parameters

        atoms = structure if isinstance(structure, Atoms) else to_atoms(structure)
        return choose_parameters(settings.gpaw, atoms.symbols, charge_e=charge_e)
    if potentials.is_potential(engine):
        return settings.potential.model_dump(exclude={"name"})
    return {}


def resolve_engine(
    requested: str, n_atoms: int, elements: Iterable[str], settings: DynamicsSettings
) -> tuple[str, str]:
    """Choose the engine of one material.

    `auto` takes GPAW where cell and run are small enough for it, else the potential that
    `potential.name` names, else CHGNet, else Lennard-Jones; what is not installed or does
    not know an element is passed over.

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
    elements = sorted(elements)
    unknown = [symbol for symbol in elements if not _is_in_chgnet(symbol)]
    if requested != "auto":
        _check_installed(requested, settings)
        if requested == CHGNET and unknown:
            raise DynamicsError(f"chgnet does not know {', '.join(unknown)}; take another engine")
        return requested, PLUMBING if requested == LENNARD_JONES else "asked for in the config"
    refused = _why_not_gpaw(n_atoms, elements, settings)
    if not refused:
        return GPAW, f"{n_atoms} atoms fit gpaw_max_atoms = {settings.gpaw_max_atoms}"
    passed = [] if settings.gpaw_max_atoms == 0 else [refused]
    named = settings.potential.name
    if named and is_installed(named, settings):
        return named, "; ".join([*passed, "named in potential.name"])
    if named:
        passed.append(f"{named} is not installed: {potentials.how_to_install(named)}")
    if not is_installed(CHGNET):
        return LENNARD_JONES, "; ".join([*passed, "chgnet is not installed", PLUMBING])
    if unknown:
        told = f"chgnet does not know {', '.join(unknown)}"
        return LENNARD_JONES, "; ".join([*passed, told, PLUMBING])
    return CHGNET, "; ".join([*passed, "the fastest installed potential that knows all elements"])


def _why_not_gpaw(n_atoms: int, elements: list[str], settings: DynamicsSettings) -> str:
    """Say why `auto` passes over GPAW; nothing where it takes it."""
    if n_atoms > settings.gpaw_max_atoms:
        return f"{n_atoms} atoms are more than gpaw_max_atoms = {settings.gpaw_max_atoms}"
    if not is_installed(GPAW, settings):
        return "gpaw is not installed"
    if settings.expansion_ps:
        return "gpaw keeps the lattice, and expansion_ps is set"
    from ionscout.dynamics.engines.gpaw import estimate_seconds_per_step

    masses_u = atomic_masses[[atomic_numbers[symbol] for symbol in elements]]
    n_steps = (settings.equilibration_ps + settings.production_ps) * 1000
    n_steps /= choose_timestep_fs(masses_u, settings)
    hours = n_steps * estimate_seconds_per_step(n_atoms, settings.gpaw.ranks) / 3600
    if hours > settings.gpaw_max_hours:
        return (
            f"gpaw would take some {hours:.2g} hours, more than gpaw_max_hours ="
            f" {settings.gpaw_max_hours:g}"
        )
    return ""


def is_installed(engine: str, settings: DynamicsSettings | None = None) -> bool:
    """Say whether an engine's package is there, without importing it.

    A GPAW of another interpreter counts as there until it is started.
    """
    if engine in (LENNARD_JONES, EXTERNAL):
        return True
    if engine == GPAW and settings is not None and settings.gpaw.python is not None:
        return True
    if potentials.is_potential(engine):
        return potentials.is_installed(engine)
    return importlib.util.find_spec(engine) is not None


def _is_in_chgnet(symbol: str) -> bool:
    return symbol not in CHGNET_MISSING and atomic_numbers[symbol] <= CHGNET_HEAVIEST


def _check_installed(engine: str, settings: DynamicsSettings) -> None:
    known = engine in ENGINES and engine != "auto"
    if not known and not potentials.is_potential(engine):
        names = ", ".join(name for name in ENGINES if name != "auto")
        raise DynamicsError(f"engine {engine!r} is unknown; take one of {names}")
    if not is_installed(engine, settings):
        how = f"pip install {engine}"
        if potentials.is_potential(engine):
            how = potentials.how_to_install(engine)
        raise DynamicsError(f"engine {engine!r} is not installed: {how}")


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
        In place of numerical, memory and file errors, and of all that is raised in GPAW or
        in a potential's package.
    StoreError
        The disk is full or may not be written, which is no fault of the material.
    """
    try:
        yield
    except IonscoutError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            raise StoreError(f"{engine}: {error}; mend that and run again") from error
        strangers = {GPAW}
        if potentials.is_potential(engine):
            strangers.add(potentials.module_of(engine))
        if not (isinstance(error, FAULTS) or _is_raised_in(strangers, error)):
            raise
        raise DynamicsError(f"{engine}: {describe_error(error)}") from error


def _is_raised_in(packages: set[str], error: Exception) -> bool:
    """Say whether an error was raised by some packages' own code, or by what they call."""
    traceback = error.__traceback__
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        if module.split(".")[0] in packages:
            return True
        traceback = traceback.tb_next
    return False
