"""Electrochemical windows: the potentials at which a composition keeps its lithium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition

from ionscout.errors import ScreeningError
from ionscout.screening.equilibrium import System
from ionscout.screening.levels import LITHIUM

STEP = 1e-6
PLATEAU_V = 1e-4
TOLERANCE_V = 1e-6


@dataclass(frozen=True)
class Window:
    """The window of a composition, in V against lithium metal.

    Attributes
    ----------
    reduction_v, oxidation_v : float
        Below the one lithium is taken up, above the other it is given off. Without
        lithium there is no oxidation limit: NaN.
    reduction_products, oxidation_products : str
        Phases beyond the limits, for one formula unit; empty where there is no limit above
        0 V.
    lithium_taken_up, lithium_given_off : float
        Lithium atoms that a formula unit takes up and gives off there.
    """

    reduction_v: float
    oxidation_v: float
    reduction_products: str
    oxidation_products: str
    lithium_taken_up: float
    lithium_given_off: float


def electrochemical_window(system: System, composition: Composition) -> Window:
    """Find the potentials at which a composition's equilibrium keeps its lithium.

    The energy of the phase equilibrium is a convex function of the lithium content; its
    slopes to both sides of the composition are the lithium potentials that limit the
    window, V = -(mu_Li - mu_Li of the metal), as in Zhu, He and Mo 2015
    (doi:10.1021/acsami.5b07517). For a metastable material it is the window of the phases
    into which it decomposes, as there; where these are as many as the elements, the
    lithium potential is fixed and the window has no width.

    Parameters
    ----------
    system : System
        The phases.
    composition : Composition
        Any amounts; products are counted for the reduced formula.

    Returns
    -------
    Window

    Raises
    ------
    ScreeningError
        When the limits are reversed or below 0 V: then the phases are at fault.
    """
    formula = composition.reduced_composition
    fractions, row = system.fractions_of(formula), system.lithium_row
    step = STEP * np.eye(len(fractions))[row]
    metal_ev = system.lithium_metal_ev_atom
    reduction_v = metal_ev - system.equilibrium(fractions + step).potentials_ev[row]
    oxidation_v = np.nan
    if fractions[row] > STEP:
        oxidation_v = metal_ev - system.equilibrium(fractions - step).potentials_ev[row]
    check_window(formula.reduced_formula, reduction_v, oxidation_v)
    reduction_v, oxidation_v = max(float(reduction_v), 0.0), float(np.maximum(oxidation_v, 0.0))
    taken_up, reduced = 0.0, ""
    if reduction_v > TOLERANCE_V:
        taken_up, reduced = _beyond(system, formula, max(reduction_v - PLATEAU_V, 0.0))
    given_off, oxidised = 0.0, ""
    if np.isfinite(oxidation_v):
        change, oxidised = _beyond(system, formula, oxidation_v + PLATEAU_V)
        given_off = -change
    return Window(reduction_v, oxidation_v, reduced, oxidised, taken_up, given_off)


def check_window(name: str, reduction_v: float, oxidation_v: float) -> None:
    """Refuse a window that no equilibrium can have.

    Parameters
    ----------
    name : str
        Of the material, for the message.
    reduction_v, oxidation_v : float
        Limits in V against lithium; NaN is no limit.

    Raises
    ------
    ScreeningError
    """
    window = f"{name}: its window of {reduction_v:.3f} to {oxidation_v:.3f} V"
    if reduction_v > oxidation_v + TOLERANCE_V:
        raise ScreeningError(f"{window} is reversed; the energies of its level do not fit together")
    if min(reduction_v, np.nan_to_num(oxidation_v)) < -TOLERANCE_V:
        raise ScreeningError(
            f"{window} is below 0 V; lithium metal is not the lowest lithium of its level"
        )


def _beyond(system: System, formula: Composition, voltage_v: float) -> tuple[float, str]:
    """Return the lithium taken up by a formula unit at a potential, and its products."""
    potential_ev = system.lithium_metal_ev_atom - voltage_v
    found = system.open_equilibrium(system.fractions_of(formula), potential_ev)
    lithium = system.fractions[system.lithium_row] @ found.amounts * formula.num_atoms
    return float(lithium - formula[LITHIUM]), system.describe(found.amounts, formula.num_atoms)
