"""Li6PS5Cl at 500 K: six consecutive pieces of one real trajectory."""

import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import estimate_diffusivity, find_jumps, judge, remove_drift

pytestmark = pytest.mark.slow
REFERENCE_CM2_S = 1.141e-5


@pytest.fixture(scope="module")
def pieces(shared_data):
    vasp = pytest.importorskip("pymatgen.io.vasp")
    folder = shared_data / "trajectories" / "argyrodite_li6ps5cl_50"
    return [vasp.Xdatcar(folder / f"run{n}.XDATCAR.gz").structures for n in range(1, 7)]


def lithium(structures):
    fractional = np.array([structure.frac_coords for structure in structures])
    steps = np.diff(fractional, axis=0)
    steps -= np.round(steps)
    unwrapped = fractional[0] + np.concatenate(
        [np.zeros_like(fractional[:1]), np.cumsum(steps, axis=0)]
    )
    first = structures[0]
    mobile = np.array([site.specie.symbol == "Li" for site in first])
    masses = [float(site.specie.atomic_mass) for site in first]
    return remove_drift(unwrapped @ first.lattice.matrix, masses, ~mobile)[:, mobile]


def test_joined_pieces(pieces):
    ions = lithium([structure for piece in pieces for structure in piece])
    plain = estimate_diffusivity(
        ions, frame_interval_fs=100, fit_start_ps=5, fit_end_ps=35, weighted=False
    )
    assert plain.d_cm2_s == pytest.approx(REFERENCE_CM2_S, rel=0.01)
    found = estimate_diffusivity(ions, frame_interval_fs=100)
    assert found.low_cm2_s < REFERENCE_CM2_S < found.high_cm2_s
    assert found.high_cm2_s < 4 * found.low_cm2_s
    jumps = find_jumps(ions, frame_interval_fs=100)
    assert judge(found, jumps, production_ps=70).verdict == "diffusive"


def test_one_piece_is_too_short_for_the_window(pieces):
    with pytest.raises(TransportError, match=r"lasts 13\.9 ps"):
        estimate_diffusivity(
            lithium(pieces[0]), frame_interval_fs=100, fit_start_ps=5, fit_end_ps=35
        )
