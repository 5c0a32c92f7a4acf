"""One synthetic trajectory in every format: triclinic, wrapped, in a cell that changes."""

import numpy as np

SPECIES = ["Li"] * 4 + ["S"] * 2 + ["P"]
COUNTS = {"Li": 4, "S": 2, "P": 1}
CELL = np.array([[9.0, 0.0, 0.0], [4.1, 8.2, 0.0], [-2.0, 3.0, 7.7]])
INTERVAL_FS = 20.0


def truth(n_frames=60, seed=0, *, changing=True):
    """Continuous fractional coordinates (t, a, 3), cells (t, 3, 3), positions (t, a, 3)."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.04, (n_frames, len(SPECIES), 3))
    fractional = rng.random((len(SPECIES), 3)) + np.cumsum(steps, axis=0)
    cells = np.repeat(CELL[None], n_frames, axis=0)
    if changing:
        cells = cells * (1 + 0.01 * np.sin(np.arange(n_frames)))[:, None, None]
    return fractional, cells, fractional @ cells.mean(axis=0)


def xdatcar(fractional, cells, *, headers=True, first=1):
    lines = []
    for number, (frame, cell) in enumerate(zip(fractional % 1, cells, strict=True)):
        if headers or number == 0:
            lines += ["title", "1.0", *(" ".join(f"{v:.12f}" for v in row) for row in cell)]
            lines += [" ".join(COUNTS), " ".join(str(n) for n in COUNTS.values())]
        lines.append(f"Direct configuration= {number + first:5d}")
        lines += ["  ".join(f"{v:.10f}" for v in row) for row in frame]
    return "\n".join(lines) + "\n"


def vasprun(fractional, cells, keys="<i name='POTIM'>20.0</i><i name='TEBEG'>600</i>"):
    def table(name, rows):
        body = "".join(f"<v> {' '.join(f'{v:.10f}' for v in row)} </v>\n" for row in rows)
        return f"<varray name='{name}'>{body}</varray>\n"

    atoms = "".join(f"<rc><c>{name} </c><c>1</c></rc>" for name in SPECIES)
    steps = "".join(
        f"<calculation><structure><crystal>{table('basis', cell)}</crystal>"
        f"{table('positions', frame)}</structure></calculation>\n"
        for frame, cell in zip(fractional % 1, cells, strict=True)
    )
    return (
        f"<?xml version='1.0'?><modeling><incar>{keys}</incar><atominfo><array name='atoms'>"
        f"<set>{atoms}</set></array></atominfo>\n{steps}</modeling>\n"
    )


def dump(fractional, cells, style="x", *, every=10, first=0, seed=1, element=True, origin=1.5):
    """A dump in any order of atoms; `style` is x, xs, xu, xsu or xi (with image flags)."""
    rng = np.random.default_rng(seed)
    names = {"x": "x y z", "xs": "xs ys zs", "xu": "xu yu zu", "xsu": "xsu ysu zsu"}
    columns = names.get(style, "x y z ix iy iz")
    lines = []
    for number, (frame, cell) in enumerate(zip(fractional, cells, strict=True)):
        (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell
        low = np.array([min(0, xy, xz, xy + xz), min(0, yz), 0]) + origin
        high = np.array([max(0, xy, xz, xy + xz), max(0, yz), 0]) + origin + [lx, ly, lz]
        lines += ["ITEM: TIMESTEP", str(first + number * every), "ITEM: NUMBER OF ATOMS"]
        lines += [str(len(frame)), "ITEM: BOX BOUNDS xy xz yz pp pp pp"]
        lines += [
            f"{a:.12f} {b:.12f} {c:.12f}" for a, b, c in zip(low, high, (xy, xz, yz), strict=True)
        ]
        lines.append(f"ITEM: ATOMS id type {'element ' * element}{columns} q")
        shown = frame if style in ("xu", "xsu") else frame % 1
        shown = shown if "s" in style else shown @ cell + origin
        for atom in rng.permutation(len(frame)):
            flags = [str(int(f)) for f in np.floor(frame[atom])] if style == "xi" else []
            kind = list(COUNTS).index(SPECIES[atom]) + 1
            words = [str(atom + 1), str(kind), *([SPECIES[atom]] if element else [])]
            words += [f"{v:.10f}" for v in shown[atom]] + flags + ["0.1"]
            lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def images(fractional, cells, *, wrapped=True):
    from ase import Atoms

    return [
        Atoms(SPECIES, scaled_positions=frame % 1 if wrapped else frame, cell=cell, pbc=True)
        for frame, cell in zip(fractional, cells, strict=True)
    ]
