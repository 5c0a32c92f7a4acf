"""What curation makes of a crystal, and of a material."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from typing import Any

from ionscout.structures.records import Record


@dataclass(frozen=True)
class CuratedCell:
    """An ordered cell as the campaign goes on with it.

    Attributes
    ----------
    structure : dict
        Of pymatgen: ordered, standardised, with oxidation states where a
        method found them.
    structure_hash : str
        Changes with whatever the cell was made from.
    formula, reduced_formula, chemical_system : str
    n_sites : int
    space_group_number : int
        Of the crystal as its source has it; of a cell with a vacancy, its own.
    stated_formula : str
        Of the crystal as its source has it, amounts not whole where it is disordered.
    was_disordered : bool
    oxidation_method : str
    ewald_above_lowest_ev_atom : float
        Electrostatic energy above that of the lowest representative; 0 for an ordered crystal.
    vacancies_per_cell : int
        Lithium ions taken out of the cell.
    """

    structure: dict[str, Any]
    structure_hash: str
    formula: str
    reduced_formula: str
    chemical_system: str
    n_sites: int
    space_group_number: int
    stated_formula: str
    was_disordered: bool
    oxidation_method: str
    ewald_above_lowest_ev_atom: float = 0.0
    vacancies_per_cell: int = 0


@dataclass(frozen=True)
class CuratedCrystal:
    """What a crystal became: depends on the crystal, the settings and its seed alone.

    Attributes
    ----------
    cells : list of CuratedCell
        The lowest representative first, one for an ordered crystal; or the variants of one.
    stated : dict or None
        Of pymatgen: the primitive cell of the crystal as its source has it,
        without oxidation states; duplicates are found on it. None for variants.
    stated_key : str
        Changes with `stated`.
    """

    cells: list[CuratedCell]
    stated: dict[str, Any] | None = None
    stated_key: str = ""


@dataclass(frozen=True)
class Refused:
    """Why a crystal cannot be used."""

    reason: str


@dataclass(frozen=True)
class CuratedMaterial:
    """A cell with its name and what is known of it: a row of the manifest.

    Attributes
    ----------
    material_id, source : str
    candidate : bool
        May it enter the shortlist?
    cell : CuratedCell
    properties : dict
        As the source knows them.
    parent_id : str or None
    duplicate_of : str or None
    representative : int
        From 1; above, it is another ordering of the material that it duplicates.
    """

    material_id: str
    source: str
    candidate: bool
    cell: CuratedCell
    properties: dict[str, float | None]
    parent_id: str | None
    duplicate_of: str | None = None
    representative: int = 1

    def other_representative(self, number: int, cell: CuratedCell) -> CuratedMaterial:
        """Name another ordering of the material; it is no candidate beside the first."""
        return replace(
            self,
            material_id=f"{self.material_id}.r{number}",
            candidate=False,
            cell=cell,
            duplicate_of=self.material_id,
            representative=number,
        )

    def vacancy_variant(self, number: int, cell: CuratedCell) -> CuratedMaterial:
        """Name a variant with a vacancy: gap and distance to the hull are those of the host."""
        return replace(
            self,
            material_id=f"{self.material_id}.v{number}",
            cell=cell,
            properties={**self.properties, "formation_energy_ev_atom": None},
            parent_id=self.material_id,
        )


def pack(outcome: CuratedCrystal | Refused) -> bytes:
    """Write what became of a crystal as compressed JSON.

    Parameters
    ----------
    outcome : CuratedCrystal or Refused

    Returns
    -------
    bytes
    """
    content: Record = dict(vars(outcome))
    if isinstance(outcome, CuratedCrystal):
        content["cells"] = [vars(cell) for cell in outcome.cells]
    return zlib.compress(json.dumps(content, separators=(",", ":")).encode())


def unpack(packed: bytes) -> CuratedCrystal | Refused:
    """Read what `pack` wrote.

    Parameters
    ----------
    packed : bytes

    Returns
    -------
    CuratedCrystal or Refused

    Raises
    ------
    ValueError
        When the bytes are damaged.
    """
    try:
        content = json.loads(zlib.decompress(packed))
        if "reason" in content:
            return Refused(**content)
        content["cells"] = [CuratedCell(**cell) for cell in content["cells"]]
        return CuratedCrystal(**content)
    except (zlib.error, TypeError, KeyError) as error:
        raise ValueError(f"not an outcome of curation: {error}") from None
