"""One crystal checked, made standard and ordered: nothing but its content decides."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pymatgen.core import Composition, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from pymatgen.util.string import formula_double_format

from ionscout.config import StructureSettings
from ionscout.errors import StructureError
from ionscout.structures.checks import (
    check_coexisting,
    check_density,
    check_size,
    check_stated,
)
from ionscout.structures.curated import CuratedCell, CuratedCrystal, Refused, pack
from ionscout.structures.curation_cache import content_key
from ionscout.structures.disorder import Ordering, orderings
from ionscout.structures.hashing import structure_hash
from ionscout.structures.oxidation import (
    FROM_COMPOSITION,
    FROM_FILE,
    assign_oxidation_states,
    carries_neutral_states,
)

_SYMMETRY_ANG = 0.01
_FULL = 1 - 1e-3
_CHECKS = {"max_sites", "min_distance_ang", "min_density_g_cm3", "max_density_g_cm3"}


@dataclass(frozen=True)
class CurationTask:
    """A crystal to curate.

    Attributes
    ----------
    structure : dict
        Of pymatgen, as the source has it.
    settings : StructureSettings
    seed : int or None
        Of the orderings; None where the crystal is ordered.
    """

    structure: dict[str, Any]
    settings: StructureSettings
    seed: int | None

    @classmethod
    def of(
        cls, material_id: str, structure: dict[str, Any], settings: StructureSettings, *, seed: int
    ) -> CurationTask:
        """Prepare the task of a material; a disordered one draws from the seed and its id."""
        if not _is_disordered(structure):
            return cls(structure, settings, None)
        digest = hashlib.sha256(f"{seed} {material_id}".encode()).digest()
        return cls(structure, settings, int.from_bytes(digest[:8]))

    @property
    def key(self) -> str:
        """The name of all that decides the outcome."""
        settings = self.settings.model_dump(mode="json", include=_CHECKS)
        if self.seed is not None:
            settings["disorder"] = self.settings.disorder.model_dump(mode="json")
        return content_key("crystal", self.structure, settings, self.seed)


def curate_packed(task: CurationTask) -> bytes:
    """Curate a crystal, or say why it cannot be.

    Parameters
    ----------
    task : CurationTask

    Returns
    -------
    bytes
        Of `pack`.
    """
    try:
        return pack(curate_crystal(task))
    except StructureError as error:
        reason = str(error)
    except Exception as error:  # one odd crystal must not stop the others
        reason = f"{type(error).__name__} while curating: {error}; leave the crystal out"
    return pack(Refused(reason))


def curate_crystal(task: CurationTask) -> CuratedCrystal:
    """Check a crystal, standardise it, resolve its disorder, find its oxidation states.

    Parameters
    ----------
    task : CurationTask

    Returns
    -------
    CuratedCrystal

    Raises
    ------
    StructureError
        When the crystal is absurd, too large or cannot be ordered.
    """
    settings = task.settings
    try:
        source = Structure.from_dict(task.structure)
    except (KeyError, TypeError, ValueError) as error:
        raise StructureError(f"not a structure: {error}; pull the source again") from None
    check_stated(source)
    check_density(
        source, min_g_cm3=settings.min_density_g_cm3, max_g_cm3=settings.max_density_g_cm3
    )
    stated, space_group_number = standardise(source)
    facts = {
        "space_group_number": space_group_number,
        "stated_formula": state_formula(stated),
        "was_disordered": not stated.is_ordered,
    }
    source_hash = structure_hash(source)
    if stated.is_ordered:
        check_size(stated, settings.max_sites)
        check_coexisting(stated, settings.min_distance_ang)
        structure, method = assign_oxidation_states(stated)
        cells = [make_cell(structure, source_hash, oxidation_method=method, **facts)]
    else:
        check_coexisting(stated, settings.min_distance_ang)
        cells = _ordered_cells(stated, source_hash, task, facts)
    bare = to_plain(stated.copy().remove_oxidation_states())
    return CuratedCrystal(cells, stated=bare, stated_key=content_key("stated", bare))


def make_cell(structure: Structure, hash_: str, **facts: Any) -> CuratedCell:
    """Write up an ordered structure.

    Parameters
    ----------
    structure : pymatgen.core.Structure
    hash_ : str
    **facts
        The fields of `CuratedCell` that do not follow from the structure.

    Returns
    -------
    CuratedCell
    """
    composition = structure.composition.element_composition
    return CuratedCell(
        structure=to_plain(structure),
        structure_hash=hash_,
        formula=_formula(composition),
        reduced_formula=composition.reduced_formula,
        chemical_system=composition.chemical_system,
        n_sites=len(structure),
        **facts,
    )


def to_plain(structure: Structure) -> dict[str, Any]:
    """Write a structure as plain data, all amounts and charges as floats.

    Pymatgen keeps species that were made before, 4 and 4.0 alike: which of them
    it writes depends on what else the process has seen.
    """
    plain = structure.as_dict()
    for site in plain["sites"]:
        for species in site["species"]:
            species["occu"] = float(species["occu"])
            if species.get("oxidation_state") is not None:
                species["oxidation_state"] = float(species["oxidation_state"])
    return plain


def derived_hash(*content: Any) -> str:
    """Hash what a cell was made from, sixteen hexadecimal digits; versions do not count."""
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16]


def standardise(structure: Structure) -> tuple[Structure, int]:
    """Find the standard primitive cell (Setyawan 2010, 10.1016/j.commatsci.2010.05.010).

    Parameters
    ----------
    structure : pymatgen.core.Structure

    Returns
    -------
    primitive : pymatgen.core.Structure
        Without site properties and labels.
    space_group_number : int

    Raises
    ------
    StructureError
        When no symmetry can be determined.
    """
    bare = Structure(structure.lattice, structure.species_and_occu, structure.frac_coords)
    try:
        analyzer = SpacegroupAnalyzer(bare, symprec=_SYMMETRY_ANG)
        primitive = analyzer.get_primitive_standard_structure()
    except (ValueError, TypeError):
        raise StructureError(
            "its symmetry cannot be determined: atoms may overlap; check the cell and the positions"
        ) from None
    return primitive, analyzer.get_space_group_number()


def state_formula(structure: Structure) -> str:
    """Write one formula unit as it is stated: `Li6.5La3Zr1.5Ta0.5O12`.

    A formula unit of a disordered crystal is the largest share of the cell that
    leaves whole numbers of every kind of full positions, where positions of one
    kind share the same elements.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or disordered.

    Returns
    -------
    str
    """
    composition = structure.composition.element_composition
    if structure.is_ordered:
        return composition.reduced_formula
    full = Counter(
        frozenset(species.symbol for species in site.species)
        for site in structure
        if site.species.num_atoms > _FULL
    )
    unit = composition / (math.gcd(*full.values()) or 1)
    elements = sorted(unit, key=lambda element: element.X)
    return "".join(f"{e.symbol}{formula_double_format(round(unit[e], 3))}" for e in elements)


def _is_disordered(structure: dict[str, Any]) -> bool:
    """Tell from the plain data; what is not a structure counts as ordered."""
    try:
        return any(
            len(site["species"]) != 1 or site["species"][0]["occu"] != 1
            for site in structure["sites"]
        )
    except (KeyError, TypeError):
        return False


def _ordered_cells(
    stated: Structure, source_hash: str, task: CurationTask, facts: dict[str, Any]
) -> list[CuratedCell]:
    """Order a crystal in several ways; the first must pass the checks, the others may drop out."""
    settings = task.settings
    method = FROM_FILE if carries_neutral_states(stated) else FROM_COMPOSITION
    disorder = settings.disorder.model_dump(mode="json", exclude={"representatives"})
    cells: list[CuratedCell] = []
    for rank, ordering in enumerate(orderings(stated, settings.disorder, task.seed)):
        try:
            structure = _checked(ordering, settings)
        except StructureError:
            if not cells:
                raise
            continue
        cells.append(
            make_cell(
                structure,
                derived_hash(source_hash, sorted(disorder.items()), task.seed, rank),
                oxidation_method=method,
                ewald_above_lowest_ev_atom=ordering.ewald_above_lowest_ev_atom,
                **facts,
            )
        )
    return cells


def _checked(ordering: Ordering, settings: StructureSettings) -> Structure:
    structure, _ = standardise(ordering.structure)
    check_size(structure, settings.max_sites)
    check_coexisting(structure, settings.min_distance_ang)
    return structure


def _formula(composition: Composition) -> str:
    """Write a cell's formula without spaces and ones: `Li6PS5Cl`."""
    elements = sorted(composition, key=lambda element: element.X)
    return "".join(f"{e.symbol}{formula_double_format(composition[e])}" for e in elements)
