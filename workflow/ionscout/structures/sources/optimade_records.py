"""Crystals from OPTIMADE structures; what cannot be one is refused by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from optimade.adapters.structures.utils import species_from_species_at_sites
from optimade.models import Assembly, Species
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure
from pymatgen.core.periodic_table import Element

from ionscout.errors import StructureError

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species_at_sites",
    "species",
    "assemblies",
    "structure_features",
    "nperiodic_dimensions",
    "dimension_types",
    "last_modified",
)

# Old versions give `mass` another type, and nothing here needs it.
_SPECIES_KEYS = ("name", "chemical_symbols", "concentration", "attached", "nattached")
_VACANCY = "vacancy"
_UNKNOWN = "X"
_OCCUPANCY_ROUNDING = 1.02
_VACANCY_ROUNDING = 1e-3
_SMALLEST_VOLUME_ANG3 = 0.1
_SAME_POSITION_ANG = 0.01
_CLOSE_ANG = 1.0
_PERIODIC = 3

Occupancy = dict[str, float]
# The groups of one assembly: their sites and probabilities.
Assembled = list[tuple[list[int], float]]


def structure_of(attributes: dict[str, Any]) -> tuple[Structure, str]:
    """Make a crystal of the attributes of an OPTIMADE structure.

    Partial occupancies are kept, vacancies are what is missing to 1. Groups of
    an assembly become partial occupancies, which forgets that they exclude each
    other; the note says so.

    Parameters
    ----------
    attributes : dict
        At least the `FIELDS` that the database has.

    Returns
    -------
    structure : pymatgen.core.Structure
    note : str
        What was changed, in one line; mostly empty.

    Raises
    ------
    StructureError
        Naming the feature that cannot be used.
    """
    _refuse_features(attributes)
    lattice = _lattice(attributes)
    positions = _positions(attributes)
    occupancies = _occupancies(attributes, len(positions))
    groups = _groups(attributes, len(positions))
    if groups:
        _refuse_close_groups(lattice, positions, groups)
        occupancies = _averaged(lattice, positions, occupancies, groups)
    filled = [site for site, occupancy in enumerate(occupancies) if occupancy]
    if not filled:
        raise StructureError("it has no atoms")
    structure = Structure(
        lattice,
        [_rounded(occupancies[site], site) for site in filled],
        positions[filled],
        coords_are_cartesian=True,
    )
    return structure, "assemblies taken as independent partial occupancies" if groups else ""


def _refuse_features(attributes: dict[str, Any]) -> None:
    features = attributes.get("structure_features") or []
    if "implicit_atoms" in features:
        raise StructureError("implicit_atoms: some of its atoms have no position")
    periodic = attributes.get("nperiodic_dimensions")
    if periodic is None and attributes.get("dimension_types"):
        periodic = sum(attributes["dimension_types"])
    if periodic not in (None, _PERIODIC):
        raise StructureError(f"nperiodic_dimensions: periodic in {periodic} directions, not in 3")


def _lattice(attributes: dict[str, Any]) -> Lattice:
    vectors = _numbers(attributes.get("lattice_vectors"))
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise StructureError("lattice_vectors: not three vectors of three numbers")
    lattice = Lattice(vectors)
    if lattice.volume < _SMALLEST_VOLUME_ANG3:
        raise StructureError(f"lattice_vectors: a cell of {lattice.volume:.2g} cubic angstrom")
    return lattice


def _positions(attributes: dict[str, Any]) -> np.ndarray:
    stated = attributes.get("cartesian_site_positions")
    if not stated:
        raise StructureError("unknown_positions: it has no cartesian_site_positions")
    positions = _numbers(stated)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise StructureError("cartesian_site_positions: not three numbers a site")
    unknown = int((~np.isfinite(positions)).any(axis=1).sum())
    if unknown:
        raise StructureError(
            f"unknown_positions: {unknown} of its {len(positions)} sites have no position"
        )
    return positions


def _numbers(stated: Any) -> np.ndarray:
    """Turn nested lists into numbers; null becomes NaN, anything else an empty array."""
    try:
        return np.array(stated, dtype=float)
    except (TypeError, ValueError):
        return np.empty(0)


def _occupancies(attributes: dict[str, Any], n_sites: int) -> list[Occupancy]:
    names = attributes.get("species_at_sites")
    if not isinstance(names, list) or len(names) != n_sites:
        raise StructureError("species_at_sites: not one name a site")
    try:
        stated = attributes.get("species")
        species = (
            [Species(**{key: one.get(key) or None for key in _SPECIES_KEYS}) for one in stated]
            if stated
            else species_from_species_at_sites(names)
        )
    except (ValidationError, TypeError, AttributeError) as error:
        raise StructureError(f"species: {_first_complaint(error)}") from None
    by_name = {one.name: _occupancy(one) for one in species}
    missing = sorted(set(names) - set(by_name))
    if missing:
        raise StructureError(f"species_at_sites: {missing[0]} is not among its species")
    return [by_name[name] for name in names]


def _occupancy(species: Species) -> Occupancy:
    if species.attached:
        raise StructureError(
            f"site_attachments: atoms without a position ({', '.join(species.attached)}) are "
            f"attached to species {species.name}"
        )
    occupancy: Occupancy = {}
    for symbol, share in zip(species.chemical_symbols, species.concentration, strict=True):
        if symbol == _UNKNOWN:
            raise StructureError(f"species {species.name} holds X, an unknown element")
        if share < 0 or not math.isfinite(share):
            raise StructureError(f"species {species.name} has a concentration of {share}")
        if symbol == _VACANCY or share == 0:
            continue
        if not Element.is_valid_symbol(symbol):
            raise StructureError(f"species {species.name} holds {symbol}, not an element")
        occupancy[symbol] = occupancy.get(symbol, 0.0) + share
    return occupancy


def _rounded(occupancy: Occupancy, site: int) -> Occupancy:
    total = sum(occupancy.values())
    if total > _OCCUPANCY_ROUNDING:
        raise StructureError(f"disorder: site {site + 1} is occupied {total:.2f} times")
    if total < 1 - _VACANCY_ROUNDING:
        return occupancy
    return {symbol: share / total for symbol, share in occupancy.items()}


def _groups(attributes: dict[str, Any], n_sites: int) -> list[Assembled]:
    try:
        assemblies = [Assembly(**one) for one in attributes.get("assemblies") or []]
    except (ValidationError, TypeError) as error:
        raise StructureError(f"assemblies: {_first_complaint(error)}") from None
    sites = [site for one in assemblies for group in one.sites_in_groups for site in group]
    if len(set(sites)) != len(sites) or any(not 0 <= site < n_sites for site in sites):
        raise StructureError("assemblies: a site is in two of them, or does not exist")
    for one in assemblies:
        total = sum(one.group_probabilities)
        if min(one.group_probabilities) < 0 or total > _OCCUPANCY_ROUNDING:
            raise StructureError(f"assemblies: probabilities that sum up to {total:.2f}")
    return [list(zip(a.sites_in_groups, a.group_probabilities, strict=True)) for a in assemblies]


def _refuse_close_groups(lattice: Lattice, positions: np.ndarray, groups: list[Assembled]) -> None:
    """Refuse groups that exclude each other for lack of room, unless they share the position."""
    fractional = lattice.get_fractional_coords(positions)
    distances = lattice.get_all_distances(fractional, fractional)
    for assembly in groups:
        members = [site for sites, _ in assembly for site in sites]
        group_of = {site: number for number, (sites, _) in enumerate(assembly) for site in sites}
        for i in members:
            for j in members:
                apart = distances[i, j]
                if group_of[i] < group_of[j] and _SAME_POSITION_ANG < apart < _CLOSE_ANG:
                    raise StructureError(
                        f"assemblies: sites {i + 1} and {j + 1} of groups that exclude each other "
                        f"are {apart:.2f} angstrom apart"
                    )


def _averaged(
    lattice: Lattice,
    positions: np.ndarray,
    occupancies: list[Occupancy],
    groups: list[Assembled],
) -> list[Occupancy]:
    """Weigh the sites by their groups' probabilities, and unite those at one position."""
    weights: dict[int, float] = {}
    for assembly in groups:
        for sites, probability in assembly:
            weights |= dict.fromkeys(sites, probability)
    fractional = lattice.get_fractional_coords(positions)
    same = lattice.get_all_distances(fractional, fractional) < _SAME_POSITION_ANG
    first = [int(row.argmax()) if site in weights else site for site, row in enumerate(same)]
    averaged: list[Occupancy] = [{} for _ in occupancies]
    for site, occupancy in enumerate(occupancies):
        for symbol, share in occupancy.items():
            there = averaged[first[site]]
            there[symbol] = there.get(symbol, 0.0) + share * weights.get(site, 1.0)
    return averaged


def _first_complaint(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    complaint = error.errors()[0]
    where = ".".join(str(part) for part in complaint["loc"])
    return " ".join(f"{where} {complaint['msg']}".split())
