"""GPAW's parameters and its processes; GPAW itself is played by a small package."""

import gc
import os
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from ionscout.config import DynamicsSettings, GpawSettings
from ionscout.dynamics.engines import (
    engine_version,
    gpaw_process,
    make_calculator,
    reporting_faults,
)
from ionscout.dynamics.engines.gpaw import (
    Gpaw,
    choose_cutoff_ev,
    choose_parameters,
    choose_start_moments_bohr,
    describe_version,
    estimate_seconds_per_step,
)
from ionscout.dynamics.engines.gpaw_ranks import pack, unpack
from ionscout.errors import DynamicsError, StoreError

COPPER = bulk("Cu", cubic=True)
COPPER.rattle(0.05, seed=0)

# `python -m gpaw python -- FILE ...`, a world of one or more ranks, and a calculator.
PLAYED = {
    "__main__.py": "import runpy, sys; sys.argv[:] = sys.argv[3:]; runpy.run_path(sys.argv[0],"
    " run_name='__main__')",
    "__init__.py": """
import os
from ase.calculators.emt import EMT
class GPAW(EMT):
    def __init__(self, txt=None, **parameters):
        super().__init__()
        if txt:
            open(txt, "w").write(str(sorted(parameters)))
        if os.environ.get("PLAYED") == "no data":
            raise FileNotFoundError('Could not find required PAW dataset file "Cu.PBE".\\nmore')
    def get_number_of_iterations(self):
        return 7
    def calculate(self, *args):
        if os.environ.get("PLAYED") == "full":
            raise OSError(28, "No space left on device", "gpaw.log")
        if os.environ.get("PLAYED") == "dies":
            os._exit(3)
        if os.environ.get("PLAYED") == "does not converge":
            raise RuntimeError("Did not converge!")
        super().calculate(*args)
        self.results["magmoms"] = self.atoms.get_initial_magnetic_moments()
""",
    "mpi.py": """
import os, sys
class world:
    rank, size = 0, int(os.environ.get("PLAYED_SIZE", 1))
    def abort(code):
        os._exit(code)
def broadcast_bytes(content, comm):
    return content
""",
    "utilities.py": "def compiled_with_sl(): return False",
}


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Put a GPAW that is played where the child finds it, and an mpiexec that starts one rank."""
    folder = tmp_path / "gpaw"
    folder.mkdir()
    for name, content in PLAYED.items():
        (folder / name).write_text(content)
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    mpiexec.chmod(mpiexec.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return monkeypatch


def settings(**gpaw):
    return DynamicsSettings(gpaw={"python": sys.executable, **gpaw})


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_cutoff_is_that_of_the_hardest_element():
    assert choose_cutoff_ev(["Li", "Cl"]) == 300
    assert choose_cutoff_ev(["Li", "Li", "N"]) == 450
    assert choose_cutoff_ev(["Li", "U"]) == choose_cutoff_ev([]) == 500
    assert choose_parameters(GpawSettings(), ["Li", "F"])["mode"]["ecut"] == 400
    assert choose_parameters(GpawSettings(cutoff_ev=250), ["O"])["mode"]["ecut"] == 250


def test_open_shells_start_from_their_high_spin():
    parameters = choose_parameters(GpawSettings(), ["Li", "Fe", "O"])
    assert parameters["spinpol"] is True
    moments = choose_start_moments_bohr(["Li", "Fe", "O"], GpawSettings())
    assert moments.tolist() == [0, 5, 0]
    assert choose_parameters(GpawSettings(), ["Li", "Cl"])["spinpol"] is False
    assert choose_parameters(GpawSettings(spin=True), ["Li", "Cl"])["spinpol"] is True
    closed = GpawSettings(spin=False)
    assert choose_parameters(closed, ["Fe"])["spinpol"] is False
    assert not choose_start_moments_bohr(["Fe"], closed).any()


def test_atomic_orbitals_have_a_basis_and_no_stress(played):
    parameters = choose_parameters(GpawSettings(mode="lcao"), ["Li"], charge_e=-1)
    assert (parameters["mode"], parameters["basis"], parameters["h"]) == (
        {"name": "lcao"}, "dzp", 0.2
    )  # fmt: skip
    assert parameters["charge"] == -1
    assert "stress" in make_calculator("gpaw", COPPER, settings()).implemented_properties
    orbitals = make_calculator("gpaw", COPPER, settings(mode="lcao"))
    assert "stress" not in orbitals.implemented_properties


def test_the_estimate_lies_near_what_was_measured():
    for n_atoms, n_ranks, seconds in [(8, 1, 0.65), (8, 2, 0.45), (16, 1, 1.6), (96, 2, 18)]:
        assert estimate_seconds_per_step(n_atoms, n_ranks) == pytest.approx(seconds, rel=0.2)


def test_messages_keep_each_bit():
    array = np.random.default_rng(0).normal(size=(5, 3))
    unpacked = unpack(pack(array=array, text="a"))
    assert unpacked["array"].tobytes() == array.tobytes()
    assert str(unpacked["text"]) == "a"


def test_the_process_gives_the_same_bits_and_ends(played, tmp_path):
    ours, plain = COPPER.copy(), COPPER.copy()
    plain.calc = EMT()
    log = tmp_path / "gpaw.log"
    ours.calc = make_calculator("gpaw", ours, settings(), log_path=log)
    for _ in range(3):
        for atoms in (ours, plain):
            atoms.positions[0] += 0.01
        assert ours.get_potential_energy() == plain.get_potential_energy()
        np.testing.assert_array_equal(ours.get_forces(), plain.get_forces())
    assert "stress" not in ours.calc.results
    np.testing.assert_array_equal(ours.get_stress(), plain.get_stress())
    assert ours.calc.n_iterations == 7
    assert "convergence" in log.read_text()
    process, folder = ours.calc._solver._process, ours.calc._solver._folder
    ours.calc.close()
    ours.calc.close()
    assert process.returncode == 0
    assert not os.path.exists(folder)


def test_a_forgotten_calculator_ends_its_processes(played):
    calculator = make_calculator("gpaw", COPPER, settings())
    pid = calculator._solver._process.pid
    assert is_running(pid)
    del calculator
    gc.collect()
    assert not is_running(pid)


def test_the_process_of_a_killed_parent_ends_and_leaves_nothing(played, tmp_path):
    code = (
        "from ionscout.dynamics.engines.gpaw_process import GpawProcess; import os, sys;"
        "a = GpawProcess({'mode': {'name': 'pw'}}, n_ranks=1); print(a._process.pid, a._folder);"
        "sys.stdout.flush(); os.kill(os.getpid(), 9)"
    )
    played.setenv("PYTHONPATH", f"{tmp_path}:{os.pathsep.join(sys.path)}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    _, folder = done.stdout.split()
    deadline = time.monotonic() + 10
    while os.path.exists(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(folder)


def test_start_moments_reach_the_process(played):
    copper = COPPER.copy()
    copper.symbols[:] = "Cu"
    copper.calc = make_calculator("gpaw", copper, settings())
    copper.get_potential_energy()
    assert copper.calc.results["magmoms"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("played_as", "reason"),
    [
        ("no data", "gpaw has no PAW dataset PBE for Cu: pip install gpaw-data"),
        ("does not converge", "gpaw: RuntimeError: Did not converge!"),
        ("dies", r"the GPAW processes ended \(exit code 3\): it said nothing"),
    ],
)
def test_what_goes_wrong_there_has_a_reason_here(played, played_as, reason):
    played.setenv("PLAYED", played_as)
    copper = COPPER.copy()
    copper.calc = make_calculator("gpaw", copper, settings())
    with pytest.raises(DynamicsError, match=reason):
        copper.get_potential_energy()
    with pytest.raises(DynamicsError):
        copper.get_potential_energy()


def test_a_full_disk_is_no_fault_of_the_material(played):
    played.setenv("PLAYED", "full")
    copper = COPPER.copy()
    copper.calc = make_calculator("gpaw", copper, settings())
    with pytest.raises(StoreError, match="No space left on device"), reporting_faults("gpaw"):
        copper.get_potential_energy()

    class Full:
        def solve(self, question):
            raise OSError(28, "No space left on device", "gpaw.log")

    copper.calc = Gpaw(Full(), np.zeros(4), with_stress=True)
    with pytest.raises(StoreError, match=r"'gpaw\.log'; mend that"), reporting_faults("gpaw"):
        copper.get_potential_energy()


def test_a_killed_process_has_a_reason(played):
    copper = COPPER.copy()
    copper.calc = make_calculator("gpaw", copper, settings())
    copper.get_potential_energy()
    os.kill(copper.calc._solver._process.pid, signal.SIGKILL)
    time.sleep(0.1)
    copper.positions[0] += 0.01
    with pytest.raises(DynamicsError, match=r"processes ended \(exit code -9\)"):
        copper.get_potential_energy()


def test_several_ranks_need_mpi_and_plane_waves_scalapack(played):
    with pytest.raises(DynamicsError, match=r"built without MPI: install the packages openmpi"):
        make_calculator("gpaw", COPPER, settings(ranks=2))
    played.setenv("PLAYED_SIZE", "2")
    with pytest.raises(DynamicsError, match=r"without ScaLAPACK.*libscalapack-openmpi-dev"):
        make_calculator("gpaw", COPPER, settings(ranks=2))
    copper = COPPER.copy()
    copper.calc = make_calculator("gpaw", copper, settings(ranks=2, mode="lcao"))
    assert copper.get_potential_energy() > 0
    played.setattr(gpaw_process.shutil, "which", lambda name: None if name == "mpiexec" else name)
    with pytest.raises(DynamicsError, match=r"ranks: 2 need mpiexec: install"):
        make_calculator("gpaw", COPPER, settings(ranks=2))


def test_an_interpreter_without_gpaw_is_named(monkeypatch):
    with pytest.raises(DynamicsError, match=r"gpaw.python: 'nosuch' is no program"):
        make_calculator("gpaw", COPPER, settings(python="nosuch"))
    with pytest.raises(DynamicsError, match=r"'nosuch' has no gpaw"):
        engine_version("gpaw", settings(python="nosuch"))
    assert describe_version(GpawSettings(python=sys.executable)) == describe_version(GpawSettings())


def test_a_launchers_variables_do_not_stop_one_process(monkeypatch):
    """Slurm's srun sets them, and GPAW refuses to be imported."""
    code = (
        "from ionscout.dynamics.engines import make_calculator; from ase import Atoms;"
        "from ionscout.config import DynamicsSettings;"
        "make_calculator('gpaw', Atoms('Li'), DynamicsSettings()); from gpaw import GPAW;"
        "import os; print(os.environ['PMIX_RANK'])"
    )
    monkeypatch.setenv("PMIX_RANK", "0")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "0", done.stderr
