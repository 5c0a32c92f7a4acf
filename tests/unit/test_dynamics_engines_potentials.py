"""Potentials by name and by dotted path; the four packages are played by small ones."""

import importlib
import sys

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from ionscout.config import DynamicsSettings
from ionscout.dynamics.engines import engine_version, make_calculator, reporting_faults
from ionscout.errors import DynamicsError

COPPER = bulk("Cu", cubic=True)
COPPER.rattle(0.05, seed=0)

CALCULATOR = """
from ase.calculators.emt import EMT

class Played(EMT):
    def __init__(self, **given):
        super().__init__()
        self.given = given
"""
MACE = (
    CALCULATOR
    + """
def mace_mp(model=None, device="", default_dtype="float32", dispersion=False, **kwargs):
    if model == "not-there":
        raise RuntimeError("Model download failed and no local model found")
    return Played(model=model, device=device, default_dtype=default_dtype, dispersion=dispersion)
"""
)
SEVENNET = (
    CALCULATOR
    + """
class SevenNetCalculator(Played):
    def __init__(self, model="7net-0", file_type="checkpoint", device="auto", modal=None):
        super().__init__(model=model, file_type=file_type, device=device, modal=modal)
"""
)
MATTERSIM = (
    CALCULATOR
    + """
class MatterSimCalculator(Played):
    def __init__(self, potential=None, args_dict={}, compute_stress=True, device="cpu", **kwargs):
        super().__init__(device=device, compute_stress=compute_stress, **kwargs)
"""
)
ORB_PRETRAINED = """
def load(weights_path="https://", device=None, precision="float32-high", compile=None):
    return dict(weights_path=weights_path, device=device, precision=precision, compile=compile)
ORB_PRETRAINED_MODELS = {"orb-v3-conservative-inf-omat": load}
"""
ORB_OLD = (
    CALCULATOR
    + """
class ORBCalculator(Played):
    def __init__(self, model, *, conservative=None, device=None):
        super().__init__(network=model, device=device, conservative=conservative)
"""
)
ORB_NEW = (
    CALCULATOR
    + """
class ORBCalculator(Played):
    def __init__(self, model, atoms_adapter, device=None, conservative=None):
        super().__init__(network=model, adapter=atoms_adapter, device=device)
"""
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that puts modules where Python finds them."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(modules):
        for name, content in modules.items():
            file = tmp_path / (name.replace(".", "/") + ".py")
            for folder in file.relative_to(tmp_path).parents:
                (tmp_path / folder).mkdir(parents=True, exist_ok=True)
                if str(folder) != ".":
                    (tmp_path / folder / "__init__.py").touch()
            file.write_text(content)
        importlib.invalidate_caches()

    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("mace", "sevenn", "mattersim", "orb_models", "mine"):
            del sys.modules[name]


def make(engine, **potential):
    return make_calculator(engine, COPPER, DynamicsSettings(potential=potential))


def given(engine, **potential):
    calculator = make(engine, **potential)
    atoms = COPPER.copy()
    atoms.calc = calculator
    assert np.abs(atoms.get_forces()).max() > 0.1
    return calculator.given


def test_mace_gets_its_own_keywords(package):
    package({"mace.calculators": MACE})
    assert given("mace") == {
        "model": "medium-mpa-0", "device": "", "default_dtype": "float32", "dispersion": False
    }  # fmt: skip
    asked = given(
        "mace", model="a.model", device="cuda", dtype="float64", arguments={"dispersion": True}
    )
    assert asked == {
        "model": "a.model", "device": "cuda", "default_dtype": "float64", "dispersion": True
    }  # fmt: skip


def test_sevennet_gets_its_own_keywords(package):
    package({"sevenn.calculator": SEVENNET})
    assert given("sevennet")["model"] == "7net-0"
    asked = given("sevennet", model="7net-mf-ompa", device="cpu", arguments={"modal": "mpa"})
    assert (asked["model"], asked["device"], asked["modal"]) == ("7net-mf-ompa", "cpu", "mpa")
    with pytest.raises(DynamicsError, match=r"potential.dtype: sevennet knows none"):
        make("sevennet", dtype="float64")


def test_mattersim_gets_its_own_keywords(package):
    package({"mattersim.forcefield": MATTERSIM})
    asked = given("mattersim", device="cuda", arguments={"compute_stress": False})
    assert asked == {
        "load_path": "MatterSim-v1.0.0-1M.pth", "device": "cuda", "compute_stress": False
    }  # fmt: skip


def test_orb_of_both_generations(package):
    old = {"orb_models.forcefield.pretrained": ORB_PRETRAINED}
    package({**old, "orb_models.forcefield.calculator": ORB_OLD})
    asked = given("orb", device="cpu", arguments={"weights_path": "a.ckpt", "conservative": True})
    assert asked["network"] == {
        "weights_path": "a.ckpt", "device": "cpu", "precision": "float32-highest", "compile": False
    }  # fmt: skip
    assert asked["conservative"] is True
    with pytest.raises(DynamicsError, match=r"orb: KeyError: 'orb-v9'"):
        make("orb", model="orb-v9")


def test_orb_with_an_adapter(package):
    pretrained = ORB_PRETRAINED.replace("return dict(", "return dict(a=1), dict(")
    package(
        {
            "orb_models.forcefield.pretrained": pretrained,
            "orb_models.forcefield.inference.calculator": ORB_NEW,
        }
    )
    asked = given("orb", dtype="float64")
    assert asked["network"] == {"a": 1}
    assert asked["adapter"]["precision"] == "float64"


@pytest.mark.parametrize(
    ("engine", "pip"),
    [
        ("mace", "mace-torch"),
        ("sevennet", "sevenn"),
        ("mattersim", "mattersim"),
        ("orb", "orb-models"),
    ],
)
def test_a_missing_package_says_what_to_install(monkeypatch, engine, pip):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DynamicsError, match=f"'{engine}' is not installed: pip install {pip}$"):
        make(engine)


def test_missing_weights_say_where_they_are_and_which_key_names_a_file(package):
    package({"mace.calculators": MACE})
    with pytest.raises(DynamicsError) as error:
        make("mace", model="not-there")
    assert "RuntimeError: Model download failed" in str(error.value)
    assert "mace-foundations; name it in dynamics.potential.model" in str(error.value)


def test_a_broken_package_says_so(package):
    package({"mace.calculators": "import nothing_of_that_name"})
    with pytest.raises(DynamicsError, match=r"nothing_of_that_name.*--upgrade mace-torch"):
        make("mace")


def test_a_dotted_path_gives_the_forces_of_its_own_calculator():
    ours, plain = COPPER.copy(), COPPER.copy()
    ours.calc = make("ase.calculators.emt:EMT")
    plain.calc = EMT()
    np.testing.assert_array_equal(ours.get_forces(), plain.get_forces())


def test_stock_chgnet_by_its_path_gives_our_forces():
    crystal = bulk("LiCl", "rocksalt", a=5.13, cubic=True)
    crystal.rattle(0.1, seed=0)
    stock, ours = crystal.copy(), crystal.copy()
    stock.calc = make("chgnet.model.dynamics:CHGNetCalculator", arguments={"use_device": "cpu"})
    ours.calc = make("chgnet")
    np.testing.assert_allclose(stock.get_forces(), ours.get_forces(), atol=1e-4)


def test_a_dotted_path_takes_its_arguments():
    argon = bulk("Ar", cubic=True)
    energies = []
    for epsilon in (0.01, 0.03):
        arguments = {"epsilon": epsilon, "sigma": 3.4, "rc": 8.0}
        argon.calc = make("ase.calculators.lj:LennardJones", arguments=arguments)
        energies.append(argon.get_potential_energy())
    assert energies[1] == pytest.approx(3 * energies[0])


@pytest.mark.parametrize(
    ("engine", "potential", "reason"),
    [
        ("nowhere_at_all:f", {}, "not installed: put the package 'nowhere_at_all'"),
        ("ase.calculators.emt:EMMT", {}, "does not load: AttributeError"),
        ("ase.build:bulk", {"arguments": {"name": "Cu", "x": 1}}, "TypeError: bulk.. got an"),
        ("ase.calculators.emt:EMT", {"arguments": {"model": 1}, "model": "m"}, "stands outside"),
        ("ase.build:bulk", {"arguments": {"name": "Cu"}}, "gave no ASE calculator with energy"),
    ],
)
def test_a_dotted_path_that_gives_nothing_says_why(engine, potential, reason):
    with pytest.raises(DynamicsError, match=reason):
        make(engine, **potential)


def test_errors_in_a_strangers_package_become_one_line():
    atoms = bulk("LiCl", "rocksalt", a=5.13)
    engine = "ase.calculators.emt:EMT"
    atoms.calc = make(engine)
    with (
        pytest.raises(DynamicsError, match="NotImplementedError: No EMT-potential for Li"),
        reporting_faults(engine),
    ):
        atoms.get_forces()


def test_the_version_names_package_model_and_the_content_of_files(package, tmp_path):
    package({"mace.calculators": MACE, "mine": CALCULATOR})
    file = tmp_path / "tuned.model"
    versions = []
    for content in ("one", "two"):
        file.write_text(content)
        settings = DynamicsSettings(potential={"model": str(file)})
        versions.append(engine_version("mace", settings))
        assert "mace" in versions[-1]
        assert "tuned.model sha256 " in versions[-1]
    assert versions[0] != versions[1]
    settings = DynamicsSettings(potential={"arguments": {"weights_path": str(file)}})
    assert engine_version("mine:Played", settings).startswith("mine:Played, mine without a version")
    assert "sha256" in engine_version("mine:Played", settings)
    assert "ase 3" in engine_version("ase.calculators.emt:EMT", settings)
