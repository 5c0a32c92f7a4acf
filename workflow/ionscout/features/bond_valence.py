"""Percolation barriers of lithium in a bond-valence site-energy landscape.

The energy of a lone Li+ anywhere in the crystal without its lithium is a Morse term for
each anion and a screened Coulomb repulsion for each cation (Chen, Wong & Adams 2019, doi
10.1107/S2052520618015718). The ``bvlain`` package computes it on a grid. A barrier is the
height above the lowest energy of the landscape from which the region below percolates in
1, 2 or 3 dimensions.

What is done otherwise than by ``bvlain``, which moves by up to 0.05 eV with the origin and
the choice of the cell: the crystal is reduced to a primitive Niggli cell; the grid is
refined by splines; the levels are found exactly, not by bisection, and interpenetrating
networks are told apart (`ionscout.features._landscape`).

The method wants formal charges, and has parameters for the anions of `ANION_CHARGES` only.
Where a crystal's oxidation states give others, as bond valences do for Li10GeP2S12 (S-,
with P4+), or none at all, those are taken that follow from the composition. That choice is
logged; it is an inference.

The number of dimensions counts the barriers below `PERCOLATION_LIMIT_EV`. No limit is
settled in the literature that was at hand; 1 eV is ours, wide because a rigid framework
makes the barriers too high, and the barriers stand beside it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
from pymatgen.core import Element
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer, SymmetryUndeterminedError

from ionscout.config import BondValenceSettings
from ionscout.errors import FeatureError
from ionscout.features._base import LEAST_DISTANCE_ANG, Description, DescriptorSet, take_apart
from ionscout.features._landscape import interpolate, percolation_levels
from ionscout.structures.oxidation import formal_charges

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from bvlain import Lain

if TYPE_CHECKING:
    from pymatgen.core import Species, Structure

ANION_CHARGES = {
    "N": -3,
    "O": -2,
    "F": -1,
    "S": -2,
    "Cl": -1,
    "Se": -2,
    "Br": -1,
    "Te": -2,
    "I": -1,
}
PERCOLATION_LIMIT_EV = 1.0
HIGHEST_BARRIER_EV = 10.0

_LITHIUM = "Li"
_SYMMETRY_ANG = 0.01
_REFINEMENT = 3
_LEAST_GRID_POINTS = 8
_MOST_GRID_POINTS = 300_000
_CORE_EV = 100.0

_log = logging.getLogger("ionscout")


class BondValenceSet(DescriptorSet):
    """Barriers of lithium in 1, 2 and 3 dimensions, and the dimensions of its pathway.

    Parameters
    ----------
    settings : BondValenceSettings
        Spacing of the grid, and the largest primitive cell tried.
    """

    name = "bond_valence"
    columns = ("barrier_1d_ev", "barrier_2d_ev", "barrier_3d_ev", "pathway_dimensions")
    source = "Chen, Wong & Adams 2019, softBV, doi 10.1107/S2052520618015718; by bvlain"
    packages = ("numpy", "pymatgen", "bvlain")

    def __init__(self, settings: BondValenceSettings | None = None) -> None:
        self.settings = settings or BondValenceSettings()

    def describe(self, structure: Structure) -> Description:
        """Compute the barriers of a crystal.

        Parameters
        ----------
        structure : pymatgen.core.Structure
            Ordered.

        Returns
        -------
        Description
            NaN, with a reason, for a barrier above `HIGHEST_BARRIER_EV`.

        Raises
        ------
        FeatureError
            If the crystal is not ordered, has no lithium, is too large, or has ions
            without bond-valence parameters.
        """
        cell = self._prepare(structure)
        barriers_ev = percolation_barriers_ev(
            site_energies_ev(cell, grid_spacing_ang=self.settings.grid_spacing_ang)
        )
        values = dict(zip(self.columns, barriers_ev.tolist(), strict=False))
        missing = [column for column, value in values.items() if np.isnan(value)]
        values["pathway_dimensions"] = float((barriers_ev < PERCOLATION_LIMIT_EV).sum())
        reason = f"{', '.join(missing)}: no percolation below {HIGHEST_BARRIER_EV:g} eV"
        return Description(values, reason if missing else "")

    def _prepare(self, structure: Structure) -> Structure:
        """Return the reduced cell with formal charges."""
        species, _ = take_apart(structure)
        if all(specie.symbol != _LITHIUM for specie in species):
            raise FeatureError("no lithium")
        if not structure.is_valid(tol=LEAST_DISTANCE_ANG):
            raise FeatureError(f"two atoms are closer than {LEAST_DISTANCE_ANG:g} angstrom")
        cell = with_formal_charges(_reduce(structure))
        if len(cell) > self.settings.max_sites:
            raise FeatureError(
                f"{len(cell)} atoms in the primitive cell are more than"
                f" features.bond_valence.max_sites = {self.settings.max_sites}"
            )
        return cell


DESCRIPTORS = BondValenceSet


def with_formal_charges(structure: Structure) -> Structure:
    """Give a crystal charges that the bond-valence parameters know.

    Its own oxidation states, or else those that follow from its composition.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered.

    Returns
    -------
    pymatgen.core.Structure

    Raises
    ------
    FeatureError
        If neither will do; the message names the ions without parameters.
    """
    if all(specie.symbol == _LITHIUM for specie in structure.composition):
        raise FeatureError("no ions but lithium")
    unknown = _unknown_ions(structure)
    if not unknown:
        return structure
    charges = formal_charges(structure.composition.remove_charges())
    if charges is not None:
        bare = structure.copy().remove_oxidation_states()
        charged = bare.add_oxidation_state_by_element(charges)
        if not _unknown_ions(charged):
            stated = ", ".join(sorted(map(str, charged.composition)))
            _log.info("bond_valence: %s: %s by composition", charged.reduced_formula, stated)
            return charged
    if not any(map(_charge, structure.composition)):
        raise FeatureError("no oxidation states, nor do usable ones follow from the composition")
    raise FeatureError(f"no bond-valence parameters between Li+ and {', '.join(unknown)}")


def _charge(specie: Element | Species) -> float:
    return getattr(specie, "oxi_state", None) or 0.0


def _unknown_ions(structure: Structure) -> list[str]:
    """Name the species without parameters; one without charge has none."""
    return sorted(str(specie) for specie in structure.composition if not _is_known(specie))


def _is_known(specie: Element | Species) -> bool:
    charge = _charge(specie)
    if specie.symbol == _LITHIUM:
        return charge == 1
    return charge > 0 or (charge < 0 and ANION_CHARGES.get(specie.symbol) == charge)


def _reduce(structure: Structure) -> Structure:
    """Return the Niggli-reduced primitive cell; the given one where that cannot be found."""
    try:
        primitive = SpacegroupAnalyzer(structure, symprec=_SYMMETRY_ANG).find_primitive()
    except (SymmetryUndeterminedError, ValueError, TypeError):
        primitive = None
    return (primitive or structure).get_reduced_structure(reduction_algo="niggli")


def site_energies_ev(structure: Structure, grid_spacing_ang: float) -> np.ndarray:
    """Compute the energy of a lone Li+ on a grid by ``bvlain``.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered, with formal charges, in a reduced cell; its lithium is left out.
    grid_spacing_ang : float
        Spacing of the grid in angstrom, about.

    Returns
    -------
    numpy.ndarray
        Shape (n_a, n_b, n_c), one period without its end points, in eV.

    Raises
    ------
    FeatureError
        If the grid has too few points along an axis or too many in all, or ``bvlain``
        does not know an element.
    """
    n_points = np.array(structure.lattice.abc) / grid_spacing_ang
    if n_points.min() < _LEAST_GRID_POINTS:
        raise FeatureError(f"a grid of {grid_spacing_ang:g} angstrom is too coarse for the cell")
    if n_points.prod() > _MOST_GRID_POINTS:
        raise FeatureError(
            f"a grid of {n_points.prod():.2g} points is more than {_MOST_GRID_POINTS:.2g};"
            " raise features.bond_valence.grid_spacing_ang"
        )
    lain = Lain(verbose=False)
    lain.read_structure(structure, oxi_check=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            energies_ev = lain.bvse_distribution(mobile_ion="Li1+", resolution=grid_spacing_ang)
    except KeyError as error:
        element = Element.from_Z(int(error.args[0])).symbol
        raise FeatureError(f"bvlain has no data for {element}") from None
    return energies_ev[:-1, :-1, :-1]


def percolation_barriers_ev(energies_ev: np.ndarray) -> np.ndarray:
    """Compute the barriers of a landscape in 1, 2 and 3 dimensions.

    The splines go through log(1 + E), which is smooth in the cores too; it is monotonic,
    so that percolation is the same.

    Parameters
    ----------
    energies_ev : numpy.ndarray
        Shape (n_a, n_b, n_c), one period without its end points, in eV.

    Returns
    -------
    numpy.ndarray
        Shape (3,), in eV above the lowest energy; NaN above `HIGHEST_BARRIER_EV`.
    """
    above_lowest_ev = np.minimum(energies_ev - energies_ev.min(), _CORE_EV)
    refined = interpolate(np.log1p(above_lowest_ev), _REFINEMENT)
    lowest_ev = np.expm1(refined.min())
    levels = percolation_levels(refined, highest=np.log1p(HIGHEST_BARRIER_EV + lowest_ev))
    barriers_ev = np.expm1(levels) - lowest_ev
    return np.where(np.isfinite(barriers_ev), barriers_ev, np.nan)
