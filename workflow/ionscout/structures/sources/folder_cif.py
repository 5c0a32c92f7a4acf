"""Crystals in a CIF, every data block a crystal, held against what the file states."""

from __future__ import annotations

import re
from dataclasses import replace

from pymatgen.core import Composition, DummySpecies, Structure
from pymatgen.io.cif import CifBlock, CifFile, CifParser

from ionscout.errors import StructureError
from ionscout.structures.sources.folder_composition import compare, read_formula
from ionscout.structures.sources.folder_formats import Found, find

_OCCUPANCY_ROUNDING = 1.02
_DENSITY_TOLERANCE = 0.1
_HEADING = re.compile(r"data_(\S*)", re.IGNORECASE)
_CRYSTAL = re.compile(r"^\s*_(cell_length_a|atom_site_fract_x)\b", re.IGNORECASE | re.MULTILINE)


def read_cif(text: str, *, stated: Composition | None = None) -> list[Found]:
    """Read every data block of a CIF that describes a crystal.

    Blocks without a cell and without sites, such as those on the publication,
    are passed over.

    Parameters
    ----------
    text : str
    stated : pymatgen.core.Composition, optional
        What the crystals are made of, as it is stated elsewhere.

    Returns
    -------
    list of Found
        One a block. Refused are also occupancies written as `?`, and sites that
        do not make `_chemical_formula_sum` and `stated`; flagged are smaller
        differences, and a density 10 % off `_exptl_crystal_density_diffrn`.
    """
    blocks = split_blocks(text)
    if not blocks:
        return [Found("", None, refused="not a CIF, it has no data block; replace or remove it")]
    crystals = [(name, block) for name, block in blocks if _CRYSTAL.search(block)]
    if not crystals:
        return [Found("", None, refused="not a readable CIF (no cell, no sites); export it again")]
    return [
        _read_block(name if len(crystals) > 1 else "", block, stated) for name, block in crystals
    ]


def split_blocks(text: str) -> list[tuple[str, str]]:
    """Cut a CIF into its data blocks.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of tuple of str
        Name and text of each, in the order of the file; names may repeat.
    """
    blocks: list[tuple[str, list[str]]] = []
    is_in_text = False
    for line in text.splitlines():
        if line.startswith(";"):
            is_in_text = not is_in_text
        heading = None if is_in_text else _HEADING.match(line.lstrip())
        if heading:
            blocks.append((heading[1], []))
        if blocks:
            blocks[-1][1].append(line)
    return [(name, "\n".join(lines) + "\n") for name, lines in blocks]


def _read_block(name: str, text: str, stated: Composition | None) -> Found:
    flags: list[str] = []

    def read() -> Structure:
        block = next(iter(CifFile.from_str(text).data.values()))
        _refuse_unknown_occupancy(block)
        parser = CifParser.from_str(text, occupancy_tolerance=_OCCUPANCY_ROUNDING, check_cif=False)
        structure = parser.parse_structures(primitive=False)[0]
        formula_sum = read_formula(str(block.data.get("_chemical_formula_sum", "")))
        flags.extend([_compare(structure, formula) for formula in (stated, formula_sum) if formula])
        flags.append(_flag_density(structure, block))
        return structure

    found = find(name, "CIF", read)
    return replace(found, flags=tuple(flag for flag in dict.fromkeys(flags) if flag))


def _refuse_unknown_occupancy(block: CifBlock) -> None:
    occupancies = block.data.get("_atom_site_occupancy", [])
    for number, occupancy in enumerate(occupancies):
        if occupancy.strip() == "?":
            labels = block.data.get("_atom_site_label", [])
            site = labels[number] if number < len(labels) else f"number {number + 1}"
            raise StructureError(f"site {site} has the occupancy '?'; write the value")


def _compare(structure: Structure, stated: Composition) -> str:
    if any(isinstance(species, DummySpecies) for species in structure.composition):
        return ""
    comparison = compare(structure.composition, stated)
    if comparison.refused:
        raise StructureError(comparison.refused)
    return comparison.flag


def _flag_density(structure: Structure, block: CifBlock) -> str:
    text = str(block.data.get("_exptl_crystal_density_diffrn", "")).split("(")[0]
    try:
        stated_g_cm3 = float(text)
    except ValueError:
        return ""
    found_g_cm3 = float(structure.density)
    if stated_g_cm3 <= 0 or abs(found_g_cm3 / stated_g_cm3 - 1) <= _DENSITY_TOLERANCE:
        return ""
    return f"density: {found_g_cm3:.2f} g/cm3, {stated_g_cm3:.2f} stated"
