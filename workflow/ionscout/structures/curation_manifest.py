"""The manifest, a row a material, and the shards that hold the crystals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd

from ionscout.structures.curated import CuratedMaterial
from ionscout.structures.records import Record

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
    "stated_formula": "str",
    "representative": "int64",
    "ewald_above_lowest_ev_atom": "float64",
    "formation_energy_ev_atom": "float64",
    "vacancies_per_cell": "int64",
    "shear_modulus_gpa": "float64",
}
_OF_MATERIAL = (
    "material_id",
    "source",
    "candidate",
    "duplicate_of",
    "parent_id",
    "representative",
)
_PROPERTIES = (
    "band_gap_ev",
    "energy_above_hull_ev_atom",
    "formation_energy_ev_atom",
    "shear_modulus_gpa",
)


def make_manifest(materials: Sequence[CuratedMaterial], n_shards: int) -> pd.DataFrame:
    """Tabulate the materials.

    Parameters
    ----------
    materials : sequence of CuratedMaterial
    n_shards : int

    Returns
    -------
    pandas.DataFrame
        With the columns `MANIFEST_DTYPES`, sorted by id.
    """
    rows = [
        {
            **vars(material.cell),
            **{name: getattr(material, name) for name in _OF_MATERIAL},
            **{name: material.properties.get(name) for name in _PROPERTIES},
            "shard": shard_of(material.material_id, n_shards),
        }
        for material in materials
    ]
    table = pd.DataFrame(rows, columns=list(MANIFEST_DTYPES)).astype(MANIFEST_DTYPES)
    return table.sort_values("material_id", ignore_index=True)


def make_shards(materials: Sequence[CuratedMaterial], n_shards: int) -> list[list[Record]]:
    """Cut the crystals into pieces.

    Parameters
    ----------
    materials : sequence of CuratedMaterial
    n_shards : int

    Returns
    -------
    list of list of dict
        material_id and structure, sorted by id.
    """
    shards: list[list[Record]] = [[] for _ in range(n_shards)]
    for material in sorted(materials, key=lambda one: one.material_id):
        shards[shard_of(material.material_id, n_shards)].append(
            {"material_id": material.material_id, "structure": material.cell.structure}
        )
    return shards


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
