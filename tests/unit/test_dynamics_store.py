from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest

from ionscout.dynamics import store
from ionscout.errors import DynamicsError, StoreError


def make_segment(seed: int, n_frames: int = 5, n_atoms: int = 4) -> store.Segment:
    rng = np.random.default_rng(seed)
    return store.Segment(
        positions_ang=rng.normal(size=(n_frames, n_atoms, 3)).astype(np.float32),
        kinetic_temperature_k=rng.normal(size=n_frames),
        potential_energy_ev=rng.normal(size=n_frames),
        conserved_energy_ev=rng.normal(size=n_frames),
        pressure_gpa=rng.normal(size=n_frames),
        scale=np.full(n_frames, 1.01),
        end_positions_ang=rng.normal(size=(n_atoms, 3)),
        end_velocities_ang_fs=rng.normal(size=(n_atoms, 3)),
        end_forces_ev_ang=rng.normal(size=(n_atoms, 3)),
        end_heat_ev=np.array(rng.normal()),
        end_scale=np.array(1.01),
        end_random=np.array(json.dumps(rng.bit_generator.state)),
    )


@pytest.fixture
def run_folder(tmp_path):
    folder = tmp_path / "abc"
    folder.mkdir()
    meta = {
        "species": ["Li"] * 4,
        "cell_ang": np.eye(3).tolist(),
        "frame_interval_fs": 20.0,
        "frames_per_segment": 5,
        "temperature_k": 800.0,
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    for index in range(3):
        store.write_segment(store.segment_path(folder, "segment", index), make_segment(index))
    return folder


def test_a_segment_comes_back_as_it_was_and_twice_the_same_bytes(tmp_path):
    segment = make_segment(1)
    for name in ("a", "b"):
        store.write_segment(tmp_path / name, segment)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for name, array in asdict(store.read_segment(tmp_path / "a")).items():
        np.testing.assert_array_equal(array, getattr(segment, name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_any_damage_is_noticed(tmp_path):
    path = tmp_path / "segment"
    store.write_segment(path, make_segment(2))
    whole = path.read_bytes()
    assert store.read_segment(path) is not None
    rng = np.random.default_rng(0)
    for size in [0, 1, *rng.integers(2, len(whole), 40)]:
        path.write_bytes(whole[:size])
        assert store.read_segment(path) is None, size
    for offset in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[offset] ^= 1 << (offset % 8)
        path.write_bytes(flipped)
        read = store.read_segment(path)
        assert read is None or equal(read, make_segment(2)), offset


def equal(first: store.Segment, second: store.Segment) -> bool:
    return all(np.array_equal(a, getattr(second, name)) for name, a in asdict(first).items())


def test_a_segment_with_missing_arrays_is_damaged(tmp_path):
    np.savez(tmp_path / "segment.npz", positions_ang=np.zeros((1, 2, 3)))
    assert store.read_segment(tmp_path / "segment.npz") is None


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    store.write_atomically(path, b"old")
    monkeypatch.setattr(store.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StoreError, match=r"file cannot be written \(full\)"):
        store.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "the draft takes no room"


def test_trajectory_joins_whole_segments_and_stops_at_the_length(run_folder):
    trajectory = store.load_trajectory(run_folder.parent, "abc", 0.24)
    assert trajectory.positions_ang.shape == (12, 4, 3)
    assert trajectory.positions_ang.dtype == np.float64
    expected = np.concatenate([make_segment(i).positions_ang for i in range(3)])[:12]
    np.testing.assert_array_equal(trajectory.positions_ang, expected)
    assert len(trajectory.kinetic_temperature_k) == len(trajectory.potential_energy_ev) == 12
    assert (trajectory.temperature_k, trajectory.frame_interval_fs) == (800.0, 20.0)
    np.testing.assert_array_equal(trajectory.cell_ang, 1.01 * np.eye(3))


def test_a_trajectory_that_is_too_short_is_refused(run_folder):
    with pytest.raises(DynamicsError, match="3 of 4 segments are whole"):
        store.load_trajectory(run_folder.parent, "abc", 0.32)
    (run_folder / "segment_0001.npz").write_bytes(b"PK")
    with pytest.raises(DynamicsError, match="1 of 3 segments are whole"):
        store.load_trajectory(run_folder.parent, "abc", 0.3)
    with pytest.raises(DynamicsError, match=r"store xyz: meta\.json"):
        store.load_trajectory(run_folder.parent, "xyz", 0.3)


def test_the_second_process_waits(tmp_path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys, time\n"
            "file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True); time.sleep(0.5)",
            str(tmp_path / "lock"),
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    waits = []
    started = time.monotonic()
    with store.lock(tmp_path, on_wait=lambda: waits.append(True)):
        waited = time.monotonic() - started
    holder.wait()
    assert waits == [True]
    assert waited > 0.2


def test_frames_of_a_length_do_not_suffer_from_rounding():
    assert store.count_frames(2.5, 20.0) == 125
    assert store.count_frames(0.3, 20.0) == 15
    assert store.count_frames(0.001, 20.0) == 1
