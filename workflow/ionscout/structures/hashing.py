"""Identity of a crystal as its source states it."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from pymatgen.core import PeriodicSite, Structure

_PER_ANG = 10_000
_PER_DEG = 10_000
_PER_FRACTION = 100_000
_PER_OCCUPANCY = 10_000
# Decimals such as 0.333335 would lie on a rounding edge; shifted by this they do not.
_OFF_THE_EDGE = 0.137


def structure_hash(structure: Structure) -> str:
    """Hash the content of a crystal, rounded.

    The cell is taken as the source gives it: standardised cells differ between
    versions of spglib. The order of the sites, lattice translations of sites
    and rotations of the crystal as a whole do not matter; another choice of
    cell or origin does.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or disordered, with or without oxidation states.

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.
    """
    lattice = structure.lattice
    content = {
        "lengths": _steps(lattice.abc, _PER_ANG).tolist(),
        "angles": _steps(lattice.angles, _PER_DEG).tolist(),
        "sites": sorted(_site_content(site) for site in structure),
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _site_content(site: PeriodicSite) -> tuple[list[str], list[int], list[int]]:
    species = sorted((str(one), amount) for one, amount in site.species.items())
    names = [name for name, _ in species]
    occupancies = _steps([amount for _, amount in species], _PER_OCCUPANCY)
    position = _steps(site.frac_coords, _PER_FRACTION) % _PER_FRACTION
    return names, occupancies.tolist(), position.tolist()


def _steps(values: object, per_unit: int) -> np.ndarray:
    return np.rint(np.asarray(values, dtype=float) * per_unit + _OFF_THE_EDGE).astype(int)
