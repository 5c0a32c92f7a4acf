"""Reactions of a material with lithium metal, with cathodes and with water."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.core import Composition

from ionscout.errors import ScreeningError
from ionscout.screening.equilibrium import AMOUNT_TOLERANCE, System, minimise_energy

NO_REACTION_EV_ATOM = 1e-6
MOST_PARTNER_ATOMS = 100.0


@dataclass(frozen=True)
class Reactant:
    """What reacts.

    Attributes
    ----------
    composition : Composition
        Reduced.
    energy_ev_atom : float
        Of the level of the phases with which it is put together.
    """

    composition: Composition
    energy_ev_atom: float


@dataclass(frozen=True)
class Reaction:
    """A reaction at its worst.

    Attributes
    ----------
    energy_ev_atom : float
        Energy set free, at least 0, in eV; the function says per which atoms.
    mixing_fraction : float
        Share of the material among the atoms of the mixture; NaN without a reaction.
    products : str
        With amounts in formula units, for one formula unit of the material (of its partner
        where the worst mixture holds no material); empty without a reaction.
    formulas : frozenset of str
        Reduced formulas of the products.
    """

    energy_ev_atom: float
    mixing_fraction: float
    products: str
    formulas: frozenset[str]


NO_REACTION = Reaction(0.0, float("nan"), "", frozenset())


def react_with_lithium(system: System, material: Reactant, voltage_v: float = 0.0) -> Reaction:
    """Let a material take up, or give off, lithium until it is in equilibrium.

    At 0 V this is the reaction with lithium metal in excess. The energy is that of
    Zhu, He and Mo 2015 (doi:10.1021/acsami.5b07517, equation 4), but per atom of the
    reacting mixture; they count the atoms of the material alone.

    Parameters
    ----------
    system : System
        The phases.
    material : Reactant
    voltage_v : float
        Potential in V against lithium metal.

    Returns
    -------
    Reaction
        Energy per atom of the mixture: the material and the lithium that it takes up.
    """
    fractions, row = system.fractions_of(material.composition), system.lithium_row
    potential_ev = system.lithium_metal_ev_atom - voltage_v
    if set(map(str, material.composition)) == {system.elements[row]}:
        return NO_REACTION
    found = system.open_equilibrium(fractions, potential_ev)
    free_ev = material.energy_ev_atom - potential_ev * fractions[row] - found.energy_ev
    taken_up = max(system.fractions[row] @ found.amounts - fractions[row], 0.0)
    energy_ev_atom = free_ev / (1 + taken_up)
    if energy_ev_atom < NO_REACTION_EV_ATOM:
        return NO_REACTION
    return Reaction(
        float(energy_ev_atom),
        float(1 / (1 + taken_up)),
        system.describe(found.amounts, material.composition.num_atoms),
        _formulas(system, found.amounts),
    )


def react_with_partner(
    system: System, material: Reactant, partner: Reactant, voltage_v: float | None = None
) -> Reaction:
    """Mix a material with a partner in the ratio that sets free most energy.

    The mixing ratio is one more variable of the linear programme. It gives the minimum of
    pymatgen's `InterfacialReactivity` (Richards et al. 2016,
    doi:10.1021/acs.chemmater.5b04082), open to lithium that of
    `GrandPotentialInterfacialReactivity` with the no-mixing energies included.

    Parameters
    ----------
    system : System
        The phases of all elements of both.
    material, partner : Reactant
    voltage_v : float, optional
        Potential, in V against lithium metal, of a reservoir of lithium; none by default.

    Returns
    -------
    Reaction
        Energy per atom of the mixture; open to lithium, per atom other than lithium.

    Raises
    ------
    ScreeningError
        When one of the two is lithium metal, of which a reservoir leaves nothing to react.
    """
    one, other = system.fractions_of(material.composition), system.fractions_of(partner.composition)
    energies_ev, columns = system.energies_ev_atom, system.fractions
    one_ev, other_ev = material.energy_ev_atom, partner.energy_ev_atom
    counted_one = counted_other = 1.0
    if voltage_v is not None:
        row, potential_ev = system.lithium_row, system.lithium_metal_ev_atom - voltage_v
        energies_ev, columns = system.open_columns(potential_ev)
        one_ev, other_ev = one_ev - potential_ev * one[row], other_ev - potential_ev * other[row]
        counted_one, counted_other = 1 - one[row], 1 - other[row]
        if not (counted_one and counted_other):
            raise ScreeningError("lithium metal has no reaction open to lithium, being all lithium")
        one, other = np.delete(one, row) / counted_one, np.delete(other, row) / counted_other
        one_ev, other_ev = one_ev / counted_one, other_ev / counted_other
    found = minimise_energy(
        np.append(energies_ev, other_ev - one_ev),
        np.column_stack([columns, other - one]),
        other,
        most_of_last=1.0,
    )
    energy_ev_atom, share, amounts = (
        other_ev - found.energy_ev,
        found.amounts[-1],
        found.amounts[:-1],
    )
    if energy_ev_atom < NO_REACTION_EV_ATOM:
        return NO_REACTION
    if share > AMOUNT_TOLERANCE:
        per = material.composition.num_atoms * counted_one / share
    else:
        per = partner.composition.num_atoms * counted_other
    atoms_one, atoms_other = share / counted_one, (1 - share) / counted_other
    return Reaction(
        float(energy_ev_atom),
        float(atoms_one / (atoms_one + atoms_other)),
        system.describe(amounts, per),
        _formulas(system, amounts),
    )


def charged(system: System, partner: Reactant, voltage_v: float) -> Reactant:
    """Return a cathode with the energy that leaves charging itself out of a reaction.

    Open to lithium at the potential of a charged cathode, the cathode gives off lithium
    with or without the electrolyte. Its energy is set to that of its own equilibrium, so
    that a reaction at this potential counts what the electrolyte does alone (it may be
    oxidised) and what the two do together.

    Parameters
    ----------
    system : System
        Phases of the cathode's elements.
    partner : Reactant
    voltage_v : float
        Potential in V against lithium metal.

    Returns
    -------
    Reactant
    """
    fractions = system.fractions_of(partner.composition)
    potential_ev = system.lithium_metal_ev_atom - voltage_v
    grand_ev = system.open_equilibrium(fractions, potential_ev).energy_ev
    return Reactant(partner.composition, grand_ev + potential_ev * fractions[system.lithium_row])


def products_in_excess(
    system: System, composition: Composition, partner: Composition
) -> frozenset[str]:
    """Say what a material becomes where there is more of its partner than it takes up.

    Parameters
    ----------
    system : System
        The phases of all elements of both.
    composition, partner : Composition
        The material and its partner, such as water.

    Returns
    -------
    frozenset of str
        Reduced formulas of the phases beside the partner.
    """
    is_other = np.array([formula != partner.reduced_formula for formula in system.formulas])
    taken_up = system.fractions_of(partner)
    energies_ev, columns = system.energies_ev_atom[is_other], system.fractions[:, is_other]
    found = minimise_energy(
        np.append(energies_ev, -system.equilibrium(taken_up).energy_ev),
        np.column_stack([columns, -taken_up]),
        system.fractions_of(composition),
        most_of_last=MOST_PARTNER_ATOMS,
    )
    amounts = np.zeros(len(is_other))
    amounts[is_other] = found.amounts[:-1]
    return _formulas(system, amounts)


def _formulas(system: System, amounts: np.ndarray) -> frozenset[str]:
    return frozenset(
        formula
        for formula, amount in zip(system.formulas, amounts, strict=True)
        if amount > AMOUNT_TOLERANCE
    )
