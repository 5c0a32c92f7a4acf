"""Structural descriptors: textbook crystals, plain references, invariance, noise, odd input."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Lattice, Structure
from scipy import ndimage
from scipy.spatial import ConvexHull, Voronoi

from ionscout.errors import FeatureError
from ionscout.features._base import Cell
from ionscout.features._percolation import find_channels, least_room
from ionscout.features._polyhedra import coordination_numbers, find_shells
from ionscout.features._voronoi import reduce_cell, voronoi_cells
from ionscout.features.structural import DESCRIPTORS, StructuralSet, ionic_radius_ang

FCC_EDGE_ANG = 5.13
ANION_LATTICES = {
    "fcc": ("Fm-3m", Lattice.cubic(FCC_EDGE_ANG), [[0, 0, 0]]),
    "bcc": ("Im-3m", Lattice.cubic(4.2), [[0, 0, 0]]),
    "hcp": ("P6_3/mmc", Lattice.hexagonal(4.1, 4.1 * np.sqrt(8 / 3)), [[1 / 3, 2 / 3, 0.25]]),
    "sc": ("Pm-3m", Lattice.cubic(3.0), [[0, 0, 0]]),
}


def primitive(group: str, lattice: Lattice, species: list[str], coords: list) -> Structure:
    return Structure.from_spacegroup(group, lattice, species, coords).get_primitive_structure()


CRYSTALS = {
    "rock salt": primitive(
        "Fm-3m", Lattice.cubic(FCC_EDGE_ANG), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    ),
    "antifluorite": primitive(
        "Fm-3m", Lattice.cubic(5.71), ["Li+", "S2-"], [[0.25, 0.25, 0.25], [0, 0, 0]]
    ),
    "Li3N": primitive(
        "P6/mmm",
        Lattice.hexagonal(3.648, 3.875),
        ["Li+", "Li+", "N3-"],
        [[0, 0, 0.5], [1 / 3, 2 / 3, 0], [0, 0, 0]],
    ),
    "LiCoO2": primitive(
        "R-3m",
        Lattice.hexagonal(2.815, 14.05),
        ["Li+", "Co3+", "O2-"],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.2605]],
    ),
    "argyrodite": primitive(
        "F-43m",
        Lattice.cubic(9.86),
        ["Li+", "P5+", "S2-", "S2-", "Cl-"],
        [[0.25, 0.017, 0.75], [0, 0, 0.5], [0.1195, -0.1195, 0.6195], [0.25] * 3, [0, 0, 0]],
    ),
}


def cell_of(structure: Structure) -> Cell:
    return reduce_cell(Cell(structure.lattice.matrix.copy(), structure.frac_coords.copy()))


def anion_cell(name: str) -> Cell:
    group, lattice, coords = ANION_LATTICES[name]
    return cell_of(primitive(group, lattice, ["I-"], coords))


def random_crystal(seed: int) -> Structure:
    """Make a crystal of Li, P and S on a shaken grid in any cell."""
    rng = np.random.default_rng(seed)
    lattice = Lattice.from_parameters(*rng.uniform(6, 9, 3), *rng.uniform(70, 110, 3))
    grid = np.stack(np.meshgrid(*[[0, 0.5]] * 3), axis=-1).reshape(-1, 3)
    coords = grid + rng.uniform(-0.1, 0.1, grid.shape)
    species = rng.permutation(["Li+"] * 3 + ["P5+"] + ["S2-"] * 4)
    return Structure(lattice, species.tolist(), coords)


def other_cell(structure: Structure, seed: int) -> Structure:
    """Describe the same crystal by another cell, origin, orientation and order of sites."""
    rng = np.random.default_rng(seed)
    shear = np.eye(3, dtype=int)
    shear[0, 1], shear[1, 2] = rng.integers(-2, 3, size=2)
    twin = structure.copy().make_supercell(shear)
    twin.make_supercell(rng.permutation([1, 1, 2]).tolist())
    twin.translate_sites(list(range(len(twin))), rng.random(3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(len(twin))
    return Structure(
        Lattice(twin.lattice.matrix @ rotation),
        [twin.species[k] for k in order],
        twin.frac_coords[order],
    )


def reference_volumes_ang3(cell: Cell) -> list[float]:
    """Volumes of the Voronoi cells by qhull, of five cells in each direction."""
    shifts = np.stack(np.meshgrid(*[range(-2, 3)] * 3), axis=-1).reshape(-1, 3)
    shifts = shifts[np.argsort((shifts**2).sum(axis=1), kind="stable")]
    points = (cell.frac_coords + shifts[:, None]).reshape(-1, 3) @ cell.lattice_ang
    diagram = Voronoi(points)
    return [
        ConvexHull(diagram.vertices[diagram.regions[diagram.point_region[k]]]).volume
        for k in range(len(cell.frac_coords))
    ]


@pytest.mark.parametrize("name", CRYSTALS)
def test_voronoi_volumes_are_those_of_qhull(name):
    cell = cell_of(CRYSTALS[name])
    volume_ang3 = voronoi_cells(cell).volume_ang3
    np.testing.assert_allclose(volume_ang3, reference_volumes_ang3(cell), rtol=1e-6)
    assert volume_ang3.sum() == pytest.approx(cell.volume_ang3, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_fill_space_and_faces_close(seed):
    cell = cell_of(random_crystal(seed))
    radii_ang = np.random.default_rng(seed).uniform(0, 1.8, len(cell.frac_coords))
    for radii in (0.0, radii_ang):
        cells = voronoi_cells(cell, radii)
        assert cells.volume_ang3.sum() == pytest.approx(cell.volume_ang3, rel=1e-8)
        closure = np.zeros((len(cell.frac_coords), 3))
        np.add.at(closure, cells.centre, cells.area_ang2[:, None] * cells.direction)
        np.testing.assert_allclose(closure, 0, atol=1e-5)
    plain = voronoi_cells(cell).volume_ang3
    np.testing.assert_allclose(plain, reference_volumes_ang3(cell), rtol=1e-6)


def test_equal_radii_do_not_move_the_faces():
    cell = cell_of(CRYSTALS["argyrodite"])
    np.testing.assert_allclose(
        voronoi_cells(cell, 1.3).volume_ang3, voronoi_cells(cell).volume_ang3, rtol=1e-9
    )


@pytest.mark.parametrize(
    ("name", "coordination", "shared"),
    [
        ("rock salt", 6, (6, 12, 0)),
        ("antifluorite", 4, (16, 6, 0)),
        ("LiCoO2", 6, (0, 6, 0)),
    ],
)
def test_lithium_of_textbook_crystals(name, coordination, shared):
    values = StructuralSet().describe(CRYSTALS[name])
    assert values.reason == ""
    for suffix in ("", "_min", "_max"):
        assert values[f"li_coordination{suffix}"] == coordination
    assert tuple(values[f"li_li_{kind}"] for kind in ("corners", "edges", "faces")) == shared


def test_layered_oxide_shares_edges_and_corners_with_cobalt():
    values = StructuralSet().describe(CRYSTALS["LiCoO2"])
    sharing = [values[f"li_cation_{kind}"] for kind in ("corners", "edges", "faces")]
    assert sharing == [6, 6, 0]
    assert values["free_radius_2d_ang"] > values["free_radius_3d_ang"] + 0.2


def test_lithium_nitride():
    values = StructuralSet().describe(CRYSTALS["Li3N"])
    assert values["li_coordination_min"] == 2
    assert values["li_coordination_max"] == 3
    assert values["li_coordination"] == pytest.approx(8 / 3)
    short_ang, long_ang = 3.875 / 2, 3.648 / np.sqrt(3)
    assert short_ang < values["li_anion_distance_ang"] < long_ang


def test_ordered_garnet():
    """Li3Nd3Te2O12: LiO4 shares 4 corners with TeO6 and 4 with NdO8, and 2 edges of NdO8."""
    garnet = primitive(
        "Ia-3d",
        Lattice.cubic(12.55),
        ["Li+", "Nd3+", "Te6+", "O2-"],
        [[0.375, 0, 0.25], [0.125, 0, 0.25], [0, 0, 0], [0.2803, 0.1046, 0.1994]],
    )
    values = StructuralSet().describe(garnet)
    assert values["li_coordination_min"] == values["li_coordination_max"] == 4
    assert [values[f"li_cation_{kind}"] for kind in ("corners", "edges", "faces")] == [8, 2, 0]
    assert [values[f"li_li_{kind}"] for kind in ("corners", "edges", "faces")] == [0, 0, 0]


def sharing_by_distance(structure: Structure, cutoff_ang: float) -> list[float]:
    """Lithium polyhedra that share a corner, an edge and a face, with anions to a cutoff."""
    lithium = [k for k, specie in enumerate(structure.species) if specie.symbol == "Li"]
    shells = {
        k: {
            (near.index, near.image)
            for near in structure.get_neighbors(structure[k], cutoff_ang)
            if near.specie.oxi_state < 0
        }
        for k in lithium
    }
    counts = np.zeros(4)
    for k in lithium:
        for other in structure.get_neighbors(structure[k], 2 * cutoff_ang):
            if other.specie.symbol == "Li":
                corners = {
                    (index, tuple(np.add(image, other.image)))
                    for index, image in shells[other.index]
                }
                counts[min(len(shells[k] & corners), 3)] += 1 / len(lithium)
    return counts[1:].tolist()


def test_lithium_in_distorted_octahedra():
    """Tetragonal Li7La3Zr2O12, mp-942733: LiO4 on 8a, LiO6 on 16f and 32g.

    Awaka 2009, doi 10.1016/j.jssc.2009.05.020, describes the same sites. The oxygen of a
    lithium lies within 2.95 angstrom, up to 1.5 times as far as the nearest; no other
    lies within 3.3 angstrom.
    """
    llzo = primitive(
        "I41/acd:1",
        Lattice.tetragonal(13.239, 12.765),
        ["Li+", "Li+", "Li+", "La3+", "La3+", "Zr4+", "O2-", "O2-", "O2-"],
        [
            *([0, 0, 0], [0.3221, 0.1779, 0], [0.1629, 0.0799, 0.0699]),
            *([0, 0, 0.25], [0.25, 0.372, 0.125], [0, 0.25, 0.125]),
            *([0.3053, 0.0342, 0.0284], [0.0548, 0.3984, 0.1587], [0.1503, 0.2221, 0.0712]),
        ],
    )
    values = StructuralSet().describe(llzo)
    assert values["li_coordination_min"] == 4
    assert values["li_coordination_max"] == 6
    assert values["li_coordination"] == pytest.approx((1 * 4 + 6 * 6) / 7)
    shared = [values[f"li_li_{kind}"] for kind in ("corners", "edges", "faces")]
    assert shared == pytest.approx([0, 36 / 7, 8 / 7])
    assert shared == pytest.approx(sharing_by_distance(llzo, 2.95))


def test_corners_of_two_sizes():
    """Li9NS3, mp-557964: on 8g N at 2.08 and 3 S at 2.51 angstrom, on 1b 6 S."""
    crystal = primitive(
        "Pm-3m",
        Lattice.cubic(5.516),
        ["Li+", "Li+", "S2-", "N3-"],
        [[0.2176] * 3, [0.5] * 3, [0.5, 0.5, 0], [0, 0, 0]],
    )
    values = StructuralSet().describe(crystal)
    assert values["li_coordination_min"] == 4
    assert values["li_coordination_max"] == 6
    assert values["li_coordination"] == pytest.approx((8 * 4 + 6) / 9)


def test_face_sharing_octahedra():
    nias = primitive(
        "P6_3/mmc",
        Lattice.hexagonal(3.6, 5.8),
        ["Li+", "S2-"],
        [[0, 0, 0], [1 / 3, 2 / 3, 0.25]],
    )
    values = StructuralSet().describe(nias)
    assert [values[f"li_li_{kind}"] for kind in ("corners", "edges", "faces")] == [12, 6, 2]


def test_volumes_of_rock_salt():
    values = StructuralSet().describe(CRYSTALS["rock salt"])
    assert values["li_site_volume_ang3"] == pytest.approx(FCC_EDGE_ANG**3 / 8)
    assert values["li_site_volume_deviation_ang3"] == pytest.approx(0, abs=1e-9)
    assert values["volume_per_li_ang3"] == pytest.approx(FCC_EDGE_ANG**3 / 4)
    assert values["volume_per_anion_ang3"] == pytest.approx(FCC_EDGE_ANG**3 / 4)


@pytest.mark.parametrize(("name", "edge", "radius"), [
    ("rock salt", FCC_EDGE_ANG, 1.81),
    ("antifluorite", 5.71, 1.84),
])  # fmt: skip
def test_bottleneck_of_close_packing_is_the_triangle(name, edge, radius):
    values = StructuralSet().describe(CRYSTALS[name])
    triangle_ang = edge / np.sqrt(6) - radius
    for column in ("hop_radius_ang", "hop_radius_min_ang", "free_radius_3d_ang"):
        assert values[column] == pytest.approx(triangle_ang, abs=1e-6)
    assert values["cavity_radius_ang"] == pytest.approx(edge / 2 - radius, abs=1e-6)


def test_channels_of_a_stretched_simple_lattice():
    edges_ang = np.array([3.0, 4.0, 5.0])
    cell = Cell(np.diag(edges_ang), np.zeros((1, 3)))
    channels = find_channels(cell, np.ones(1), np.full((1, 3), 0.5))
    windows = [np.hypot(4, 5) / 2 - 1, np.hypot(3, 5) / 2 - 1, np.hypot(3, 4) / 2 - 1]
    np.testing.assert_allclose(channels.free_ang, windows, atol=1e-9)
    np.testing.assert_allclose(channels.hop_ang, windows[:1], atol=1e-9)
    assert channels.cavity_ang == pytest.approx(np.sqrt(50) / 2 - 1)


def test_ways_are_those_of_a_grid():
    """Room is 1-Lipschitz: steps of a grid can be wrong by no more than their length.

    The radii are equal, where the radical network holds the widest ways exactly.
    """
    crystal = CRYSTALS["argyrodite"]
    cell = cell_of(crystal)
    lithium = np.array([specie.symbol == "Li" for specie in crystal.species])
    framework = Cell(cell.lattice_ang, cell.frac_coords[~lithium])
    radii_ang = np.full(len(framework.frac_coords), 1.5)
    channels = find_channels(framework, radii_ang, cell.frac_coords[lithium])

    n = 64
    grid = np.stack(np.meshgrid(*[np.arange(n) / n] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    signs = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3)
    step_ang = np.linalg.norm(signs @ cell.lattice_ang, axis=1).max() / n
    room = np.full(len(grid), np.inf)
    for atom, radius_ang in zip(framework.frac_coords, radii_ang, strict=True):
        for shift in signs:
            away = (grid - atom - shift) @ cell.lattice_ang
            room = np.minimum(room, np.linalg.norm(away, axis=1) - radius_ang)
    assert channels.cavity_ang >= room.max() - 1e-9
    assert channels.cavity_ang <= room.max() + step_ang
    room = np.tile(room.reshape(n, n, n), (3, 1, 1))

    def crosses(radius_ang: float) -> bool:
        label, _ = ndimage.label(room > radius_ang, np.ones((3, 3, 3)))
        return bool((set(label[0].ravel()) & set(label[-1].ravel())) - {0})

    assert crosses(channels.free_ang[2] - step_ang)
    assert not crosses(channels.free_ang[0] + step_ang / 2)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_room_on_a_way_is_that_to_the_nearest_surface_of_all(seed):
    cell = cell_of(random_crystal(seed))
    radii_ang = np.random.default_rng(seed).uniform(0, 1.8, len(cell.frac_coords))
    cells = voronoi_cells(cell, radii_ang)
    owner = np.repeat(cells.centre, np.diff(cells.first_corner))
    start, end = cells.corner_ang, np.roll(cells.corner_ang, -1, axis=0)
    rows = np.flatnonzero(owner == np.roll(owner, -1))[::40]
    room_ang = least_room(
        cell.lattice_ang, cell.frac_coords, radii_ang, owner[rows], start[rows], end[rows]
    )
    shifts = np.stack(np.meshgrid(*[range(-3, 4)] * 3), axis=-1).reshape(-1, 1, 3)
    atoms_ang = (cell.frac_coords + shifts) @ cell.lattice_ang
    share = np.linspace(0, 1, 101)[:, None, None, None]
    for row, found_ang in zip(rows, room_ang, strict=True):
        origin_ang = cell.frac_coords[owner[row]] @ cell.lattice_ang
        points_ang = origin_ang + start[row] + share * (end[row] - start[row])
        least_ang = (np.linalg.norm(atoms_ang - points_ang, axis=-1) - radii_ang).min()
        step_ang = np.linalg.norm(end[row] - start[row]) / 100
        assert least_ang - step_ang / 2 - 1e-9 <= found_ang <= least_ang + 1e-9


@pytest.mark.parametrize(
    ("name", "q4", "q6", "w6", "coordination"),
    [
        ("fcc", 0.190941, 0.574524, -0.013161, 12.019),
        ("hcp", 0.097222, 0.484762, -0.012442, 12.019),
        ("bcc", 0.224025, 0.566940, 0.013161, 11.276),
        ("sc", 0.763763, 0.353553, 0.013161, 6.0385),
    ],
)
def test_order_of_ideal_anion_lattices(name, q4, q6, w6, coordination):
    group, lattice, coords = ANION_LATTICES[name]
    anions = primitive(group, lattice, ["I-"], coords)
    holes = Structure.from_sites(anions.sites)
    holes.append("Li+", [0.5, 0.25, 0.1])
    values = StructuralSet().describe(holes)
    assert values["anion_q4"] == pytest.approx(q4, abs=1e-5)
    assert values["anion_q6"] == pytest.approx(q6, abs=1e-5)
    assert values["anion_w6"] == pytest.approx(w6, abs=1e-5)
    assert values["anion_coordination"] == pytest.approx(coordination, abs=2e-3)
    assert values["anion_coordination_deviation"] == pytest.approx(0, abs=1e-6)


def test_order_of_bcc_from_its_two_kinds_of_faces():
    cells = voronoi_cells(anion_cell("bcc"))
    hexagon, square = 1.5 * np.sqrt(3), 1.0
    share = np.array([hexagon] * 8 + [square] * 6) / (8 * hexagon + 6 * square)
    area = np.sort(cells.area_ang2[cells.area_ang2 > 1e-6])[::-1]
    np.testing.assert_allclose(area / area.sum(), share, atol=1e-9)


def test_coordination_of_an_octahedron_is_hoppes():
    cell = cell_of(CRYSTALS["rock salt"])
    lithium = np.array([s.symbol == "Li" for s in CRYSTALS["rock salt"].species])
    shells = find_shells(cell, lithium, ~lithium)
    expected = 6 + 8 * np.exp(1 - 27)
    assert coordination_numbers(shells) == pytest.approx([expected], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_cell(seed):
    structure = random_crystal(seed)
    values = StructuralSet().describe(structure)
    again = StructuralSet().describe(other_cell(structure, seed))
    assert values.reason == again.reason == ""
    np.testing.assert_allclose(list(again.values()), list(values.values()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CRYSTALS)
def test_symmetric_crystals_do_not_depend_on_the_cell(name, seed):
    values = StructuralSet().describe(CRYSTALS[name])
    again = StructuralSet().describe(other_cell(CRYSTALS[name], seed))
    np.testing.assert_allclose(list(again.values()), list(values.values()), rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise_ang", [1e-9, 1e-7, 1e-5, 1e-3])
@pytest.mark.parametrize("name", CRYSTALS)
def test_noise_changes_little(name, noise_ang):
    values = StructuralSet().describe(CRYSTALS[name])
    noisy = CRYSTALS[name].copy()
    rng = np.random.default_rng(3)
    for k, shift in enumerate(rng.normal(size=(len(noisy), 3))):
        noisy.translate_sites([k], noise_ang * shift, frac_coords=False)
    again = StructuralSet().describe(noisy)
    for column, value in values.items():
        is_count = column.endswith(("corners", "edges", "faces"))
        tolerance = 0 if is_count else 1e-5 + 20 * noise_ang
        assert again[column] == pytest.approx(value, abs=tolerance), column


@pytest.mark.parametrize(
    ("symbol", "state", "is_anion", "expected"),
    [
        ("O", -2.0, True, 1.40),
        ("Cl", -1.0, True, 1.81),
        ("N", -3.0, True, 1.46),
        ("P", 5.0, False, 0.38),
        ("Fe", 2.0, False, (0.61 + 0.78) / 2),
        ("Cl", 5.0, False, 0.12),
        ("O", -1.0, True, 1.40),
        ("S", 0.0, True, 1.84),
        ("Eu", 2.0, False, 1.17),
        ("Eu", 3.0, False, 0.947),
    ],
)
def test_radii_are_shannons(symbol, state, is_anion, expected):
    assert ionic_radius_ang(symbol, state, is_anion) == pytest.approx(expected)


@pytest.mark.parametrize("is_anion", [True, False])
def test_any_ion_has_a_radius_or_a_reason(is_anion):
    for element in Element:
        for state in range(-4, 8):
            with suppress(FeatureError):
                assert -0.5 < ionic_radius_ang(element.symbol, float(state), is_anion) < 3


def test_missing_values_say_why():
    phosphide = Structure(
        CRYSTALS["antifluorite"].lattice,
        ["Li+", "Li+", "P3-"],
        CRYSTALS["antifluorite"].frac_coords,
    )
    values = StructuralSet().describe(phosphide)
    assert values.reason.startswith(
        "no ionic radius is tabulated for P as an anion: hop_radius_ang, "
    )
    missing = {name for name, value in values.items() if np.isnan(value)}
    assert missing == set(values.reason.split(": ")[1].split(", "))

    metal = Structure(Lattice.cubic(3.4), ["Li"], [[0, 0, 0]])
    values = StructuralSet().describe(metal)
    assert values["volume_per_li_ang3"] == pytest.approx(3.4**3)
    assert values["li_site_volume_ang3"] == pytest.approx(3.4**3)
    assert np.isnan(values["anion_q6"])
    assert values.reason.startswith("no anion")


@pytest.mark.parametrize(
    ("species", "coords", "reason"),
    [
        (["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]], "no lithium"),
        (["Li+", "Cl-"], [[0, 0, 0], [0.01, 0, 0]], "apart"),
        (["Li+", "Cl-"], [[0, 0, 0], [0, 0, 0]], "apart"),
        (["Li+", "Cl-"], [[0, 0, 0], [np.nan, 0, 0]], "not finite"),
        ([{"Li+": 0.5}, "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]], "partially occupied"),
    ],
)
def test_odd_input_is_refused(species, coords, reason):
    with pytest.raises(FeatureError, match=reason):
        StructuralSet().describe(Structure(Lattice.cubic(4), species, coords))


def test_extreme_cells_are_described():
    flat = Structure(Lattice.orthorhombic(3, 3, 90), ["Li+", "F-"], [[0, 0, 0], [0, 0, 0.02]])
    large = Structure(Lattice.cubic(40), ["Li+", "F-"], [[0, 0, 0], [0.05, 0, 0]])
    for structure in (flat, large):
        values = StructuralSet().describe(structure)
        assert values.reason == ""
        assert np.isfinite(list(values.values())).all()


def test_columns_and_registration():
    assert DESCRIPTORS is StructuralSet
    assert StructuralSet.name == "structural"
    assert len(set(StructuralSet.columns)) == len(StructuralSet.columns) == 27
    assert tuple(StructuralSet().describe(CRYSTALS["rock salt"])) == StructuralSet.columns
