import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trajectory_files as files

from ionscout.errors import TransportError
from ionscout.transport.__main__ import main
from ionscout.transport.folder import find_runs, input_files

FRACTIONAL, CELLS, _ = files.truth(n_frames=40, changing=False)
XDATCAR = files.xdatcar(FRACTIONAL, CELLS, headers=False)


def put(root, place, text=XDATCAR):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_materials_temperatures_and_replicas(tmp_path):
    for place in ("lps/600K/a", "lps/600K/b", "lps/900 K", "lgps/run_700.5K_x"):
        put(tmp_path, f"{place}/XDATCAR")
    put(tmp_path, "lps/600K/b/notes.txt", "nothing")
    put(tmp_path, "run.yaml", "frame_interval_fs: 20\n")
    runs = find_runs(tmp_path)
    assert [(run.material_id, run.temperature_k, run.replica) for run in runs] == [
        ("lgps", 700.5, 0),
        ("lps", 600.0, 0),
        ("lps", 600.0, 1),
        ("lps", 900.0, 0),
    ]
    trajectory = runs[1].load()
    assert trajectory.temperature_k == 600
    assert trajectory.frame_interval_fs == 20


def test_one_folder_is_one_run_of_the_roots_name(tmp_path):
    root = tmp_path / "argyrodite"
    put(root, "XDATCAR_2", files.xdatcar(FRACTIONAL[20:], CELLS[20:]))
    put(root, "XDATCAR_1", files.xdatcar(FRACTIONAL[:20], CELLS[:20]))
    put(root, "INCAR", "POTIM = 2\nNBLOCK = 10\nTEBEG = 500\n")
    (run,) = find_runs(root)
    assert (run.material_id, run.temperature_k) == ("argyrodite", 500)
    assert len(run.load().positions_ang) == 40


def test_nearer_run_files_come_first_and_paths_are_relative_to_them(tmp_path):
    put(tmp_path, "x/hot/md.dump", files.dump(FRACTIONAL, CELLS, element=False))
    put(tmp_path, "x/masses.lmp", "t\n\nMasses\n\n1 6.94\n2 32.06\n3 30.97\n\nAtoms\n")
    put(tmp_path, "x/run.yaml", "topology: masses.lmp\ntemperature_k: 500\nframe_interval_fs: 9\n")
    put(tmp_path, "x/hot/run.yaml", "temperature_k: 800\n")
    (run,) = find_runs(tmp_path, temperature_k=300, frame_interval_fs=1)
    trajectory = run.load()
    assert trajectory.species == files.SPECIES
    assert (trajectory.temperature_k, trajectory.frame_interval_fs) == (800, 9)


@pytest.mark.parametrize("name", ["600K", "600 K", "600_K", "T600K", "npt-T=600K_2", "600k"])
def test_the_nearest_name_gives_the_temperature(tmp_path, name):
    put(tmp_path, f"heated_900K/{name}/part/XDATCAR")
    (run,) = find_runs(tmp_path, frame_interval_fs=20)
    assert run.temperature_k == 600
    assert run.material_id == "heated_900K"


def test_names_that_are_no_temperature(tmp_path):
    put(tmp_path, "LiK600/12Kx/XDATCAR")
    (run,) = find_runs(tmp_path, frame_interval_fs=20)
    assert run.temperature_k is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("frame_interval: 3", "unknown key 'frame_interval'"),
        ("- 3", "keys with values"),
        ("a: [", "no YAML"),
        ("temperature_k: hot", "temperature_k = 'hot' is not a number"),
        ("species: Li", "not a list"),
    ],
)
def test_a_bad_run_file_is_the_fault_of_its_runs(tmp_path, text, reason):
    put(tmp_path, "a/600K/XDATCAR")
    put(tmp_path, "b/600K/XDATCAR")
    put(tmp_path, "a/run.yaml", text)
    faulty, sound = find_runs(tmp_path, frame_interval_fs=20)
    assert reason in faulty.fault
    assert "\n" not in faulty.fault
    assert faulty.temperature_k == 600
    with pytest.raises(TransportError, match=r"run\.yaml"):
        faulty.load()
    assert sound.fault is None


def test_two_formats_in_a_folder_need_a_choice(tmp_path):
    put(tmp_path, "a/600K/XDATCAR")
    put(tmp_path, "a/600K/md.dump", files.dump(FRACTIONAL, CELLS))
    (run,) = find_runs(tmp_path, frame_interval_fs=20)
    assert "formats lammps-dump and xdatcar" in run.fault
    put(tmp_path, "run.yaml", "format: xdatcar")
    (run,) = find_runs(tmp_path, frame_interval_fs=20)
    assert [path.name for path in run.paths] == ["XDATCAR"]
    assert run.temperature_k == 600


def test_no_temperature_and_no_folder(tmp_path):
    put(tmp_path, "a/XDATCAR")
    (run,) = find_runs(tmp_path, frame_interval_fs=20)
    assert run.temperature_k is None
    with pytest.raises(TransportError, match="temperature is not known"):
        run.load()
    with pytest.raises(TransportError, match="no such folder"):
        find_runs(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TransportError, match="no trajectory files"):
        find_runs(tmp_path / "empty")


def walk(diffusivity_ang2_ps, seed):
    """Twelve lithium ions that walk through a framework of sulfur, 50 ps at 50 fs."""
    rng = np.random.default_rng(seed)
    size = np.array([12.0, 13.0, 14.0])
    steps = rng.normal(0, np.sqrt(2 * diffusivity_ang2_ps * 0.05), (1000, 12, 3))
    lithium = rng.random((12, 3)) * size + np.cumsum(steps, axis=0)
    sulfur = rng.random((6, 3)) * size + rng.normal(0, 0.05, (1000, 6, 3))
    lines = ["walk", "1.0", "12 0 0", "0 13 0", "0 0 14", "Li S", "12 6"]
    for number, frame in enumerate(np.concatenate([lithium, sulfur], axis=1) / size % 1):
        lines.append(f"Direct configuration= {number + 1}")
        lines += [" ".join(f"{v:.8f}" for v in row) for row in frame]
    return "\n".join(lines) + "\n"


def test_temperatures_below_the_root_are_of_one_material(tmp_path):
    for place in ("600K", "900K/a"):
        put(tmp_path, f"lgps/{place}/XDATCAR")
    runs = find_runs(tmp_path / "lgps", frame_interval_fs=20)
    assert [(run.material_id, run.temperature_k) for run in runs] == [("lgps", 600), ("lgps", 900)]


def test_a_temperature_that_the_files_contradict(tmp_path):
    put(tmp_path, "a/600K/XDATCAR")
    put(tmp_path, "a/600K/INCAR", "POTIM = 2\nTEBEG = 900\n")
    (run,) = find_runs(tmp_path)
    assert "900 K in the files, but 600 K" in run.fault
    put(tmp_path, "run.yaml", "temperature_k: 900\n")
    (run,) = find_runs(tmp_path)
    assert (run.fault, run.temperature_k) == (None, 900)


def test_links_to_folders_are_followed_once(tmp_path):
    put(tmp_path, "disk/600K/XDATCAR")
    root = tmp_path / "root"
    put(root, "b/900K/XDATCAR")
    (root / "a").symlink_to(tmp_path / "disk")
    (root / "b" / "best").symlink_to(root / "b" / "900K")
    (root / "b" / "up").symlink_to(root)
    runs = find_runs(root, frame_interval_fs=20)
    assert [(run.material_id, run.temperature_k) for run in runs] == [("a", 600), ("b", 900)]


def test_a_folder_that_cannot_be_read_is_a_row(tmp_path, monkeypatch):
    put(tmp_path, "a/600K/XDATCAR")
    put(tmp_path, "b/600K/XDATCAR")
    put(tmp_path, "c/600K/XDATCAR")
    put(tmp_path, "c/run.yaml", "temperature_k: 300\n")
    put(tmp_path, "d/XDATCAR")
    put(tmp_path, "d/INCAR", "POTIM = 2\n")

    def closed(function):
        def refused(path, *args, **keywords):
            if path in (tmp_path / "b" / "600K", tmp_path / "c/run.yaml", tmp_path / "d/INCAR"):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **keywords)

        return refused

    monkeypatch.setattr(Path, "iterdir", closed(Path.iterdir))
    monkeypatch.setattr(Path, "read_text", closed(Path.read_text))
    sound, folder, run_file, incar = find_runs(tmp_path, frame_interval_fs=20)
    assert sound.fault is None
    for run in (folder, run_file):
        assert "cannot be read (Permission denied)" in run.fault
    with pytest.raises(TransportError, match="Permission denied"):
        incar.load()


def test_input_files_are_all_that_is_read(tmp_path):
    put(tmp_path, "x/600K/md.dump", files.dump(FRACTIONAL, CELLS, element=False))
    put(tmp_path, "x/masses.lmp", "t\n\nMasses\n\n1 6.94\n2 32.06\n3 30.97\n\nAtoms\n")
    put(tmp_path, "x/run.yaml", "topology: masses.lmp\n")
    put(tmp_path, "y/600K/XDATCAR")
    put(tmp_path, "y/600K/INCAR", "POTIM = 2\n")
    put(tmp_path, "y/600K/OUTCAR", "")
    put(tmp_path, "run.yaml", "# nothing said\n")
    named = [str(path.relative_to(tmp_path)) for path in input_files(tmp_path)]
    assert named == [
        "run.yaml",
        "x/600K/md.dump",
        "x/masses.lmp",
        "x/run.yaml",
        "y/600K/INCAR",
        "y/600K/XDATCAR",
    ]


def test_the_command_writes_tables_and_a_line_a_run(tmp_path, capsys, caplog):
    for number, kelvin in enumerate((700, 900, 1200)):
        diffusivity = 3.0 * np.exp(-0.15 / 8.617e-5 * (1 / kelvin - 1 / 1200))
        put(tmp_path, f"walker/{kelvin}K/XDATCAR", walk(diffusivity, number))
    put(tmp_path, "broken/600K/XDATCAR", XDATCAR.replace("Li", "Qq"))
    output = tmp_path / "tables"
    with caplog.at_level(logging.ERROR):
        code = main([str(tmp_path), "--output", str(output), "--frame-interval-fs", "50"])
    printed = capsys.readouterr().out
    assert code == 0
    assert len(printed.splitlines()) == 4 + 2 + 1
    assert "'Qq' is not an element" in printed
    diffusivity = pd.read_csv(output / "diffusivity.csv").set_index("material_id")
    assert list(diffusivity.loc["walker", "verdict"]) == ["diffusive"] * 3
    assert diffusivity.loc["walker", "diffusivity_cm2_s"].iloc[2] == pytest.approx(3e-4, rel=0.3)
    assert diffusivity.loc["broken", "verdict"] == "unresolved"
    conductivity = pd.read_csv(output / "conductivity.csv").set_index("material_id")
    assert conductivity.loc["walker", "sigma_300k_s_cm"] > 0
    assert set(pd.read_parquet(output / "msd.parquet")["temperature_k"]) == {700, 900, 1200}
    assert json.loads((output / "arrhenius.json").read_text())["walker"]["line"]


def test_the_command_says_when_it_cannot(tmp_path, capsys):
    assert main([str(tmp_path / "nothing")]) == 2
    assert "no such folder" in capsys.readouterr().err
    put(tmp_path, "a/600K/XDATCAR")
    assert main([str(tmp_path)]) == 1
    assert "give frame_interval_fs" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0


@pytest.mark.parametrize(("incar", "chosen"), [("POTIM = 2\n", "xdatcar"), (None, "vasprun")])
def test_vasp_writes_a_run_twice(tmp_path, incar, chosen):
    put(tmp_path, "600K/XDATCAR")
    put(tmp_path, "600K/vasprun.xml", "<modeling>")
    if incar:
        put(tmp_path, "600K/INCAR", incar)
    (run,) = find_runs(tmp_path)
    assert run.fault is None
    assert [path.name.lower().removesuffix(".xml") for path in run.paths] == [chosen]
