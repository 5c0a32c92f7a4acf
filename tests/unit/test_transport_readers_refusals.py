import logging
import shutil

import numpy as np
import pytest
import trajectory_files as files
from ase.io import write

from ionscout.errors import TransportError
from ionscout.transport import estimate_diffusivity, remove_drift
from ionscout.transport.readers import read_trajectory
from ionscout.transport.readers.text import NUMBER, SKIP, WORD, TextFile, decode_word

SAID = {"frame_interval_fs": files.INTERVAL_FS}
FRACTIONAL, CELLS, POSITIONS = files.truth(n_frames=12)
FIXED = np.repeat(files.CELL[None], 12, axis=0)
XDATCAR = files.xdatcar(FRACTIONAL, FIXED, headers=False)
DUMP = files.dump(FRACTIONAL, CELLS)


def refusal(folder, name, text, **said):
    path = folder / name
    path.write_text(text)
    with pytest.raises(TransportError) as caught:
        read_trajectory(path, **(SAID | said))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def replaced_line(text, number, line):
    lines = text.splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


def without_line(text, number):
    lines = text.splitlines()
    return "\n".join(lines[: number - 1] + lines[number:]) + "\n"


@pytest.mark.parametrize(
    ("number", "line", "reason"),
    [
        (2, "scale", "line 2: 'scale' is not the scale"),
        (3, "9.0 0.0", "line 3: '9.0 0.0' is not a lattice vector"),
        (4, "9.0 0.0 0.0", "the cell has no volume"),
        (6, "Li S Zz", "line 6: 'Zz' is not an element"),
        (7, "4 2", "line 7: 2 counts for 3 elements"),
        (7, "4 2 -1", "line 7: '4 2 -1' are not numbers of atoms"),
        (8, "Cartesian configuration= 1", "line 8: .* fractional"),
        (10, "0.1 nan 0.3", r"line 10: '0.1 nan 0.3' stands .*atom 2 of 7"),
        (10, "0.1 0.3", "line 10: '0.1 0.3' stands"),
        (10, "0.1 0.2 0.3 0.4", "line 10"),
        (10, "************ 0.2 0.3", "line 10"),
        (10, "", "line 10"),
    ],
)
def test_faults_in_an_xdatcar(tmp_path, number, line, reason):
    import re

    assert re.search(reason, refusal(tmp_path, "XDATCAR", replaced_line(XDATCAR, number, line)))


def test_a_line_too_few_or_too_many(tmp_path):
    assert "line 15: 'Direct" in refusal(tmp_path, "XDATCAR", without_line(XDATCAR, 10))
    text = replaced_line(XDATCAR, 10, "0.1 0.2 0.3\n0.1 0.2 0.3")
    assert "line 17" in refusal(tmp_path, "XDATCAR", text)


def test_a_missing_frame(tmp_path):
    text = XDATCAR
    for _ in range(8):
        text = without_line(text, 32)
    assert "steps 3 and 5 are 2 apart" in refusal(tmp_path, "XDATCAR", text)


@pytest.mark.parametrize("cut", [5, 40, 200])
def test_the_cut_off_last_frame_is_left_out(tmp_path, caplog, cut):
    (tmp_path / "XDATCAR").write_text(XDATCAR[:-cut])
    with caplog.at_level(logging.WARNING):
        found = read_trajectory(tmp_path / "XDATCAR", **SAID)
    assert len(found.positions_ang) == 11
    assert "ends within a frame" in caplog.text


def test_a_last_line_without_newline_counts(tmp_path):
    (tmp_path / "XDATCAR").write_text(XDATCAR.rstrip())
    assert len(read_trajectory(tmp_path / "XDATCAR", **SAID).positions_ang) == 12


def test_empty_and_missing_files(tmp_path):
    assert "empty" in refusal(tmp_path, "XDATCAR", "")
    assert "empty" in refusal(tmp_path, "XDATCAR", "\n")
    assert "no known trajectory" in refusal(tmp_path, "notes.txt", "x")
    with pytest.raises(TransportError, match="no such file"):
        read_trajectory(tmp_path / "nothing", **SAID)
    with pytest.raises(TransportError, match="no trajectory files"):
        read_trajectory([], **SAID)
    with pytest.raises(TransportError, match="frame_interval_fs = -1"):
        read_trajectory(tmp_path / "XDATCAR", frame_interval_fs=-1)
    with pytest.raises(TransportError, match="format 'nc' is unknown"):
        read_trajectory(tmp_path / "XDATCAR", format="nc", **SAID)


def test_the_time_step_is_asked_for(tmp_path):
    for name, text in [("XDATCAR", XDATCAR), ("a.dump", DUMP)]:
        message = refusal(tmp_path, name, text, frame_interval_fs=None)
        assert "give frame_interval_fs" in message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ITEM: TIMESTEP\n20\n", "ITEM: TIMESTEP\n25\n", "steps 10 and 25 are 15 apart"),
        ("ITEM: TIMESTEP\n20\n", "ITEM: TIMESTEP\nx\n", "'x' is not a whole number"),
        ("id type", "type", "lack id or coordinates"),
        ("x y z", "vx vy vz", "lack id or coordinates"),
        ("\n7\n", "\n6\n", "where an ITEM of a dump is due"),
        ("ITEM: BOX", "ITEM: BAX", "where an ITEM of a dump is due"),
        ("\n1 1 Li", "\n2 1 Li", "an id occurs twice"),
    ],
)
def test_faults_in_a_dump(tmp_path, old, new, reason):
    assert old in DUMP
    assert reason in refusal(tmp_path, "md.dump", DUMP.replace(old, new))


def test_atoms_of_a_dump_that_change(tmp_path):
    head, last = DUMP[: DUMP.rindex("ITEM: TIMESTEP")], DUMP[DUMP.rindex("ITEM: TIMESTEP") :]
    swapped = head + last.replace("\n5 2 S", "\n5 1 Li")
    assert "other types than in the first frame" in refusal(tmp_path, "md.dump", swapped)
    other = head + last.replace("\n7 3 P", "\n8 3 P")
    assert "other ids of atoms" in refusal(tmp_path, "md.dump", other)
    fewer = "\n".join(line for line in last.splitlines() if not line.startswith("7 3"))
    fewer = head + fewer.replace("ATOMS\n7\n", "ATOMS\n6\n") + "\n"
    assert "the frame has 6 atoms, the first 7" in refusal(tmp_path, "md.dump", fewer)


def test_a_dump_that_is_cut_off(tmp_path):
    (tmp_path / "md.dump").write_text(DUMP[:-60])
    assert len(read_trajectory(tmp_path / "md.dump", **SAID).positions_ang) == 11


def test_faults_in_extxyz(tmp_path):
    frames = files.images(FRACTIONAL, CELLS)
    path = tmp_path / "md.extxyz"

    def message():
        write(path, frames)
        return refusal(tmp_path, "md.extxyz", path.read_text())

    frames[4].positions[2, 1] = np.nan
    assert "frame 5: the position of atom 3 is not a number" in message()
    frames[4] = frames[4][::-1]
    assert "frame 5: the atoms have another order" in message()
    frames[4] = frames[3][:-1]
    assert "frame 5: 6 atoms, but 7" in message()
    frames[4] = frames[3].copy()
    frames[4].set_cell(None)
    assert "frame 5: no cell" in message()
    assert "cannot be read as extxyz" in refusal(tmp_path, "md.extxyz", "7\nx\nLi 0\n")


def test_extxyz_that_is_cut_off_or_damaged_within(tmp_path):
    path = tmp_path / "md.extxyz"
    write(path, files.images(FRACTIONAL, CELLS))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n")
    assert len(read_trajectory(path, **SAID).positions_ang) == 11
    lines[40] = "Li 0.1 x"
    assert "frame 5: damaged" in refusal(tmp_path, "md.extxyz", "\n".join(lines) + "\n")


def test_another_cell_is_refused(tmp_path):
    cells = CELLS.copy()
    cells[6:] *= 1.5
    message = refusal(tmp_path, "XDATCAR", files.xdatcar(FRACTIONAL, cells))
    assert "frame 7: the cell is not that of the first frame" in message


def test_faults_in_a_vasprun(tmp_path):
    text = files.vasprun(FRACTIONAL, CELLS)
    assert "cut off before the atoms" in refusal(tmp_path, "vasprun.xml", text[:100])
    assert "without atoms" in refusal(
        tmp_path, "vasprun.xml", text.replace("<rc>", "<r>").replace("</rc>", "</r>")
    )
    damaged = text[: len(text) // 2] + "<<" + text[len(text) // 2 :]
    assert "damaged (not well-formed" in refusal(tmp_path, "vasprun.xml", damaged)
    static = text.replace("<i name='POTIM'>", "<i name='IBRION'>2</i><i name='POTIM'>")
    message = refusal(tmp_path, "vasprun.xml", static, frame_interval_fs=None)
    assert "IBRION = 2 is not molecular dynamics" in message
    assert "no whole frame" in refusal(
        tmp_path, "vasprun.xml", text[: text.index("</calculation>")]
    )


@pytest.mark.parametrize("name", ["XDATCAR", "md.dump", "vasprun.xml", "md.extxyz", "md.traj"])
def test_damage_is_refused_or_read_over_but_never_a_traceback(tmp_path, name):
    path = tmp_path / name
    texts = {"XDATCAR": XDATCAR, "md.dump": DUMP, "vasprun.xml": files.vasprun(FRACTIONAL, FIXED)}
    if name in texts:
        path.write_text(texts[name])
    else:
        write(path, files.images(FRACTIONAL, CELLS))
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    refusals = []
    for _ in range(60):
        damaged = bytearray(sound)
        for place in rng.integers(0, len(sound), 3):
            damaged[place] = rng.choice(bytearray(b"x-9. \n=\0<\xff"))
        path.write_bytes(damaged[: rng.integers(1, len(sound))] if rng.random() < 0.3 else damaged)
        try:
            found = read_trajectory(path, **SAID)
        except TransportError as error:
            refusals.append(str(error))
        else:
            assert np.isfinite(found.positions_ang).all()
    assert len(refusals) > 5
    assert all(str(path) in message for message in refusals)


def test_numbers_are_parsed_as_python_does(tmp_path):
    rng = np.random.default_rng(0)
    words = [
        f"{v:.{d}g}"
        for v in rng.normal(0, 1e3, 300) * 10.0 ** rng.integers(-30, 30, 300)
        for d in (3, 8, 17)
    ]
    words += [
        "1",
        "-0",
        "+.5",
        "7.",
        "1E+03",
        "123456789012345678901234",
        "0.000000000000000000012",
    ]
    (tmp_path / "t").write_text("".join(f"  Li {word}\t9\r\n" for word in words))
    kinds = np.array([WORD, NUMBER, SKIP])
    table = TextFile(tmp_path / "t").rows(len(words), kinds)
    np.testing.assert_allclose(table[:, 1], [float(word) for word in words], rtol=4e-16)
    assert decode_word(table[0, 0]) == "Li"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("XDATCAR_cell_wrong", "line 3: 'cell 0.0  0.0' is not a lattice vector"),
        ("XDATCAR_composition_wrong", "line 6: 'c' is not an element"),
        ("XDATCAR_pos_wrong", "line 390: 'Direct configuration=    10' stands"),
        ("XDATCAR_scale_wrong", "line 2: 'scale' is not the scale"),
    ],
)
def test_malformed_files_of_others(shared_data, name, reason):
    path = shared_data / "trajectories" / "malformed_xdatcar" / name / "XDATCAR"
    with pytest.raises(TransportError) as caught:
        read_trajectory(path)
    assert f"{path}, {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "interval_fs"),
    [("INCAR_both_ok", 15.0), ("INCAR_NBLOCK_missing", 1.5), ("INCAR_POTIM_missing", None)],
)
def test_incar_beside_an_xdatcar(shared_data, tmp_path, name, interval_fs):
    folder = shared_data / "trajectories" / "malformed_xdatcar"
    shutil.copy(folder / "XDATCAR_ok" / "XDATCAR", tmp_path / "XDATCAR")
    shutil.copy(folder / name / "INCAR", tmp_path / "INCAR")
    if interval_fs is None:
        with pytest.raises(TransportError, match=r"give frame_interval_fs.*POTIM"):
            read_trajectory(tmp_path / "XDATCAR")
    else:
        assert read_trajectory(tmp_path / "XDATCAR").frame_interval_fs == interval_fs
    assert read_trajectory(tmp_path / "XDATCAR", frame_interval_fs=3).frame_interval_fs == 3


@pytest.mark.parametrize(
    ("incar", "interval_fs", "kelvin"),
    [
        ("potim = 2 ; NBLOCK=5 ! every fifth\nTEBEG = 600; TEEND = 600", 10.0, 600.0),
        ("POTIM = 2 # POTIM = 3\nTEBEG = 600\nTEEND = 900", 2.0, None),
        ("IBRION = 0\nPOTIM = 1.5 fs\nTEBEG = XXX.X", 1.5, None),
    ],
)
def test_keys_of_an_incar(tmp_path, incar, interval_fs, kelvin):
    (tmp_path / "XDATCAR").write_text(XDATCAR)
    (tmp_path / "INCAR").write_text(incar)
    found = read_trajectory(tmp_path / "XDATCAR")
    assert (found.frame_interval_fs, found.temperature_k) == (interval_fs, kelvin)


@pytest.mark.parametrize("incar", ["IBRION = 2\nPOTIM = 0.5", "POTIM = x", "POTIM = 0"])
def test_an_incar_that_is_no_molecular_dynamics(tmp_path, incar):
    (tmp_path / "XDATCAR").write_text(XDATCAR)
    (tmp_path / "INCAR").write_text(incar)
    with pytest.raises(TransportError, match=r"INCAR: (IBRION|POTIM) = "):
        read_trajectory(tmp_path / "XDATCAR")


def test_six_pieces_of_argyrodite(shared_data):
    from ase.data import atomic_masses, atomic_numbers

    folder = shared_data / "trajectories" / "argyrodite_li6ps5cl_50"
    pieces = list(folder.glob("*.XDATCAR.gz"))

    def lithium(paths):
        run = read_trajectory(paths, frame_interval_fs=100, temperature_k=500)
        mobile = np.array(run.species) == "Li"
        masses = atomic_masses[[atomic_numbers[name] for name in run.species]]
        return remove_drift(run.positions_ang, masses, ~mobile)[:, mobile]

    window = {"frame_interval_fs": 100, "fit_start_ps": 5, "fit_end_ps": 35, "weighted": False}
    found = estimate_diffusivity(lithium(pieces), **window)
    assert found.d_cm2_s == pytest.approx(1.141e-5, rel=0.01)
    with pytest.raises(TransportError, match=r"lasts 13\.9 ps"):
        estimate_diffusivity(lithium(pieces[:1]), **window)
    with pytest.raises(TransportError, match="not consecutive pieces"):
        read_trajectory([sorted(pieces)[0], sorted(pieces)[3]], frame_interval_fs=100)
