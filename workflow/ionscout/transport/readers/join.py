"""Consecutive pieces of a trajectory made one, unwrapped and checked."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ionscout.errors import TransportError
from ionscout.transport.periodic import Unwrapper
from ionscout.transport.readers.buffer import FrameBuffer
from ionscout.transport.readers.source import Frame, Source, refuse_changed_count

logger = logging.getLogger(__name__)
BLOCK_BYTES = 2**25
REPEATED_ANG = 1e-4
LARGEST_SEAM = 1.5
WRAPPED_SPAN = 3.0  # cells: wrapped into a brick, or late, atoms span up to 2.25 of them
CELL_CHANGE = 0.25
FARTHEST = 1e6
STRANGERS = "these are not consecutive pieces of one run"


class Joiner:
    """Take pieces one after the other.

    Parameters
    ----------
    species : list of str
        Of the first piece.
    scratch_dir : Path or None
    """

    def __init__(self, species: list[str], scratch_dir: Path | None) -> None:
        self.species = species
        self.n_frames = 0
        self.step_interval: int | None = None
        self._cells = np.zeros((3, 3))
        self._first_cell: NDArray[np.float64] | None = None
        self._unwrapper = Unwrapper(len(species))
        self._buffer = FrameBuffer(len(species), scratch_dir)
        self._block_frames = max(1, BLOCK_BYTES // (24 * len(species)))
        self._largest_rms_ang = 0.0
        self._last_step: int | None = None
        self._first_step: int | None = None
        self._beginnings: list[NDArray[np.float64]] = []

    def add(self, source: Source, where: str) -> None:
        """Add a file.

        Parameters
        ----------
        source : Source
            Open.
        where : str
            Its name, for messages.

        Raises
        ------
        TransportError
            If it is no continuation, or a frame is not as it has to be.
        """
        if source.species != self.species:
            raise TransportError(f"{where}: other atoms than in the first piece")
        before = self.n_frames
        trusted = bool(source.unwrapped)
        waiting: list[Frame] = []
        begins = True
        for number, frame in enumerate(source.frames, start=1):
            frame = self._in_first_basis(frame, f"{where}, frame {number}")
            restarted = self._restarted(frame, begins, f"{where}, frame {number}")
            if restarted and not begins:
                self._flush(waiting, trusted, where)
            if source.unwrapped is None and not trusted:
                trusted = _is_unwrapped(frame)
            if begins or restarted:
                self._begin(frame, where)
            else:
                waiting.append(frame)
            begins = False
            if len(waiting) >= self._block_frames:
                self._flush(waiting, trusted, where)
        self._flush(waiting, trusted, where)
        if begins:
            raise TransportError(f"{where}: no whole frame")
        logger.info("%s: %d frames", where, self.n_frames - before)

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return positions (n_frames, n_atoms, 3) and the mean cell (3, 3), in angstrom."""
        cell = self._cells / self.n_frames
        return self._buffer.finish(cell), cell

    def _in_first_basis(self, frame: Frame, where: str) -> Frame:
        """Check a frame; use the first frame's vectors where the cell has been flipped.

        LAMMPS flips a box that has become too skew: the lattice stays, its vectors change.
        """
        refuse_changed_count(where, len(self.species), len(frame.fractional))
        sound = (np.abs(frame.fractional) < FARTHEST).all(axis=1)
        if not sound.all():
            atom = int(np.flatnonzero(~sound)[0])
            raise TransportError(
                f"{where}: the position of atom {atom + 1} is not a number, or astronomic"
            )
        cell = frame.cell_ang
        if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
            raise TransportError(f"{where}: the cell has no volume; write it into the file")
        if self._first_cell is None:
            self._first_cell = cell
        first = self._first_cell
        lengths = np.linalg.norm(first, axis=1)
        if np.abs(cell - first).max() < CELL_CHANGE * lengths.min():
            return frame
        flip = np.round(cell @ np.linalg.inv(first))
        if abs(abs(np.linalg.det(flip)) - 1) > 1e-6:
            raise TransportError(f"{where}: the cell is not that of the first frame")
        cell = np.linalg.inv(flip) @ cell
        if np.abs(cell - first).max() > CELL_CHANGE * lengths.max():
            raise TransportError(f"{where}: the cell is not that of the first frame")
        return Frame(frame.fractional @ flip, cell, frame.step)

    def _restarted(self, frame: Frame, begins: bool, where: str) -> bool:
        """Follow the numbers of the steps; True where they begin anew."""
        last, self._last_step = self._last_step, frame.step
        if last is None or frame.step is None:
            self._first_step = frame.step
            return False
        gap = frame.step - last
        if gap < 0 and frame.step > self._first_step:
            raise TransportError(
                f"{where}: step {frame.step} after step {last}: the piece overlaps the one "
                f"before, which begins at {self._first_step}; leave out the repeated frames"
            )
        if gap < 0 or (gap == 0 and not begins):
            self._first_step = frame.step
            return True
        if gap == 0:
            return False
        if self.step_interval is None:
            self.step_interval = gap
        elif gap != self.step_interval:
            at_seam = " at the seam with the piece before" if begins else ""
            raise TransportError(
                f"{where}: steps {last} and {frame.step} are {gap} apart{at_seam}, others "
                f"{self.step_interval}: frames are missing or unevenly spaced"
            )
        return False

    def _begin(self, frame: Frame, where: str) -> None:
        """Take the first frame of a piece, unless it repeats the last one before."""
        first_of_all = self.n_frames == 0
        try:
            path, rms = self._unwrapped([frame], False, where)
        except TransportError as error:
            raise TransportError(f"{error}; {STRANGERS}") from error
        if not first_of_all:
            longest = np.abs(path[0] - self._end).max() * np.abs(frame.cell_ang).max()
            if longest < REPEATED_ANG:
                logger.info("%s: the first frame repeats the last one before: left out", where)
                return
            if self._largest_rms_ang and rms[0] > LARGEST_SEAM * self._largest_rms_ang:
                raise TransportError(
                    f"{where}: atoms move {rms[0]:.2f} A (rms) across the seam with the piece "
                    f"before, at most {self._largest_rms_ang:.2f} A from frame to frame "
                    f"elsewhere: {STRANGERS}"
                )
        begin = frame.fractional - np.floor(frame.fractional)
        for earlier in self._beginnings:
            apart = np.abs(begin - earlier)
            if np.minimum(apart, 1 - apart).max() * np.abs(frame.cell_ang).max() < REPEATED_ANG:
                raise TransportError(
                    f"{where}: begins as a piece before does: leave out what is there twice"
                )
        self._beginnings.append(begin)
        self._take(path, rms, [frame])

    def _flush(self, waiting: list[Frame], trusted: bool, where: str) -> None:
        if waiting:
            self._take(*self._unwrapped(waiting, trusted, where), waiting)
            waiting.clear()

    def _unwrapped(
        self, frames: list[Frame], trusted: bool, where: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        try:
            return self._unwrapper.add(
                np.array([frame.fractional for frame in frames]),
                np.array([frame.cell_ang for frame in frames]),
                trusted=trusted,
            )
        except TransportError as error:
            raise TransportError(f"{where}: {error}") from error

    def _take(self, path: NDArray, rms: NDArray, frames: list[Frame]) -> None:
        self._buffer.append(path)
        self._end = path[-1].copy()
        self._largest_rms_ang = max(self._largest_rms_ang, float(rms.max()))
        self._cells += np.sum([frame.cell_ang for frame in frames], axis=0)
        self.n_frames += len(frames)


def _is_unwrapped(frame: Frame) -> bool:
    """Whether coordinates cannot have been wrapped, into whatever box, now or some steps ago."""
    return bool((np.ptp(frame.fractional, axis=0) > WRAPPED_SPAN).any())
