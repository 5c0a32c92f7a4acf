"""From what the sources gave to the campaign's materials: checked, standard, ordered."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from pymatgen.util.string import formula_double_format

from ionscout.config import StructureSettings
from ionscout.errors import StructureError
from ionscout.failures import check_failure_rate
from ionscout.structures.checks import check_distances, check_size, check_stated
from ionscout.structures.disorder import order
from ionscout.structures.hashing import structure_hash
from ionscout.structures.oxidation import (
    FROM_COMPOSITION,
    FROM_FILE,
    assign_oxidation_states,
    carries_neutral_states,
)
from ionscout.structures.records import Record, failure, is_failure

MANIFEST_DTYPES = {
    "material_id": "str",
    "source": "str",
    "candidate": "bool",
    "formula": "str",
    "reduced_formula": "str",
    "chemical_system": "str",
    "n_sites": "int64",
    "space_group_number": "int64",
    "was_disordered": "bool",
    "structure_hash": "str",
    "shard": "int64",
    "duplicate_of": "str",
    "parent_id": "str",
    "oxidation_method": "str",
    "band_gap_ev": "float64",
    "energy_above_hull_ev_atom": "float64",
}
FAILURE_COLUMNS = ["material_id", "source", "stage", "reason"]
_SYMMETRY_ANG = 0.01


@dataclass(frozen=True)
class CuratedMaterial:
    """A material as the campaign goes on with it.

    Attributes
    ----------
    material_id, source : str
    structure : pymatgen.core.Structure
        Ordered, primitive and standardised, with oxidation states where a
        method found them.
    stated : pymatgen.core.Structure
        The primitive cell of the crystal as its source has it, without
        oxidation states; duplicates are found on it.
    space_group_number : int
        Of the crystal as its source has it.
    structure_hash : str
    oxidation_method : str
    parent_id : str or None
    band_gap_ev, energy_above_hull_ev_atom : float or None
        As the source knows them.
    """

    material_id: str
    source: str
    structure: Structure
    stated: Structure
    space_group_number: int
    structure_hash: str
    oxidation_method: str
    parent_id: str | None
    band_gap_ev: float | None
    energy_above_hull_ev_atom: float | None


def curate(record: Record, settings: StructureSettings, *, seed: int) -> CuratedMaterial:
    """Check a crystal, standardise it, resolve its disorder, find its oxidation states.

    Parameters
    ----------
    record : dict
        A material of a source file.
    settings : StructureSettings
    seed : int
        The campaign's; a material draws from it and its own id.

    Returns
    -------
    CuratedMaterial

    Raises
    ------
    StructureError
        When the crystal is absurd, too large or cannot be ordered.
    """
    try:
        source = Structure.from_dict(record["structure"])
    except (KeyError, TypeError, ValueError) as error:
        raise StructureError(f"not a structure: {error}; pull the source again") from None
    check_stated(source)
    stated, space_group_number = standardise(source)
    if stated.is_ordered:
        check_size(stated, settings.max_sites)
        structure, method = assign_oxidation_states(stated)
    else:
        method = FROM_FILE if carries_neutral_states(stated) else FROM_COMPOSITION
        ordered = order(stated, settings.disorder, _seed_of(seed, record["material_id"]))
        structure, _ = standardise(ordered)
        check_size(structure, settings.max_sites)
    check_distances(structure, settings.min_distance_ang)
    return CuratedMaterial(
        material_id=record["material_id"],
        source=record["source"],
        structure=structure,
        stated=stated.copy().remove_oxidation_states(),
        space_group_number=space_group_number,
        structure_hash=structure_hash(source),
        oxidation_method=method,
        parent_id=record["parent_id"],
        **record["properties"],
    )


def curate_all(
    records: dict[str, list[Record]],
    settings: StructureSettings,
    *,
    seed: int,
    max_failure_rate: float,
) -> tuple[pd.DataFrame, pd.DataFrame, list[list[Record]]]:
    """Curate what all sources gave.

    Parameters
    ----------
    records : dict of str to list of dict
        Materials and failures by source.
    settings : StructureSettings
    seed : int
    max_failure_rate : float
        Largest share of the materials that may fail, those that could not be
        pulled included; a failure of a source as a whole, or of its labels, is none.

    Returns
    -------
    manifest : pandas.DataFrame
        A row a material, with the columns `MANIFEST_DTYPES`, sorted by id.
    failures : pandas.DataFrame
        Columns `FAILURE_COLUMNS`.
    shards : list of list of dict
        `settings.shards` lists of material_id and structure, sorted by id.

    Raises
    ------
    CampaignError
        When too many materials fail, or none is left.
    """
    materials: list[CuratedMaterial] = []
    failures: list[Record] = []
    for record in _real_candidates_first(records, settings):
        outcome = record if is_failure(record) else _try_to_curate(record, settings, seed)
        (materials if isinstance(outcome, CuratedMaterial) else failures).append(outcome)
    of_materials = [one for one in failures if one["material_id"] != one["source"]]
    check_failure_rate("structures", of_materials, n_left=len(materials), limit=max_failure_rate)
    duplicates = find_duplicates(materials)
    rows = [
        _manifest_row(material, settings, duplicates.get(material.material_id))
        for material in materials
    ]
    manifest = pd.DataFrame(rows).astype(MANIFEST_DTYPES)
    manifest = manifest.sort_values("material_id", ignore_index=True)
    return manifest, pd.DataFrame(failures, columns=FAILURE_COLUMNS), _shards(materials, settings)


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


def shard_of(material_id: str, n_shards: int) -> int:
    """Place a material: by its id and the number of shards alone.

    Parameters
    ----------
    material_id : str
    n_shards : int

    Returns
    -------
    int
        From 0 to `n_shards - 1`.
    """
    return int.from_bytes(hashlib.sha256(material_id.encode()).digest()[:8]) % n_shards


def find_duplicates(materials: list[CuratedMaterial]) -> dict[str, str]:
    """Find materials that are the same crystal as an earlier one.

    Compared are crystals of one reduced formula, as their sources have them,
    by pymatgen's `StructureMatcher` (volumes scaled to be equal).

    Parameters
    ----------
    materials : list of CuratedMaterial

    Returns
    -------
    dict of str to str
        The id of the first such crystal by the id of each duplicate.
    """
    matcher = StructureMatcher(primitive_cell=False)
    originals: dict[str, list[CuratedMaterial]] = defaultdict(list)
    duplicates = {}
    for material in materials:
        known = originals[material.stated.composition.reduced_formula]
        for original in known:
            if matcher.fit(original.stated, material.stated):
                duplicates[material.material_id] = original.material_id
                break
        else:
            known.append(material)
    return duplicates


def _try_to_curate(
    record: Record, settings: StructureSettings, seed: int
) -> CuratedMaterial | Record:
    try:
        return curate(record, settings, seed=seed)
    except StructureError as error:
        reason = str(error)
    except Exception as error:  # one odd crystal must not stop the others
        reason = f"{type(error).__name__} while curating: {error}; leave the crystal out"
    return failure(
        material_id=record["material_id"], source=record["source"], stage="curate", reason=reason
    )


def _real_candidates_first(
    records: dict[str, list[Record]], settings: StructureSettings
) -> Iterator[Record]:
    """Order the records so that the original of duplicates comes first; ids are unique."""
    sources, seen = settings.sources, set()
    for name in sorted(
        sources,
        key=lambda name: (not sources[name].candidates, sources[name].kind == "substitution"),
    ):
        for record in records[name]:
            material_id = record["material_id"]
            if material_id in seen and not is_failure(record):
                reason = f"another source has a material {material_id}; rename a source"
                record = failure(
                    material_id=material_id, source=name, stage="curate", reason=reason
                )
            seen.add(material_id)
            yield record


def _seed_of(seed: int, material_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {material_id}".encode()).digest()[:8])


def _formula(composition: Composition) -> str:
    """Write a cell's formula without spaces and ones: `Li6PS5Cl`."""
    elements = sorted(composition, key=lambda element: element.X)
    return "".join(f"{e.symbol}{formula_double_format(composition[e])}" for e in elements)


def _manifest_row(
    material: CuratedMaterial, settings: StructureSettings, duplicate_of: str | None
) -> Record:
    composition = material.structure.composition.element_composition
    return {
        "material_id": material.material_id,
        "source": material.source,
        "candidate": settings.sources[material.source].candidates,
        "formula": _formula(composition),
        "reduced_formula": composition.reduced_formula,
        "chemical_system": composition.chemical_system,
        "n_sites": len(material.structure),
        "space_group_number": material.space_group_number,
        "was_disordered": not material.stated.is_ordered,
        "structure_hash": material.structure_hash,
        "shard": shard_of(material.material_id, settings.shards),
        "duplicate_of": duplicate_of,
        "parent_id": material.parent_id,
        "oxidation_method": material.oxidation_method,
        "band_gap_ev": material.band_gap_ev,
        "energy_above_hull_ev_atom": material.energy_above_hull_ev_atom,
    }


def _shards(materials: list[CuratedMaterial], settings: StructureSettings) -> list[list[Record]]:
    shards: list[list[Record]] = [[] for _ in range(settings.shards)]
    for material in sorted(materials, key=lambda one: one.material_id):
        shards[shard_of(material.material_id, settings.shards)].append(
            {"material_id": material.material_id, "structure": material.structure.as_dict()}
        )
    return shards
