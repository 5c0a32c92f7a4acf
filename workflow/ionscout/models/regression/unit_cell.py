"""Numbers of a unit cell and a space group, without the positions of the atoms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np
from pymatgen.core import Composition, Lattice
from pymatgen.symmetry.groups import SpaceGroup, sg_symbol_from_int_number

_SYSTEMS = (
    "triclinic", "monoclinic", "orthorhombic", "tetragonal", "trigonal", "hexagonal", "cubic",
)  # fmt: skip
_CENTRINGS = ("P", "A", "C", "I", "R", "F")
_N_SYMMETRY = 4 + len(_SYSTEMS) + len(_CENTRINGS)
AVOGADRO_PER_MOL = 6.02214076e23
CM3_PER_ANG3 = 1e-24
LATTICE_KEYS = ("a", "b", "c", "alpha", "beta", "gamma")
COLUMNS = (
    "space_group_number", "symmetry_operations", "point_operations", "is_centrosymmetric",
    *(f"is_{system}" for system in _SYSTEMS),
    *(f"has_centring_{letter}" for letter in _CENTRINGS),
    "a_ang", "b_ang", "c_ang", "alpha_deg", "beta_deg", "gamma_deg",
    "longest_over_shortest", "middle_over_shortest", "cell_volume_ang3", "atoms_per_cell",
    "volume_per_atom_ang3", "volume_per_anion_ang3", "volume_per_lithium_ang3", "density_g_cm3",
    "packing_fraction",
)  # fmt: skip


def describe_symmetry(number: int | None) -> dict[str, float]:
    """Describe a space group.

    Parameters
    ----------
    number : int or None
        1 to 230, of the International Tables.

    Returns
    -------
    dict
        Number, numbers of operations in the cell and in the point group, centring,
        crystal system, whether there is a centre; all NaN without a number.
    """
    names = COLUMNS[:_N_SYMMETRY]
    if number is None:
        return dict.fromkeys(names, math.nan)
    return dict(zip(names, _symmetry(number), strict=True))


@cache
def _symmetry(number: int) -> tuple[float, ...]:
    symbol = sg_symbol_from_int_number(number)
    group = SpaceGroup(symbol)
    rotations = {op.rotation_matrix.astype(int).tobytes() for op in group.symmetry_ops}
    inverted = (-np.eye(3, dtype=int)).tobytes()
    return tuple(
        map(
            float,
            (
                number,
                len(group.symmetry_ops),
                len(rotations),
                inverted in rotations,
                *(group.crystal_system == system for system in _SYSTEMS),
                *(symbol[0] == letter for letter in _CENTRINGS),
            ),
        )
    )


def describe_cell(
    lattice: Mapping[str, float],
    n_atoms: float,
    composition: Composition,
    ions: Mapping[str, float],
) -> dict[str, float]:
    """Describe the size and shape of a cell.

    Parameters
    ----------
    lattice : mapping
        Keys a, b, c (angstrom) and alpha, beta, gamma (degrees) of the conventional
        cell; NaN where not known.
    n_atoms : float
        Atoms in that cell; NaN where not known.
    composition : pymatgen.core.Composition
    ions : mapping
        What `describe_ions` says of the composition.

    Returns
    -------
    dict
        NaN for what the known parameters do not say.
    """
    parameters = [float(lattice[key]) for key in LATTICE_KEYS]
    volume_ang3 = _volume_ang3(parameters)
    short, middle, long = sorted(parameters[:3])
    shape = (*parameters, _ratio(long, short), _ratio(middle, short), volume_ang3, n_atoms)
    return {
        **dict(zip(COLUMNS[_N_SYMMETRY:], map(float, shape), strict=False)),
        **describe_room(_ratio(volume_ang3, n_atoms), composition, ions),
    }


def describe_room(
    volume_per_atom_ang3: float, composition: Composition, ions: Mapping[str, float]
) -> dict[str, float]:
    """Describe the room that the atoms have, whatever the choice of cell.

    Parameters
    ----------
    volume_per_atom_ang3 : float
        NaN where not known.
    composition, ions
        As in `describe_cell`.

    Returns
    -------
    dict
        The last columns of `COLUMNS`, those that need no cell.
    """
    per_anion_ang3 = _ratio(volume_per_atom_ang3, ions["anions_per_atom"])
    mass_g = float(composition.weight) / composition.num_atoms / AVOGADRO_PER_MOL
    values = (
        volume_per_atom_ang3,
        per_anion_ang3,
        _ratio(volume_per_atom_ang3, ions["lithium_fraction"]),
        _ratio(mass_g, volume_per_atom_ang3 * CM3_PER_ANG3),
        _ratio(ions["ionic_volume_per_anion_ang3"], per_anion_ang3),
    )
    return dict(zip(COLUMNS[-len(values) :], map(float, values), strict=True))


def _volume_ang3(parameters: list[float]) -> float:
    """Volume of a cell; NaN where its parameters make none."""
    if not (np.isfinite(parameters).all() and min(parameters) > 0 and max(parameters[3:]) < 180):
        return math.nan
    with np.errstate(invalid="ignore"):
        volume = Lattice.from_parameters(*parameters).volume
    return float(volume) if volume > 0 else math.nan


def _ratio(amount: float, of: float) -> float:
    return amount / of if of > 0 else math.nan
