"""Voronoi and radical (power) cells of atoms in a periodic cell, by clipping polyhedra.

The cell of an atom starts as a cube that is larger than any cell of the lattice can be,
and is cut by the planes towards its neighbours, the nearest first, until no neighbour
that is left can reach it. Cospherical neighbours, as in all simple structures, then cost
nothing: they cut faces of (nearly) no area.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from pymatgen.core import Lattice

from ionscout.errors import FeatureError
from ionscout.features._base import Cell

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_ON_PLANE_ANG = 1e-8
_SAME_POINT_ANG = 1e-7
_MAX_FACES = 160
_MAX_CORNERS = 80
_FIRST_RADIUS = 2.4


class VoronoiCells(NamedTuple):
    """The polyhedra around atoms, face by face.

    Attributes
    ----------
    volume_ang3 : numpy.ndarray
        Shape (n_atoms,), in cubic angstrom.
    centre, other : numpy.ndarray
        Shape (n_faces,), indices of the two atoms that a face separates; each face
        appears once from each side.
    direction : numpy.ndarray
        Shape (n_faces, 3), unit vectors from `centre` to that image of `other`.
    area_ang2 : numpy.ndarray
        Shape (n_faces,), in square angstrom.
    first_corner : numpy.ndarray
        Shape (n_faces + 1,): the corners of face k are the rows from
        ``first_corner[k]`` to ``first_corner[k + 1]`` of `corner_ang`, in order.
    corner_ang : numpy.ndarray
        Shape (n_corners, 3), in angstrom from the centre.
    """

    volume_ang3: np.ndarray
    centre: np.ndarray
    other: np.ndarray
    direction: np.ndarray
    area_ang2: np.ndarray
    first_corner: np.ndarray
    corner_ang: np.ndarray


def reduce_cell(cell: Cell) -> Cell:
    """Describe the same crystal by a compact cell with all atoms inside.

    Parameters
    ----------
    cell : Cell

    Returns
    -------
    Cell
        Its lattice is LLL-reduced, its fractional coordinates lie in [0, 1).
    """
    reduced = Lattice(cell.lattice_ang).get_lll_reduced_lattice()
    frac_coords = reduced.get_fractional_coords(cell.frac_coords @ cell.lattice_ang)
    return Cell(np.ascontiguousarray(reduced.matrix), np.ascontiguousarray(frac_coords % 1.0))


def voronoi_cells(cell: Cell, radii_ang: ArrayLike = 0.0) -> VoronoiCells:
    """Divide a crystal among its atoms.

    Parameters
    ----------
    cell : Cell
        Reduced (`reduce_cell`); no two atoms at the same place.
    radii_ang : array_like, optional
        Shape (n_atoms,). A point belongs to the atom for which its squared distance
        less the squared radius is the smallest: the radical or Laguerre division, of
        which Voronoi's is the case of equal radii.

    Returns
    -------
    VoronoiCells

    Raises
    ------
    FeatureError
        If a polyhedron has more faces or corners than any in a real crystal.
    """
    squared_radii = np.square(np.broadcast_to(np.asarray(radii_ang, float), len(cell.frac_coords)))
    ok, *arrays = _all_cells(
        cell.lattice_ang, cell.frac_coords, squared_radii, start_lengths_ang(cell)
    )
    if not ok:
        raise FeatureError("an atom has too many Voronoi neighbours; do atoms overlap?")
    return VoronoiCells(*arrays)


def start_lengths_ang(cell: Cell) -> tuple[float, float]:
    """Lengths that the cutting of cells starts with.

    Parameters
    ----------
    cell : Cell
        Reduced.

    Returns
    -------
    half_width_ang : float
        Half the edge of a cube that holds any cell.
    radius_ang : float
        How far to look for neighbours first.
    """
    half_width_ang = 0.51 * np.sqrt((cell.lattice_ang**2).sum()) + 0.1
    spacing_ang = np.cbrt(cell.volume_ang3 / len(cell.frac_coords))
    return float(half_width_ang), float(_FIRST_RADIUS * spacing_ang)


@numba.njit(cache=True)
def images(lattice, frac, origin, cutoff, excluded):
    """List images of atoms closer than `cutoff` to a point, the nearest first.

    Returns indices, shifts (n, 3), vectors from the point (n, 3) and distances; the home
    image of atom `excluded` is left out.
    """
    inverse = np.linalg.inv(lattice)
    reach = np.empty(3)
    for k in range(3):
        reach[k] = cutoff * np.sqrt((inverse[:, k] ** 2).sum())
    capacity = 256
    index = np.empty(capacity, dtype=np.int64)
    shift = np.empty((capacity, 3), dtype=np.int64)
    vector = np.empty((capacity, 3))
    squared = np.empty(capacity)
    count = 0
    for j in range(frac.shape[0]):
        u, v, w = frac[j, 0] - origin[0], frac[j, 1] - origin[1], frac[j, 2] - origin[2]
        for a in range(int(np.ceil(-reach[0] - u)), int(np.floor(reach[0] - u)) + 1):
            for b in range(int(np.ceil(-reach[1] - v)), int(np.floor(reach[1] - v)) + 1):
                for c in range(int(np.ceil(-reach[2] - w)), int(np.floor(reach[2] - w)) + 1):
                    if j == excluded and a == 0 and b == 0 and c == 0:
                        continue
                    if count == capacity:
                        capacity *= 2
                        index = np.concatenate((index, np.empty_like(index)))
                        shift = np.concatenate((shift, np.empty_like(shift)))
                        vector = np.concatenate((vector, np.empty_like(vector)))
                        squared = np.concatenate((squared, np.empty_like(squared)))
                    total = 0.0
                    for k in range(3):
                        x = (
                            (u + a) * lattice[0, k]
                            + (v + b) * lattice[1, k]
                            + (w + c) * lattice[2, k]
                        )
                        vector[count, k] = x
                        total += x * x
                    if total > cutoff * cutoff:
                        continue
                    index[count] = j
                    shift[count, 0], shift[count, 1], shift[count, 2] = a, b, c
                    squared[count] = total
                    count += 1
    order = np.argsort(squared[:count])
    return index[order], shift[order], vector[order], np.sqrt(squared[order])


@numba.njit(cache=True)
def _all_cells(lattice, frac, squared_radii, lengths):
    """Cut the cell of every atom and list all faces."""
    n_atoms = frac.shape[0]
    volume = np.zeros(n_atoms)
    centre = np.empty(32 * n_atoms + 64, dtype=np.int64)
    other = np.empty_like(centre)
    direction = np.empty((centre.size, 3))
    area = np.empty(centre.size)
    first = np.zeros(centre.size + 1, dtype=np.int64)
    corner = np.empty((6 * centre.size, 3))
    faces = empty_faces()
    points, sizes, owners = faces
    count, ok = 0, True
    for i in range(n_atoms):
        n_faces, index, _, vector, distance = cut_cell(
            lattice, frac, squared_radii, frac[i], squared_radii[i], i, lengths, faces
        )
        if n_faces < 0:
            ok = False
            break
        for face in range(n_faces):
            k = owners[face]
            if k < 0 or sizes[face] < 3:
                continue
            if count == centre.size:
                centre = np.concatenate((centre, np.empty_like(centre)))
                other = np.concatenate((other, np.empty_like(other)))
                direction = np.concatenate((direction, np.empty_like(direction)))
                area = np.concatenate((area, np.empty_like(area)))
                first = np.concatenate((first, np.empty_like(centre[: centre.size // 2])))
            end = first[count] + sizes[face]
            if end > corner.shape[0]:
                corner = np.concatenate((corner, np.empty_like(corner)))
            corner[first[count] : end] = points[face, : sizes[face]]
            first[count + 1] = end
            centre[count], other[count] = i, index[k]
            direction[count] = vector[k] / distance[k]
            area[count] = _polygon_area(points[face], sizes[face])
            squared_difference = squared_radii[i] - squared_radii[index[k]]
            height = 0.5 * (distance[k] + squared_difference / distance[k])
            volume[i] += area[count] * height / 3
            count += 1
    return (
        ok,
        volume,
        centre[:count].copy(),
        other[:count].copy(),
        direction[:count].copy(),
        area[:count].copy(),
        first[: count + 1].copy(),
        corner[: first[count]].copy(),
    )


@numba.njit(cache=True)
def cut_cell(lattice, frac, squared_radii, origin, squared_radius, excluded, lengths, faces):
    """Cut the cell of a point among atoms, the home image of atom `excluded` left out.

    `lengths` are those of `start_lengths_ang`. Writes into `faces` (`empty_faces`) the
    corners from the point, how many there are, and the neighbour that the face belongs
    to, negative for none. Returns the number of faces, negative if there are too many,
    and the neighbours: indices, shifts, vectors and distances.
    """
    half_width, cutoff = lengths
    points, sizes, owners = faces
    excess = max(squared_radii.max() - squared_radius, 0.0)
    while True:
        index, shift, vector, distance = images(lattice, frac, origin, cutoff, excluded)
        n_faces = _start_cube(points, sizes, owners, half_width)
        outermost = half_width * np.sqrt(3.0)
        needed = outermost + np.sqrt(outermost**2 + excess)
        for k in range(index.size):
            if distance[k] >= needed:
                break
            squared_difference = squared_radius - squared_radii[index[k]]
            height = 0.5 * (distance[k] + squared_difference / distance[k])
            if height >= outermost:
                continue
            n_faces, was_cut = _cut(
                points, sizes, owners, n_faces, vector[k] / distance[k], height, k
            )
            if n_faces <= 0:
                return n_faces, index, shift, vector, distance
            if was_cut:
                outermost = _outermost(points, sizes, n_faces)
                needed = outermost + np.sqrt(outermost**2 + excess)
        if needed <= cutoff:
            return n_faces, index, shift, vector, distance
        cutoff = needed * 1.0001


@numba.njit(cache=True)
def empty_faces():
    """Make room for the faces of a cell: corners, their numbers, and neighbours."""
    return (
        np.empty((_MAX_FACES, _MAX_CORNERS, 3)),
        np.empty(_MAX_FACES, dtype=np.int64),
        np.empty(_MAX_FACES, dtype=np.int64),
    )


@numba.njit(cache=True)
def _start_cube(points, sizes, owners, half_width):
    """Make a cube around the origin, of faces that belong to no neighbour."""
    signs = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    for face in range(6):
        axis, side = face // 2, 2.0 * (face % 2) - 1.0
        for k in range(4):
            points[face, k, axis] = side * half_width
            points[face, k, (axis + 1) % 3] = signs[k][0] * half_width
            points[face, k, (axis + 2) % 3] = signs[k][1] * half_width
        sizes[face], owners[face] = 4, -1
    return 6


@numba.njit(cache=True)
def _outermost(points, sizes, n_faces):
    """Distance of the farthest corner."""
    largest = 0.0
    for face in range(n_faces):
        for k in range(sizes[face]):
            x, y, z = points[face, k]
            largest = max(largest, x * x + y * y + z * z)
    return np.sqrt(largest)


@numba.njit(cache=True)
def _cut(points, sizes, owners, n_faces, normal, height, owner):
    """Keep what lies below the plane ``normal . x = height``; close it by a new face.

    Returns the number of faces, 0 where nothing is left and -1 where there are too many,
    and whether anything was cut.
    """
    lowest, highest = np.inf, -np.inf
    for face in range(n_faces):
        for k in range(sizes[face]):
            level = _level(points[face, k], normal, height)
            lowest, highest = min(lowest, level), max(highest, level)
    if highest <= _ON_PLANE_ANG:
        return n_faces, False
    if lowest >= -_ON_PLANE_ANG:
        return 0, True
    rim = np.empty((2 * _MAX_CORNERS, 3))
    n_rim = kept = 0
    for face in range(n_faces):
        size, n_rim = _cut_polygon(points[face], sizes[face], normal, height, rim, n_rim)
        if size < 0:
            return -1, True
        if size >= 3:
            if kept != face:
                points[kept, :size] = points[face, :size]
            sizes[kept], owners[kept] = size, owners[face]
            kept += 1
    if kept == _MAX_FACES or n_rim > _MAX_CORNERS:
        return -1, True
    if n_rim >= 3:
        _sort_around(rim, n_rim, normal)
        points[kept, :n_rim] = rim[:n_rim]
        sizes[kept], owners[kept] = n_rim, owner
        kept += 1
    return kept, True


@numba.njit(cache=True)
def _level(point, normal, height):
    return normal[0] * point[0] + normal[1] * point[1] + normal[2] * point[2] - height


@numba.njit(cache=True)
def _cut_polygon(polygon, size, normal, height, rim, n_rim):
    """Cut one face in place; its points on the plane join the rim of the new face."""
    new = np.empty((_MAX_CORNERS, 3))
    count, below = 0, False
    for k in range(size):
        here, there = polygon[k], polygon[(k + 1) % size]
        level, next_level = _level(here, normal, height), _level(there, normal, height)
        if count + 2 > _MAX_CORNERS or n_rim + 2 > 2 * _MAX_CORNERS:
            return -1, n_rim
        if level <= _ON_PLANE_ANG:
            new[count] = here
            count += 1
            below = below or level < -_ON_PLANE_ANG
            if level >= -_ON_PLANE_ANG:
                n_rim = _add_point(rim, n_rim, here)
        crosses = level < -_ON_PLANE_ANG and next_level > _ON_PLANE_ANG
        if crosses or (level > _ON_PLANE_ANG and next_level < -_ON_PLANE_ANG):
            new[count] = here + (there - here) * (level / (level - next_level))
            n_rim = _add_point(rim, n_rim, new[count])
            count += 1
    if not below:
        return 0, n_rim
    polygon[:count] = new[:count]
    return count, n_rim


@numba.njit(cache=True)
def _add_point(rim, n_rim, point):
    """Add a point that is not there yet."""
    for k in range(n_rim):
        x, y, z = rim[k, 0] - point[0], rim[k, 1] - point[1], rim[k, 2] - point[2]
        if x * x + y * y + z * z < _SAME_POINT_ANG**2:
            return n_rim
    rim[n_rim] = point
    return n_rim + 1


@numba.njit(cache=True)
def _sort_around(rim, n_rim, normal):
    """Order the corners of a convex polygon by their angle about its middle."""
    middle = np.zeros(3)
    for k in range(n_rim):
        middle += rim[k] / n_rim
    axis = np.zeros(3)
    axis[np.argmin(np.abs(normal))] = 1.0
    first = np.cross(normal, axis)
    second = np.cross(normal, first)
    angle = np.empty(n_rim)
    for k in range(n_rim):
        offset = rim[k] - middle
        angle[k] = np.arctan2((offset * second).sum(), (offset * first).sum())
    rim[:n_rim] = rim[:n_rim][np.argsort(angle)]


@numba.njit(cache=True)
def _polygon_area(polygon, size):
    """Area of a plane convex polygon."""
    x = y = z = 0.0
    for k in range(1, size - 1):
        a, b = polygon[k] - polygon[0], polygon[k + 1] - polygon[0]
        x += a[1] * b[2] - a[2] * b[1]
        y += a[2] * b[0] - a[0] * b[2]
        z += a[0] * b[1] - a[1] * b[0]
    return 0.5 * np.sqrt(x * x + y * y + z * z)


@numba.njit(cache=True)
def solid_angle(polygon, size):
    """Solid angle in steradian of a convex polygon that is seen from the origin.

    Each triangle by van Oosterom and Strackee (1983), doi 10.1109/TBME.1983.325207.
    """
    total = 0.0
    a = polygon[0]
    length_a = np.sqrt((a * a).sum())
    for k in range(1, size - 1):
        b, c = polygon[k], polygon[k + 1]
        length_b, length_c = np.sqrt((b * b).sum()), np.sqrt((c * c).sum())
        triple = (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            + a[1] * (b[2] * c[0] - b[0] * c[2])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )
        below = (
            length_a * length_b * length_c
            + (a * b).sum() * length_c
            + (a * c).sum() * length_b
            + (b * c).sum() * length_a
        )
        total += 2 * np.arctan2(abs(triple), below)
    return total
