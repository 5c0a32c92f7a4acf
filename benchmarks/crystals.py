"""The small crystals that several benchmarks run: lattice parameters of room temperature."""

from pymatgen.core import Lattice, Structure


def lithium_chloride() -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def lithium_oxide() -> Structure:
    return _antifluorite(4.62, "O")


def lithium_sulfide() -> Structure:
    return _antifluorite(5.72, "S")


def lithium_nitride() -> Structure:
    return Structure.from_spacegroup(
        "P6/mmm",
        Lattice.hexagonal(3.65, 3.87),
        ["Li", "Li", "N"],
        [[0, 0, 0.5], [1 / 3, 2 / 3, 0], [0, 0, 0]],
    )


def _antifluorite(length_ang: float, anion: str) -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(length_ang), ["Li", anion], [[0.25, 0.25, 0.25], [0, 0, 0]]
    )
