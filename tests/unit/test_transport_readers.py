import bz2
import gzip
import logging
import sys

import numpy as np
import pytest
import trajectory_files as files
from ase.io import write

from ionscout.errors import TransportError
from ionscout.transport import mean_squared_displacement
from ionscout.transport.readers import buffer, natural_key, read_trajectory

SAID = {"frame_interval_fs": files.INTERVAL_FS}


def assert_same(found, expected, atol=5e-6):
    """Equal but for a whole lattice vector in each atom's start."""
    shift = (found.positions_ang[0] - expected[0]) @ np.linalg.inv(found.cell_ang)
    np.testing.assert_allclose(shift, shift.round(), atol=10 * atol)
    path = found.positions_ang - found.positions_ang[:1]
    np.testing.assert_allclose(path, expected - expected[:1], atol=atol)
    assert found.species == files.SPECIES
    assert found.frame_interval_fs == files.INTERVAL_FS


def saved(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("changing", [False, True])
def test_xdatcar(tmp_path, changing):
    fractional, cells, positions = files.truth(changing=changing)
    assert np.ptp(fractional, axis=0).max() > 0.5
    text = files.xdatcar(fractional, cells, headers=changing)
    found = read_trajectory(saved(tmp_path, "XDATCAR", text), **SAID)
    assert_same(found, positions)
    np.testing.assert_allclose(found.cell_ang, cells.mean(axis=0), atol=1e-9)


def test_xdatcar_without_a_title_or_with_blank_lines(tmp_path):
    fractional, cells, positions = files.truth()
    text = files.xdatcar(fractional, cells).replace("title", "")
    assert_same(read_trajectory(saved(tmp_path, "XDATCAR", text), **SAID), positions)
    fractional, cells, positions = files.truth(changing=False)
    text = files.xdatcar(fractional, cells, headers=False).replace("Direct", "\nDirect") + "\n\n"
    assert_same(read_trajectory(saved(tmp_path, "XDATCAR", text), **SAID), positions)


def test_xdatcar_scaled_by_its_volume_and_of_vasp_4(tmp_path):
    fractional, cells, positions = files.truth(changing=False)
    text = files.xdatcar(fractional, cells / 2, headers=False)
    volume = abs(np.linalg.det(files.CELL))
    for scale in ("2.0", f"{-volume:.10f}", "2.0 2.0 2.0"):
        scaled = text.replace("\n1.0\n", f"\n{scale}\n", 1)
        assert_same(read_trajectory(saved(tmp_path, "XDATCAR", scaled), **SAID), positions)
    old = scaled.replace("Li S P\n", "")
    path = saved(tmp_path, "XDATCAR", old)
    with pytest.raises(TransportError, match=r"VASP 4.*give species"):
        read_trajectory(path, **SAID)
    assert_same(read_trajectory(path, species=["Li", "S", "P"], **SAID), positions)


@pytest.mark.parametrize(("suffix", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed(tmp_path, suffix, packed):
    fractional, cells, positions = files.truth(changing=False)
    path = tmp_path / f"run.XDATCAR{suffix}"
    path.write_bytes(packed(files.xdatcar(fractional, cells, headers=False).encode()))
    assert_same(read_trajectory(path, **SAID), positions)


@pytest.mark.parametrize("style", ["x", "xs", "xu", "xsu", "xi"])
def test_lammps(tmp_path, style):
    fractional, cells, positions = files.truth()
    path = saved(tmp_path, "md.lammpstrj", files.dump(fractional, cells, style))
    assert_same(read_trajectory(path, **SAID), positions)


def test_lammps_trusts_unwrapped_coordinates_and_images(tmp_path):
    fractional, cells, _ = files.truth(n_frames=600)
    sparse = fractional[::30], cells[::30]
    for style in ("xu", "xsu", "xi"):
        path = saved(tmp_path, f"{style}.dump", files.dump(*sparse, style))
        assert_same(read_trajectory(path, **SAID), sparse[0] @ sparse[1].mean(axis=0))
    path = saved(tmp_path, "x.dump", files.dump(*sparse, "x"))
    with pytest.raises(TransportError, match=r"x\.dump: frame \d+, .* cannot be unwrapped surely"):
        read_trajectory(path, **SAID)


def test_lammps_box_that_flips(tmp_path):
    fractional, cells, positions = files.truth(changing=False)
    flip = np.array([[1, 0, 0], [-1, 1, 0], [0, 0, 1]])
    for style in ("x", "xu"):
        first = files.dump(fractional[:30], cells[:30], style)
        second = files.dump(
            fractional[30:] @ np.linalg.inv(flip), flip @ cells[30:], style, first=300
        )
        path = saved(tmp_path, f"{style}.dump", first + second)
        assert_same(read_trajectory(path, **SAID), positions)


def test_lammps_types_need_elements(tmp_path):
    fractional, cells, positions = files.truth()
    path = saved(tmp_path, "md.dump", files.dump(fractional, cells, element=False))
    with pytest.raises(TransportError, match="types without elements; give species"):
        read_trajectory(path, **SAID)
    assert_same(read_trajectory(path, species=["Li", "S", "P"], **SAID), positions)
    assert_same(read_trajectory(path, species=files.SPECIES, **SAID), positions)
    masses = (
        "title\n\n3 atom types\n\nMasses\n\n1 6.94 # Li\n2 32.06\n3 30.974\n\nAtoms\n\n1 1 0 0 0\n"
    )
    data = saved(tmp_path, "data.lmp", masses)
    assert_same(read_trajectory(path, topology=data, **SAID), positions)
    with pytest.raises(TransportError, match="2 names; give one for each of 7 atoms or 3 types"):
        read_trajectory(path, species=["Li", "S"], **SAID)
    with pytest.raises(TransportError, match="'Xx' is not an element"):
        read_trajectory(path, species=["Li", "S", "Xx"], **SAID)


def test_names_for_types_stand_above_the_elements_of_the_file(tmp_path):
    fractional, cells, _ = files.truth()
    path = saved(tmp_path, "md.dump", files.dump(fractional, cells))
    found = read_trajectory(path, species=["Na", "S", "P", "Cl"], **SAID)
    assert found.species == ["Na"] * 4 + ["S"] * 2 + ["P"]
    path = tmp_path / "md.extxyz"
    write(path, files.images(fractional, cells))
    with pytest.raises(TransportError, match="1 names; give one for each of 7 atoms"):
        read_trajectory(path, species=["Na"], **SAID)


def test_lammps_time_and_units_give_the_interval(tmp_path):
    fractional, cells, positions = files.truth()
    lines = []
    for line in files.dump(fractional, cells).splitlines():
        if line == "ITEM: TIMESTEP":
            lines += ["ITEM: UNITS", "metal"] * (not lines)
            lines += ["ITEM: TIME", f"{0.02 * lines.count('ITEM: TIMESTEP')}"]
        lines.append(line)
    found = read_trajectory(saved(tmp_path, "md.dump", "\n".join(lines) + "\n"))
    assert found.frame_interval_fs == pytest.approx(20.0)
    np.testing.assert_allclose(
        found.positions_ang[-1] - found.positions_ang[0], positions[-1] - positions[0], atol=1e-5
    )


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("name", ["md.extxyz", "md.extxyz.gz", "md.traj"])
def test_ase(tmp_path, name, wrapped):
    fractional, cells, positions = files.truth()
    path = tmp_path / name
    write(path, files.images(fractional, cells, wrapped=wrapped))
    assert_same(read_trajectory(path, **SAID), positions, atol=1e-5)


@pytest.mark.parametrize("into", ["brick", "late"])
def test_wrapped_coordinates_that_span_more_than_the_cell(tmp_path, into):
    """GROMACS wraps into a brick, and LAMMPS at every tenth step or so."""
    rng = np.random.default_rng(4)
    cell = np.array([[12.0, 0, 0], [5.9, 10, 0], [-5.5, 4.8, 9]])
    steps = rng.normal(0, 0.3, (300, len(files.SPECIES), 3))
    positions = rng.random(steps.shape[1:]) @ cell + np.cumsum(steps, axis=0)
    wrapped = positions.copy()
    if into == "brick":
        for axis in (2, 1, 0):
            wrapped -= np.floor(wrapped[..., axis : axis + 1] / cell[axis, axis]) * cell[axis]
    else:
        late = np.arange(300) // 10 * 10
        wrapped -= np.floor(positions[late] @ np.linalg.inv(cell)) @ cell
    assert (np.ptp(wrapped @ np.linalg.inv(cell), axis=1) > 1).any()
    path = tmp_path / "md.extxyz"
    cells = np.broadcast_to(cell, (300, 3, 3))
    write(path, files.images(wrapped @ np.linalg.inv(cell), cells, wrapped=False))
    assert_same(read_trajectory(path, **SAID), positions, atol=2e-5)


def test_unwrapped_coordinates_with_long_steps_are_taken_as_they_are(tmp_path):
    rng = np.random.default_rng(4)
    fractional = np.cumsum(rng.normal(0, 0.25, (300, len(files.SPECIES), 3)), axis=0)
    cells = np.broadcast_to(np.diag([12.0, 13.0, 14.0]), (300, 3, 3))
    path = tmp_path / "md.extxyz"
    write(path, files.images(fractional, cells, wrapped=False))
    assert_same(read_trajectory(path, **SAID), fractional @ cells[0], atol=2e-4)


def test_vasprun(tmp_path):
    fractional, cells, positions = files.truth()
    found = read_trajectory(saved(tmp_path, "vasprun.xml", files.vasprun(fractional, cells)))
    assert_same(found, positions)
    assert found.temperature_k == 600


def test_vasprun_of_a_killed_run_keeps_whole_frames(tmp_path, caplog):
    fractional, cells, _ = files.truth()
    text = files.vasprun(fractional, cells)
    path = saved(tmp_path, "vasprun.xml", text[: text.rindex("</varray>")])
    with caplog.at_level(logging.WARNING):
        found = read_trajectory(path)
    assert "ends within a frame" in caplog.text
    np.testing.assert_allclose(
        mean_squared_displacement(found.positions_ang),
        mean_squared_displacement(fractional[:-1] @ cells[:-1].mean(axis=0)),
        atol=1e-4,
    )


@pytest.mark.parametrize("kind", ["xtc", "trr", "dcd"])
def test_binary(tmp_path, kind):
    mda = pytest.importorskip("MDAnalysis", reason="MDAnalysis is not installed")
    fractional, cells, positions = files.truth()
    path = tmp_path / f"md.{kind}"
    universe = mda.Universe.empty(len(files.SPECIES), trajectory=True)
    with mda.Writer(str(path), n_atoms=len(files.SPECIES), dt=0.02) as writer:
        for number, (frame, cell) in enumerate(zip(fractional, cells, strict=True)):
            universe.atoms.positions = (frame % 1) @ cell
            universe.trajectory.ts.triclinic_dimensions = cell
            universe.trajectory.ts.frame = number
            universe.trajectory.ts.time = 0.02 * number
            writer.write(universe.atoms)
    said = SAID if kind == "dcd" else {}
    found = read_trajectory(path, species=files.SPECIES, **said)
    assert found.frame_interval_fs == pytest.approx(20.0, rel=1e-4)
    np.testing.assert_allclose(
        found.positions_ang - found.positions_ang[:1],
        positions - positions[:1],
        atol=0.02 if kind == "xtc" else 1e-4,
    )


@pytest.mark.parametrize("kind", ["xtc", "trr", "dcd"])
def test_binary_without_mdanalysis(tmp_path, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    monkeypatch.setitem(sys.modules, f"MDAnalysis.coordinates.{kind.upper()}", None)
    path = saved(tmp_path, f"md.{kind}", "x")
    with pytest.raises(TransportError, match="pip install MDAnalysis"):
        read_trajectory(path, **SAID)


def test_pieces_join_in_natural_order_without_the_repeated_frame(tmp_path):
    fractional, cells, positions = files.truth(changing=False)
    for number, (start, stop) in enumerate([(0, 20), (19, 40), (40, 60)], start=9):
        text = files.xdatcar(fractional[start:stop], cells[start:stop], headers=False)
        saved(tmp_path, f"XDATCAR.{number}", text)
    found = read_trajectory(list(tmp_path.iterdir()), **SAID)
    assert_same(found, positions)
    assert natural_key("run9/XDATCAR") < natural_key("run10/XDATCAR")


def test_pieces_of_a_dump_go_on_in_their_steps(tmp_path):
    fractional, cells, positions = files.truth()
    for style in ("x", "xu"):
        for name, start, stop in (("a", 0, 31), ("b", 30, 60)):
            text = files.dump(fractional[start:stop], cells[start:stop], style, first=10 * start)
            saved(tmp_path, f"{style}_{name}.dump", text)
        assert_same(read_trajectory(list(tmp_path.glob(f"{style}_*")), **SAID), positions)
    text = files.dump(fractional[33:], cells[33:], "xu", first=330)
    saved(tmp_path, "xu_b.dump", text)
    with pytest.raises(TransportError, match="300 and 330 are 30 apart at the seam"):
        read_trajectory(list(tmp_path.glob("xu_*")), **SAID)


def test_pieces_that_overlap_or_are_there_twice(tmp_path):
    fractional, cells, _ = files.truth(changing=False)
    for name, start, stop in (("a", 0, 31), ("b", 25, 60)):
        text = files.dump(fractional[start:stop], cells[start:stop], "x", first=10 * start)
        saved(tmp_path, f"{name}.dump", text)
    with pytest.raises(TransportError, match=r"b\.dump.*step 250 after step 300.*overlaps"):
        read_trajectory(list(tmp_path.glob("*.dump")), **SAID)
    # a crystal at rest passes for a continuation of itself
    still = fractional[0] + np.random.default_rng(3).normal(0, 0.005, fractional.shape)
    for name in ("XDATCAR", "XDATCAR_copy"):
        saved(tmp_path, name, files.xdatcar(still, cells))
    with pytest.raises(TransportError, match=r"XDATCAR_copy: begins as a piece before does"):
        read_trajectory(list(tmp_path.glob("XDATCAR*")), **SAID)


def test_two_runs_in_one_file_are_joined_too(tmp_path):
    fractional, cells, positions = files.truth(changing=False)
    text = files.xdatcar(fractional[:30], cells[:30], headers=False)
    text += files.xdatcar(fractional[29:], cells[29:], headers=False)
    assert_same(read_trajectory(saved(tmp_path, "XDATCAR", text), **SAID), positions)


def test_strangers_are_not_joined(tmp_path):
    fractional, cells, _ = files.truth(changing=False)
    stranger, _, _ = files.truth(seed=5, changing=False)
    near = fractional[-1] + np.random.default_rng(2).normal(0, 0.12, fractional[-1].shape)
    a = saved(tmp_path, "XDATCAR_1", files.xdatcar(fractional, cells))
    b = saved(tmp_path, "XDATCAR_2", files.xdatcar(stranger - stranger[0] + near, cells))
    with pytest.raises(TransportError, match=r"XDATCAR_2.*across the seam.*not consecutive"):
        read_trajectory([a, b], **SAID)
    b.write_text(files.xdatcar(fractional, cells).replace("Li S P", "Na S P"))
    with pytest.raises(TransportError, match="other atoms than in the first piece"):
        read_trajectory([a, b], **SAID)


def test_a_big_trajectory_goes_through_a_scratch_file(tmp_path, monkeypatch):
    fractional, cells, positions = files.truth()
    path = saved(tmp_path, "XDATCAR", files.xdatcar(fractional, cells))
    held = read_trajectory(path, **SAID).positions_ang
    monkeypatch.setattr(buffer, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(buffer, "SPILL_BYTES", 2000)
    monkeypatch.setattr("ionscout.transport.readers.join.BLOCK_BYTES", 24 * 7 * 11)
    scratch = tmp_path / "scratch"
    with pytest.raises(TransportError, match="give scratch_dir a folder"):
        read_trajectory(path, scratch_dir=scratch, **SAID)
    scratch.mkdir()
    found = read_trajectory(path, scratch_dir=scratch, **SAID)
    assert isinstance(found.positions_ang.base, np.memmap)
    assert list(scratch.iterdir()) == []
    np.testing.assert_array_equal(found.positions_ang, held)
    assert_same(found, positions)
    assert found.positions_ang.transpose(1, 2, 0).flags.c_contiguous
