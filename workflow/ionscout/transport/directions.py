"""Diffusion by direction: the tensor, its axes, and whether it differs from a sphere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ionscout.errors import TransportError
from ionscout.transport.diffusivity import CM2_S_PER_ANG2_PS, Diffusivity
from ionscout.transport.msd import atom_pieces, checked_positions

COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")
ROWS = np.array([0, 1, 2, 1, 0, 0])
COLUMNS = np.array([0, 1, 2, 2, 2, 1])
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class DiffusionTensor:
    """A diffusion tensor in cm2/s, by the fit of `diffusivity`, whose D is its trace over 3.

    `tensor_cm2_s` and `sd_cm2_s` (its standard deviations) are of shape (3, 3);
    `principal_cm2_s`, largest first, and `principal_sd_cm2_s` of shape (3,), and
    `axes` holds their directions as rows. `isotropy_p` is the probability that an
    isotropic walk looks at least as anisotropic.
    """

    tensor_cm2_s: NDArray
    sd_cm2_s: NDArray
    principal_cm2_s: NDArray
    principal_sd_cm2_s: NDArray
    axes: NDArray
    isotropy_p: float

    @property
    def anisotropy(self) -> float:
        """Largest over smallest principal value; infinite where the smallest is not positive.

        Above 1 for isotropic walks too: see `resolved`.
        """
        largest, smallest = self.principal_cm2_s[0], self.principal_cm2_s[2]
        return float(largest / smallest) if smallest > 0 else np.inf

    @property
    def resolved(self) -> bool:
        """Whether the tensor differs from that of an isotropic walk."""
        return self.isotropy_p < SIGNIFICANCE

    def components_cm2_s(self) -> dict[str, float]:
        """Return the six components by the names `COMPONENTS`."""
        values = self.tensor_cm2_s[ROWS, COLUMNS]
        return {name: float(value) for name, value in zip(COMPONENTS, values, strict=True)}


def diffusion_tensor(
    positions_ang: ArrayLike, tracer: Diffusivity, *, frame_interval_fs: float
) -> DiffusionTensor:
    """Diffusion tensor of the ions of a trajectory.

    Parameters
    ----------
    positions_ang : array_like, shape (n_frames, n_ions, 3)
        Unwrapped Cartesian positions of the mobile ions in angstrom, drift removed.
    tracer : Diffusivity
        Of the same ions (`estimate_diffusivity`), whose lags and weights are used.
    frame_interval_fs : float
        Time between frames in fs.

    Returns
    -------
    DiffusionTensor

    Raises
    ------
    TransportError
        If the slope of the MSD is not positive.

    Notes
    -----
    D_ab is half the slope of <dx_a dx_b>, by the lags and weights of the scalar fit. The
    variance of the scalar D, with all that is in it beyond Gaussian walkers, is shared out
    as it is among Gaussian walkers, Cov(D_ab, D_cd) ~ D_ac D_bd + D_ad D_bc. The test of
    isotropy is that of John, Biometrika 59, 169 (1972), doi:10.1093/biomet/59.1.169, with
    the moments of Isserlis' theorem: sum_ab (D_ab - D delta_ab)^2 / (3 sd^2) follows chi
    squared with five degrees of freedom, and is compared with F for the uncertain scale.
    """
    positions = checked_positions(positions_ang)
    if tracer.posterior.slope <= 0:
        raise TransportError("no diffusion tensor: the slope of the MSD is not positive")
    interval_ps = frame_interval_fs / 1000
    slopes = tracer.line.solve[0] @ _displacement_products(positions, tracer.line.lags)
    tensor = np.empty((3, 3))
    tensor[ROWS, COLUMNS] = tensor[COLUMNS, ROWS] = slopes / 2 * CM2_S_PER_ANG2_PS / interval_ps
    values, vectors = np.linalg.eigh(tensor)
    variance = 9 * tracer.sd_cm2_s**2 / (tensor**2).sum()
    diagonal = np.diag(tensor)
    deviator = tensor - np.eye(3) * diagonal.mean()
    return DiffusionTensor(
        tensor_cm2_s=tensor,
        sd_cm2_s=np.sqrt(variance * (abs(np.outer(diagonal, diagonal)) + tensor**2) / 2),
        principal_cm2_s=values[::-1],
        principal_sd_cm2_s=np.sqrt(variance) * abs(values[::-1]),
        axes=vectors.T[::-1],
        isotropy_p=_isotropy_p((deviator**2).sum(), tracer),
    )


def _isotropy_p(squared_deviation: float, tracer: Diffusivity) -> float:
    """Probability of a deviation as large from an isotropic tensor."""
    freedom = 2 * tracer.posterior.shape
    return float(stats.f.sf(squared_deviation / (15 * tracer.sd_cm2_s**2), 5, freedom))


def _displacement_products(positions: NDArray, lags: NDArray) -> NDArray[np.float64]:
    """Mean products of the components of a displacement, shape (n_lags, 6), in `COMPONENTS`."""
    total = np.zeros((len(lags), 6))
    for _, series in atom_pieces(positions, copies=4):
        for row, lag in enumerate(lags):
            step = series[:, :, lag:] - series[:, :, :-lag]
            total[row] += np.einsum("akt,akt->k", step[:, ROWS], step[:, COLUMNS]) / step.shape[2]
    return total / positions.shape[1]
