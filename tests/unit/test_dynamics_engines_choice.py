"""The engine's name, and what `auto` takes."""

import pytest
from ase import Atoms

from ionscout.config import DynamicsSettings
from ionscout.dynamics import engines
from ionscout.dynamics.engines import engine_settings, make_calculator, resolve_engine
from ionscout.errors import DynamicsError

LITHIUM_CHLORIDE = Atoms("LiCl", cell=[5, 5, 5], pbc=True)


def resolve(n_atoms, elements=("Li", "Cl"), **settings):
    return resolve_engine("auto", n_atoms, elements, DynamicsSettings(**settings))


@pytest.mark.parametrize("name", ["castep", "mace:", "my module:f", "a.b", ":f", "a:b:c"])
def test_a_name_that_is_no_engine_is_refused(name):
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        DynamicsSettings(engine=name)
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        DynamicsSettings(potential={"name": name})


@pytest.mark.parametrize("name", ["auto", "orb", "my_package.sub:Factory"])
def test_a_name_that_is_one_passes(name):
    assert DynamicsSettings(engine=name).engine == name


def test_a_potential_is_no_auto():
    with pytest.raises(ValueError, match="take one of mace"):
        DynamicsSettings(potential={"name": "auto"})


def test_auto_takes_gpaw_only_within_both_limits():
    short = {"equilibration_ps": 0, "production_ps": 1}
    assert resolve(8, gpaw_max_atoms=8, **short)[0] == "gpaw"
    engine, reason = resolve(9, gpaw_max_atoms=8, **short)
    assert engine == "chgnet"
    assert "9 atoms are more than gpaw_max_atoms = 8; " in reason
    # 500 steps of 0.65 s are 0.09 h
    assert resolve(8, gpaw_max_atoms=8, gpaw_max_hours=0.1, **short)[0] == "gpaw"
    engine, reason = resolve(8, gpaw_max_atoms=8, expansion_ps=1, **short)
    assert (engine, reason.split(";")[0]) == (
        "chgnet",
        "gpaw keeps the lattice, and expansion_ps is set",
    )
    engine, reason = resolve(8, gpaw_max_atoms=8, gpaw_max_hours=0.08, **short)
    assert engine == "chgnet"
    assert "some 0.09 hours, more than gpaw_max_hours = 0.08" in reason


def test_hydrogen_takes_four_times_the_steps_and_ranks_fewer_seconds():
    settings = {"equilibration_ps": 0, "production_ps": 1, "gpaw_max_atoms": 8}
    assert resolve(8, ["Li", "H"], gpaw_max_hours=0.3, **settings)[0] == "chgnet"
    ranks = {"gpaw": {"ranks": 2}}
    assert resolve(8, ["Li", "H"], gpaw_max_hours=0.3, **settings, **ranks)[0] == "gpaw"


def test_auto_takes_the_named_potential_before_chgnet(monkeypatch):
    named = {"potential": {"name": "ase.calculators.emt:EMT"}}
    assert resolve(16, **named) == ("ase.calculators.emt:EMT", "named in potential.name")
    engine, reason = resolve(16, potential={"name": "nowhere_at_all:f"})
    assert engine == "chgnet"
    assert reason.startswith("nowhere_at_all:f is not installed: put the package")
    monkeypatch.setattr(engines.potentials, "is_installed", lambda engine: False)
    assert (
        "mace is not installed: pip install mace-torch"
        in resolve(16, potential={"name": "mace"})[1]
    )


def test_external_computes_nothing():
    settings = DynamicsSettings(engine="external", external="folder")
    assert resolve_engine("external", 8, ["Li"], settings)[0] == "external"
    with pytest.raises(DynamicsError, match="computes nothing"):
        make_calculator("external", LITHIUM_CHLORIDE, DynamicsSettings())


def test_the_settings_of_a_key_are_those_that_decide_the_numbers():
    one, two = (DynamicsSettings(gpaw={"ranks": ranks}) for ranks in (1, 2))
    assert engine_settings("gpaw", LITHIUM_CHLORIDE, one) == engine_settings(
        "gpaw", LITHIUM_CHLORIDE, two
    )
    charged = engine_settings("gpaw", LITHIUM_CHLORIDE, one, charge_e=-1)
    assert charged != engine_settings("gpaw", LITHIUM_CHLORIDE, one)
    small, large = (DynamicsSettings(potential={"model": m}) for m in ("small", "large"))
    assert engine_settings("mace", LITHIUM_CHLORIDE, small) != engine_settings(
        "mace", LITHIUM_CHLORIDE, large
    )
    assert (
        engine_settings("chgnet", LITHIUM_CHLORIDE, small)
        == engine_settings("chgnet", LITHIUM_CHLORIDE, large)
        == {}
    )
