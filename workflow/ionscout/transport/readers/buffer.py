"""Frames come in the order of time; analysis reads atoms. Both in bounded memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ionscout.errors import TransportError

MEMORY_BYTES = 10**9
SPILL_BYTES = 2**26
ITEM = np.dtype(np.float32)


class FrameBuffer:
    """Take frames, give them back in the order of the atoms.

    Up to `MEMORY_BYTES` they are held in memory; beyond it in scratch files without a
    name, which disappear with the array or with the process.

    Parameters
    ----------
    n_atoms : int
    scratch_dir : Path or None
        Where scratch files go; None: the system's folder for them.
    """

    def __init__(self, n_atoms: int, scratch_dir: Path | None) -> None:
        self._n_atoms, self._scratch_dir = n_atoms, scratch_dir
        self._blocks: list[NDArray[np.float32]] = []
        self._lengths: list[int] = []
        self._held_bytes = 0
        self._spilled = None

    def append(self, frames: NDArray) -> None:
        """Take a block of frames, shape (n_frames, n_atoms, 3)."""
        block = np.ascontiguousarray(frames.transpose(1, 2, 0), dtype=ITEM)
        self._lengths.append(len(frames))
        if self._spilled is None:
            self._blocks.append(block)
            self._held_bytes += block.nbytes
            if self._held_bytes > MEMORY_BYTES:
                self._spilled = self._scratch()
                for held in self._blocks:
                    self._write(self._spilled, held)
                self._blocks = []
        else:
            self._write(self._spilled, block)

    def finish(self, cell_ang: NDArray) -> NDArray[np.float32]:
        """Multiply by the cell and give all frames.

        Parameters
        ----------
        cell_ang : ndarray, shape (3, 3)
            A vector a row.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_atoms, 3)
            A view of an array (n_atoms, 3, n_frames), in memory or mapped.
        """
        shape = (self._n_atoms, 3, sum(self._lengths))
        size = max(1, SPILL_BYTES // (3 * ITEM.itemsize * max(1, shape[2])))
        pieces = [slice(at, min(at + size, shape[0])) for at in range(0, shape[0], size)]
        if self._spilled is None:
            array = np.empty(shape, dtype=ITEM)
            for piece in pieces:
                array[piece] = self._scaled(piece, cell_ang)
            self._blocks = []
            return array.transpose(2, 0, 1)
        target = self._scratch()
        for piece in pieces:
            self._write(target, self._scaled(piece, cell_ang))
        self._spilled.close()
        target.flush()
        array = np.memmap(target, dtype=ITEM, mode="r", shape=shape)
        target.close()
        return array.transpose(2, 0, 1)

    def _scaled(self, piece: slice, cell_ang: NDArray) -> NDArray:
        """Read the atoms of a piece from every block, in Cartesian coordinates."""
        series = np.concatenate(
            [self._read(index, piece) for index in range(len(self._lengths))], axis=2
        )
        return np.matmul(cell_ang.T, series).astype(ITEM)

    def _read(self, index: int, piece: slice) -> NDArray[np.float32]:
        if self._spilled is None:
            return self._blocks[index][piece]
        length = self._lengths[index]
        atom_bytes = 3 * length * ITEM.itemsize
        start = 3 * self._n_atoms * ITEM.itemsize * sum(self._lengths[:index])
        self._spilled.seek(start + piece.start * atom_bytes)
        content = self._spilled.read((piece.stop - piece.start) * atom_bytes)
        return np.frombuffer(content, dtype=ITEM).reshape(-1, 3, length)

    def _scratch(self):
        try:
            return tempfile.TemporaryFile(dir=self._scratch_dir, prefix="ionscout-")
        except OSError as error:
            raise self._no_scratch(error) from error

    def _write(self, file, block: NDArray) -> None:
        try:
            file.write(block.data)
        except OSError as error:
            raise self._no_scratch(error) from error

    def _no_scratch(self, error: OSError) -> TransportError:
        where = self._scratch_dir or tempfile.gettempdir()
        return TransportError(
            f"no scratch file can be written in {where} ({error}): give scratch_dir a folder "
            "with room for twice the trajectory"
        )


def atom_array(n_atoms: int, n_frames: int) -> NDArray[np.floating]:
    """Room for positions, in the order of the atoms.

    Parameters
    ----------
    n_atoms, n_frames : int

    Returns
    -------
    ndarray, shape (n_frames, n_atoms, 3)
        float64 in memory, or float32 in a scratch file without a name where it is larger
        than `MEMORY_BYTES`.

    Raises
    ------
    TransportError
        If no scratch file can be made.
    """
    shape = (n_atoms, 3, n_frames)
    if np.prod(shape, dtype=float) * 8 <= MEMORY_BYTES:
        return np.empty(shape).transpose(2, 0, 1)
    try:
        with tempfile.TemporaryFile(prefix="ionscout-") as file:
            return np.memmap(file, dtype=ITEM, mode="w+", shape=shape).transpose(2, 0, 1)
    except OSError as error:
        raise TransportError(
            f"no scratch file can be made in {tempfile.gettempdir()} ({error}): set TMPDIR to a "
            "folder with room for the trajectory"
        ) from error


def copy_atoms(positions_ang: NDArray, atoms: NDArray) -> NDArray[np.floating]:
    """Copy some atoms, into memory or a scratch file.

    Parameters
    ----------
    positions_ang : ndarray, shape (n_frames, n_atoms, 3)
    atoms : ndarray of int, shape (n_chosen,)

    Returns
    -------
    ndarray, shape (n_frames, n_chosen, 3)
        As of `atom_array`.
    """
    copied = atom_array(len(atoms), len(positions_ang))
    for place, atom in enumerate(atoms):
        copied[:, place] = positions_ang[:, atom]
    return copied
