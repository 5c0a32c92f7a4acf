from __future__ import annotations

import json

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from pymatgen.core import Lattice, Structure

from ionscout.config import DynamicsSettings
from ionscout.dynamics import engines
from ionscout.dynamics.engines import (
    engine_version,
    make_calculator,
    reporting_faults,
    resolve_engine,
    to_atoms,
)
from ionscout.dynamics.prepare import count_md_atoms, prepare_cell
from ionscout.errors import DynamicsError

ROCK_SALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
SETTINGS = DynamicsSettings(min_image_distance_ang=7)


def prepare_rock_salt(settings=SETTINGS, structure=ROCK_SALT):
    return prepare_cell(
        structure, material_id="test-licl", engine="lennard-jones", settings=settings
    )


def test_a_ready_cell_is_the_relaxed_crystal_repeated():
    cell = prepare_rock_salt()
    json.dumps(cell, allow_nan=False)
    assert (cell["status"], cell["reason"], cell["relax_converged"]) == ("ready", "", True)
    supercell = Structure.from_dict(cell["structure"])
    assert len(supercell) == cell["n_atoms"] == count_md_atoms(ROCK_SALT, SETTINGS) == 16
    assert cell["max_force_ev_ang"] < 0.05
    volume_change = supercell.volume / 16 / (ROCK_SALT.volume / 8) - 1
    assert cell["volume_change_fraction"] == pytest.approx(volume_change, abs=1e-6)
    atoms = to_atoms(supercell)
    atoms.calc = make_calculator("lennard-jones", supercell, SETTINGS)
    assert np.abs(atoms.get_forces()).max() < 0.05
    assert cell["min_image_distance_ang"] == pytest.approx(supercell.lattice.a, rel=1e-6)


def test_a_relaxation_cut_short_is_recorded_not_fatal():
    shaken = ROCK_SALT.copy().perturb(0.3)
    cell = prepare_rock_salt(DynamicsSettings(relax={"max_steps": 2}), shaken)
    assert cell["status"] == "ready"
    assert cell["relax_converged"] is False
    assert cell["relax_steps"] == 2


@pytest.mark.parametrize(
    ("structure", "settings", "reason"),
    [
        (ROCK_SALT, DynamicsSettings(max_atoms=10), "more than dynamics.max_atoms = 10"),
        (
            Structure(Lattice.cubic(4), ["Li", "F"], [[0, 0, 0], [0.1, 0, 0]]),
            SETTINGS,
            "two atoms overlap, 0.40 A apart",
        ),
    ],
)
def test_a_cell_that_cannot_be_made_fails_with_its_reason(structure, settings, reason):
    cell = prepare_rock_salt(settings, structure)
    assert cell["status"] == "failed"
    assert reason in cell["reason"]
    assert cell["structure"] is None


class Pressed(Calculator):
    """A calculator that presses, or that knows no energy."""

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def __init__(self, stress: float, energy: float):
        super().__init__()
        self.stress, self.energy = stress, energy

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": self.energy,
            "free_energy": self.energy,
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.array([self.stress] * 3 + [0] * 3),
        }


@pytest.mark.parametrize(
    ("stress", "energy", "reason"),
    [(-1.0, 0.0, "the volume changed by"), (0.1, np.nan, "the energy is not a number")],
)
def test_a_sick_relaxation_is_stopped(monkeypatch, stress, energy, reason):
    monkeypatch.setattr(engines, "make_calculator", lambda *a, **k: Pressed(stress, energy))
    cell = prepare_rock_salt()
    assert cell["status"] == "failed"
    assert cell["reason"].startswith("sick relaxation: "), cell
    assert reason in cell["reason"]


@pytest.mark.parametrize(
    ("requested", "elements", "gpaw_max_atoms", "engine", "reason"),
    [
        ("auto", ["Li", "Cl"], 0, "chgnet", "knows all elements"),
        ("auto", ["Li", "Cl"], 20, "gpaw", "16 atoms fit gpaw_max_atoms = 20"),
        (
            "auto",
            ["Li", "Po"],
            0,
            "lennard-jones",
            "not know Po; lennard-jones is plumbing only",
        ),
        ("auto", ["Li", "Am"], 15, "lennard-jones", "does not know Am"),
        ("gpaw", ["Li"], 0, "gpaw", "asked for"),
        ("lennard-jones", ["Li"], 0, "lennard-jones", "plumbing only"),
    ],
)
def test_the_engine_is_chosen_with_a_reason(requested, elements, gpaw_max_atoms, engine, reason):
    settings = DynamicsSettings(gpaw_max_atoms=gpaw_max_atoms)
    chosen, why = resolve_engine(requested, 16, elements, settings)
    assert chosen == engine
    assert reason in why


def test_a_relaxed_cell_has_neither_forces_nor_stress_beyond_their_tolerances():
    stretched = ROCK_SALT.copy()
    stretched.apply_strain([0.02, -0.01, 0.01])
    settings = DynamicsSettings(min_image_distance_ang=7, relax={"stress_tolerance_gpa": 0.01})
    cell = prepare_cell(stretched, material_id="licl", engine="chgnet", settings=settings)
    atoms = to_atoms(Structure.from_dict(cell["structure"]))
    atoms.calc = make_calculator("chgnet", atoms, settings)
    assert cell["relax_converged"]
    assert np.abs(atoms.get_stress()).max() < 0.011 * units.GPa
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 0.055


def test_engines_that_cannot_run_say_so(monkeypatch):
    with pytest.raises(DynamicsError, match="chgnet does not know Ra"):
        resolve_engine("chgnet", 8, ["Li", "Ra"], SETTINGS)
    with pytest.raises(DynamicsError, match="'castep' is unknown"):
        make_calculator("castep", ROCK_SALT, SETTINGS)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DynamicsError, match="'gpaw' is not installed: pip install gpaw"):
        engine_version("gpaw")
    assert resolve_engine("auto", 8, ["Li"], SETTINGS)[0] == "lennard-jones"


def test_faults_become_one_line_and_mistakes_pass():
    with (
        pytest.raises(DynamicsError, match=r"^chgnet: RuntimeError: first$"),
        reporting_faults("chgnet"),
    ):
        raise RuntimeError("first\nsecond")
    with pytest.raises(KeyError), reporting_faults("chgnet"):
        raise KeyError("mistake")
