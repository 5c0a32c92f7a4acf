"""Real disordered crystals, and randomly mangled ones: every gap has its reason."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pymatgen.core import DummySpecies, Lattice, PeriodicSite, Structure

from ionscout.features import get_set

SETS = ("elemental", "mxrd", "sendek", "structural")
STRANGERS = ["He", "Xe", "Fm", "Pu", "Cs", "F", "H", "D", "Li", "Li-", "O+", "S6+", "C4-"]


def sites_of(structure: Structure) -> list[tuple[dict, np.ndarray]]:
    return [
        ({str(one): n for one, n in site.species.items()}, site.frac_coords) for site in structure
    ]


def put_together(lattice: Lattice, sites: list[tuple[dict, np.ndarray]]) -> Structure:
    """Make a structure without the checks that would refuse what is odd."""
    made = []
    for species, coords in sites:
        site = PeriodicSite("H", [0, 0, 0], lattice)
        site.species = species
        site._frac_coords = np.array(coords, dtype=float)
        site._coords = None
        made.append(site)
    return Structure.from_sites(made)


def mangle(structure: Structure, rng: np.random.Generator) -> Structure:
    """Spoil a crystal in one to three ways."""
    sites, lattice = sites_of(structure), structure.lattice
    for _ in range(rng.integers(1, 4)):
        i = int(rng.integers(len(sites)))
        species, coords = sites[i]
        way = rng.integers(10)
        if way == 0:
            keep = rng.random(len(sites)) < 0.3
            sites = [one for one, kept in zip(sites, keep, strict=True) if kept] or sites[:1]
        elif way == 1:
            sites = [*sites, (species, coords + rng.choice([0.0, 1.0, 1e-9]))]
        elif way == 2:
            sites[i] = (species, coords * rng.choice([np.nan, np.inf, 1e9, -1e4]))
        elif way == 3:
            lattice = Lattice(lattice.matrix * rng.choice([1e-3, 0.2, 0.5, 5.0, 50.0]))
        elif way == 4:
            flat = lattice.matrix.copy()
            flat[2] = flat[0] + flat[1] + rng.choice([0.0, 1e-6, 0.1]) * flat[2]
            lattice = Lattice(flat)
        elif way == 5:
            sites[i] = ({str(rng.choice(STRANGERS)): 1.0}, coords)
        elif way == 6:
            sites = [({str(rng.choice(STRANGERS)): 1.0}, one) for _, one in sites]
        elif way == 7:
            sites = [({one: n * rng.uniform(0, 1) for one, n in s.items()}, c) for s, c in sites]
        elif way == 8:
            sites = [(species, coords)]
        else:
            sites[i] = ({DummySpecies("X"): 1.0}, coords)
    return put_together(lattice, sites)


@pytest.fixture(scope="module")
def crystals(shared_data):
    files = sorted((shared_data / "obelix_train").rglob("*.cif"))
    assert len(files) == 254
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [Structure.from_file(file, occupancy_tolerance=100) for file in files]


def check(name: str, structures: list[Structure]) -> np.ndarray:
    descriptors = get_set(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        values, reasons = descriptors.describe_many(structures)
    for row, reason in zip(values, reasons, strict=True):
        assert not np.isinf(row).any()
        assert np.isnan(row).any() == bool(reason)
        assert not reason.startswith("unexpected"), reason
        assert "\n" not in reason
    return values


@pytest.mark.parametrize("name", SETS)
def test_some_real_and_mangled_crystals(name, crystals):
    rng = np.random.default_rng(254)
    check(name, crystals[::8])
    check(name, [mangle(crystal, rng) for crystal in crystals[::8]])


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_all_real_and_mangled_crystals(name, crystals):
    rng = np.random.default_rng(2026)
    values = check(name, crystals)
    if name in ("elemental", "mxrd"):
        assert np.isfinite(values).all()
    check(name, [mangle(crystal, rng) for crystal in crystals])
