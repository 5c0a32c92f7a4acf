"""LAMMPS: text dumps, and the masses of data files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ionscout.errors import TransportError
from ionscout.transport.readers.source import (
    Frame,
    Options,
    Source,
    element_of_mass,
    expand_species,
    refuse_unknown,
    topology_species,
    warn_cut_off,
)
from ionscout.transport.readers.text import (
    NUMBER,
    SKIP,
    WORD,
    CutOffError,
    TextFile,
    decode_word,
)

COORDINATES = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
IMAGES = ("ix", "iy", "iz")
UNIT_FS = {"real": 1.0, "metal": 1000.0}


@dataclass
class _Dump:
    """A dump that is being read, and what its first frame has fixed."""

    text: TextFile
    labels: list[str] = field(default_factory=list)
    kinds: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    wanted: list[str] = field(default_factory=list)
    coordinates: tuple[str, str, str] = COORDINATES[0]
    ids: NDArray | None = None
    types: NDArray[np.int64] | None = None
    elements: NDArray | None = None
    units: str | None = None
    time: float | None = None

    @property
    def unwrapped(self) -> bool:
        return self.coordinates in COORDINATES[:2] or set(IMAGES) <= set(self.labels)

    def frame(self) -> Frame | None:
        """Read a frame; None at the end of the file."""
        step, n_atoms, cell, origin = None, None, None, None
        while (line := self.text.line()) is not None:
            if line == "ITEM: UNITS":
                self.units = self.text.need()
            elif line == "ITEM: TIME":
                self.time = float(self.text.need())
            elif line == "ITEM: TIMESTEP":
                step = self._whole()
            elif line == "ITEM: NUMBER OF ATOMS":
                n_atoms = self._whole()
                if n_atoms < 1:
                    raise self.text.fault("no atoms")
            elif line.startswith("ITEM: BOX BOUNDS"):
                cell, origin = self._box(line.split()[3:])
            elif line.startswith("ITEM: ATOMS"):
                if cell is None or n_atoms is None:
                    raise self.text.fault("atoms before their number and box")
                return self._atoms(line.split()[2:], n_atoms, cell, origin, step)
            elif line:
                raise self.text.fault(f"{line[:60]!r} stands where an ITEM of a dump is due")
        if step is not None:
            raise CutOffError
        return None

    def _whole(self) -> int:
        line = self.text.need()
        if not line.isdigit():
            raise self.text.fault(f"{line[:60]!r} is not a whole number")
        return int(line)

    def _box(self, style: list[str]) -> tuple[NDArray, NDArray]:
        """Cell (3, 3) and origin (3,): orthogonal, restricted or general triclinic."""
        try:
            rows = [[float(part) for part in self.text.need().split()] for _ in range(3)]
            if style[:1] == ["abc"]:
                table = np.array(rows).reshape(3, 4)
                return table[:, :3], table[:, 3]
            tilts = style[:1] == ["xy"]
            table = np.array(rows).reshape(3, 3 if tilts else 2)
        except ValueError as error:
            raise self.text.fault("the bounds of the box are not numbers") from error
        xy, xz, yz = table[:, 2] if tilts else (0.0, 0.0, 0.0)
        low = table[:, 0] - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
        high = table[:, 1] - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
        cell = np.diag(high - low)
        cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
        if not abs(np.linalg.det(cell)) > 1e-6:
            raise self.text.fault("the box has no volume")
        return cell, low

    def _atoms(
        self, labels: list[str], n_atoms: int, cell: NDArray, origin: NDArray, step: int | None
    ) -> Frame:
        """Read the table of a frame, sorted by id, in fractional coordinates."""
        if not self.labels:
            self._choose(labels)
        elif labels != self.labels:
            raise self.text.fault("other columns than in the first frame")
        table = self.text.rows(n_atoms, self.kinds)
        column = {name: table[:, index] for index, name in enumerate(self.wanted)}
        order = np.argsort(column["id"], kind="stable")
        self._check_atoms(column, order)
        fractional = np.stack([column[name] for name in self.coordinates], axis=1)[order]
        if not self.coordinates[0].startswith("xs"):
            fractional = (fractional - origin) @ np.linalg.inv(cell)
        if IMAGES[0] in column:
            fractional += np.stack([column[name] for name in IMAGES], axis=1)[order]
        return Frame(fractional, cell, step)

    def _choose(self, labels: list[str]) -> None:
        """Choose the columns of the first frame."""
        found = [names for names in COORDINATES if set(names) <= set(labels)]
        if "id" not in labels or not found:
            raise self.text.fault(
                f"the columns {' '.join(labels)} lack id or coordinates: dump id type x y z"
            )
        self.labels, self.coordinates = labels, found[0]
        wanted = {"id", "type", "element", *self.coordinates}
        if self.coordinates in COORDINATES[2:] and set(IMAGES) <= set(labels):
            wanted |= set(IMAGES)
        self.wanted = [name for name in labels if name in wanted]
        kinds = [
            (WORD if name == "element" else NUMBER) if name in wanted else SKIP for name in labels
        ]
        self.kinds = np.array(kinds, dtype=np.int64)

    def _check_atoms(self, column: dict[str, NDArray], order: NDArray) -> None:
        """Refuse other ids or types than in the first frame."""
        ids, elements = column["id"][order], None
        types = column["type"][order].astype(np.int64) - 1 if "type" in column else None
        if "element" in column:
            elements = column["element"][order]
        if self.ids is None:
            if len(np.unique(ids)) < len(ids):
                raise self.text.fault("an id occurs twice in a frame")
            self.ids, self.types, self.elements = ids, types, elements
        elif len(ids) != len(self.ids):
            raise self.text.fault(f"the frame has {len(ids)} atoms, the first {len(self.ids)}")
        elif not np.array_equal(ids, self.ids):
            raise self.text.fault("the frame has other ids of atoms than the first")
        elif not _same(types, self.types) or not _same(elements, self.elements):
            raise self.text.fault("atoms have other types than in the first frame")

    def species(self, options: Options) -> list[str]:
        """Elements in the order of the ids."""
        where, n_atoms, types = str(self.text.path), len(self.ids), self.types
        if options.species is not None:
            return expand_species(_used(options.species, types), n_atoms, where, types)
        if self.elements is not None:
            names = [decode_word(code) for code in self.elements]
            refuse_unknown(names, where)
            return names
        if options.topology is not None:
            masses = data_elements(options.topology)
            names = topology_species(options.topology) if masses is None else masses
            return expand_species(_used(names, types), n_atoms, where, types)
        raise TransportError(
            f"{where}: types without elements; give species (one name for each type), a data "
            "file with Masses as topology, or dump the element"
        )


def _same(now: NDArray | None, first: NDArray | None) -> bool:
    return now is None or np.array_equal(now, first)


def _used(names: Sequence[str], types: NDArray[np.int64] | None) -> Sequence[str]:
    """Leave out names of types that no atom has, if they are for types."""
    if types is None or len(names) >= len(types):
        return names
    return names[: int(types.max()) + 1]


def open_dump(path: Path, options: Options) -> Source:
    """Open a text dump.

    Raises
    ------
    TransportError
        Names the file, the line and what is wrong there.
    """
    dump = _Dump(TextFile(path))
    try:
        first = dump.frame()
    except CutOffError as error:
        raise dump.text.fault("the file ends within the first frame") from error
    if first is None:
        raise dump.text.fault("the file is empty")
    species, time = dump.species(options), dump.time
    frames = list(filter(None, [first, _next(dump)]))
    interval_fs = None
    if len(frames) == 2 and time is not None and dump.units in UNIT_FS:
        interval_fs = (dump.time - time) * UNIT_FS[dump.units]
    return Source(
        species=species,
        frames=_frames(dump, frames),
        unwrapped=dump.unwrapped,
        frame_interval_fs=interval_fs,
    )


def _frames(dump: _Dump, read: list[Frame]) -> Iterator[Frame]:
    yield from read
    while (frame := _next(dump)) is not None:
        yield frame
    dump.text.close()


def _next(dump: _Dump) -> Frame | None:
    try:
        return dump.frame()
    except CutOffError:
        warn_cut_off(f"{dump.text.path}, line {dump.text.line_number}")
        return None


def data_elements(path: Path) -> list[str] | None:
    """Elements of the types of a LAMMPS data file, by their masses; None without Masses.

    Raises
    ------
    TransportError
        If the masses do not number the types from 1, or one is that of no element.
    """
    lines = [line.split("#")[0].split() for line in path.read_text(errors="replace").splitlines()]
    if ["Masses"] not in lines:
        return None
    masses: dict[int, float] = {}
    for parts in filter(None, lines[lines.index(["Masses"]) + 1 :]):
        if len(parts) != 2 or not parts[0].isdigit():
            break
        masses[int(parts[0])] = float(parts[1])
    if sorted(masses) != list(range(1, len(masses) + 1)):
        raise TransportError(f"{path}: Masses do not number the types from 1")
    return [element_of_mass(masses[kind], str(path)) for kind in sorted(masses)]
