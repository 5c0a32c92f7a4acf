"""Other potentials with ASE calculators: MACE, SevenNet, MatterSim, Orb, or one of your own.

Their packages fetch the weights when they first run; nothing of that is done here.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator

from ionscout.config import PotentialSettings
from ionscout.dynamics.engines.gpaw_ranks import describe_error
from ionscout.errors import DynamicsError


@dataclass(frozen=True)
class Potential:
    """A potential's package.

    Attributes
    ----------
    module : str
        What its package is imported as.
    package : str
        What pip installs.
    model : str
        Its model where the config names none.
    weights : str
        Where the weights come from and what a local file is named by.
    load : callable
        Keyword arguments to a calculator; model, and device and dtype where set.
    """

    module: str
    package: str
    model: str
    weights: str
    load: Callable[..., Calculator]


def _load_mace(*, dtype: str = "float32", **arguments: Any) -> Calculator:
    from mace.calculators import mace_mp

    return mace_mp(default_dtype=dtype, **arguments)


def _load_sevennet(**arguments: Any) -> Calculator:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(**arguments)


def _load_mattersim(*, model: str, **arguments: Any) -> Calculator:
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=model, **arguments)


def _load_orb(
    *,
    model: str,
    device: str | None = None,
    dtype: str = "float32",
    weights_path: str | None = None,
    **arguments: Any,
) -> Calculator:
    """Load Orb; since release 0.6 its loader gives an adapter besides the network."""
    from orb_models.forcefield import pretrained

    given = {"device": device, "weights_path": weights_path}
    network = pretrained.ORB_PRETRAINED_MODELS[model](
        precision="float64" if dtype == "float64" else "float32-highest",
        compile=False,
        **{name: value for name, value in given.items() if value is not None},
    )
    if not isinstance(network, tuple):
        from orb_models.forcefield.calculator import ORBCalculator

        return ORBCalculator(network, device=device, **arguments)
    from orb_models.forcefield.inference.calculator import ORBCalculator

    network, adapter = network
    return ORBCalculator(network, adapter, device=device, **arguments)


POTENTIALS = {
    "mace": Potential(
        module="mace",
        package="mace-torch",
        model="medium-mpa-0",
        weights="a .model file of github.com/ACEsuit/mace-foundations; name it in"
        " dynamics.potential.model",
        load=_load_mace,
    ),
    "sevennet": Potential(
        module="sevenn",
        package="sevenn",
        model="7net-0",
        weights="a checkpoint_*.pth file of github.com/MDIL-SNU/SevenNet; name it in"
        " dynamics.potential.model",
        load=_load_sevennet,
    ),
    "mattersim": Potential(
        module="mattersim",
        package="mattersim",
        model="MatterSim-v1.0.0-1M.pth",
        weights="a MatterSim-*.pth file of github.com/microsoft/mattersim; name it in"
        " dynamics.potential.model",
        load=_load_mattersim,
    ),
    "orb": Potential(
        module="orb_models",
        package="orb-models",
        model="orb-v3-conservative-inf-omat",
        weights="the .ckpt file of that model, see github.com/orbital-materials/orb-models; name"
        " it in dynamics.potential.arguments.weights_path",
        load=_load_orb,
    ),
}
WITH_DTYPE = ("mace", "orb")


def is_potential(engine: str) -> bool:
    """Say whether an engine is one of these, or a dotted path."""
    return engine in POTENTIALS or ":" in engine


def module_of(engine: str) -> str:
    """Return the package that a potential is imported from."""
    known = POTENTIALS.get(engine)
    return known.module if known else engine.partition(":")[0].split(".")[0]


def is_installed(engine: str) -> bool:
    """Say whether a potential's package is there, without importing it."""
    return importlib.util.find_spec(module_of(engine)) is not None


def how_to_install(engine: str) -> str:
    """Return what a person does to get a potential's package."""
    known = POTENTIALS.get(engine)
    if known:
        return f"pip install {known.package}"
    return f"put the package {module_of(engine)!r} where Python finds it"


def make_potential(engine: str, settings: PotentialSettings) -> Calculator:
    """Make a potential's calculator.

    Parameters
    ----------
    engine : str
        mace, sevennet, mattersim, orb, or `package.module:factory`: a function or class
        that returns an ASE calculator with energy and forces.
    settings : PotentialSettings
        model, device and dtype are passed on where they are set, besides the arguments.

    Returns
    -------
    Calculator

    Raises
    ------
    DynamicsError
        The package does not load, its weights are missing, or it refuses an argument.
    """
    known = POTENTIALS.get(engine)
    given = settings.model_dump(include={"model", "device", "dtype"}, exclude_none=True)
    if known:
        given.setdefault("model", known.model)
        if "dtype" in given and engine not in WITH_DTYPE:
            raise DynamicsError(f"dynamics.potential.dtype: {engine} knows none; leave it empty")
    clash = sorted(given.keys() & settings.arguments.keys())
    if clash:
        raise DynamicsError(
            f"dynamics.potential.arguments: {', '.join(clash)} stands outside already, as"
            f" dynamics.potential.{clash[0]}"
        )
    load = known.load if known else _find_factory(engine)
    try:
        calculator = load(**given, **settings.arguments)
    except Exception as error:  # whatever a stranger's package raises
        raise DynamicsError(_say_why(engine, given.get("model"), error)) from error
    missing = {"energy", "forces"} - set(getattr(calculator, "implemented_properties", ()))
    if missing:
        raise DynamicsError(f"{engine} gave no ASE calculator with {' and '.join(sorted(missing))}")
    return calculator


def describe_version(engine: str, settings: PotentialSettings) -> str:
    """Return a potential's package, version, model and, of files, the content's hash.

    Parameters
    ----------
    engine : str
    settings : PotentialSettings

    Returns
    -------
    str
    """
    known = POTENTIALS.get(engine)
    model = settings.model or (known.model if known else None)
    named = [model, *settings.arguments.values()]
    files = [Path(name) for name in named if isinstance(name, str) and Path(name).is_file()]
    parts = [engine if known is None else "", _version_of(module_of(engine)), model or ""]
    parts += [f"{file.name} sha256 {_hash(file)}" for file in files]
    return ", ".join(part for part in parts if part)


def _find_factory(engine: str) -> Callable[..., Calculator]:
    module, _, name = engine.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever a stranger's module raises
        raise DynamicsError(f"engine {engine!r} does not load: {describe_error(error)}") from error


def _say_why(engine: str, model: str | None, error: Exception) -> str:
    """Say why a calculator was not made, and where weights come from."""
    told = f"{engine}: {describe_error(error)}"
    known = POTENTIALS.get(engine)
    if known is None:
        return told
    if isinstance(error, ImportError):
        return f"{told}; pip install --upgrade {known.package}"
    return f"{told}; where the weights of {model!r} are what is missing, take {known.weights}"


def _version_of(module: str) -> str:
    """Return a package's name and version; pip may know it by another name than Python."""
    known = [potential.package for potential in POTENTIALS.values() if potential.module == module]
    for name in known or [module]:
        with contextlib.suppress(PackageNotFoundError):
            return f"{name} {version(name)}"
    for name in packages_distributions().get(module, []):
        return f"{name} {version(name)}"
    return f"{module} without a version"


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
