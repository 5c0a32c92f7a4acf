"""The modified X-ray diffraction pattern of Zhang 2019 (doi 10.1038/s41467-019-13214-1).

Only the anion lattice scatters: every anion becomes sulfur, and the cell is scaled
to 40 cubic angstrom an anion, so that patterns compare the arrangement of anions
whatever their kind and size. The pattern from 0 to 90 degrees of 2 theta is smeared
with a Gaussian, given in 900 bins of 0.1 degree and normalised to a sum of 1.

Anions are told by a negative oxidation state, H- among them. Where a crystal carries
no oxidation states, or only zeros, the atoms of its most electronegative element are
taken.

Reflections beyond 90 degrees are left out before smearing.

What is known of the paper's own settings: its methods section was not at hand, so
that the wavelength could not be verified; Cu K-alpha, 1.54184 angstrom, is the
default. A smearing of 0.2 degree is read as a standard deviation: the authors'
patterns, as printed by later users (4501 points; 0 to 90 degrees assumed), fall off
in their tails like Gaussians of 0.16 to 0.19 degree standard deviation, far from the
0.085 of a full width of 0.2 degree, and a published reimplementation
(github.com/SeoinBack/ML-HTVS-Li-SE) has a standard deviation of 0.2 degree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
from pymatgen.analysis.diffraction.xrd import ATOMIC_SCATTERING_PARAMS
from pymatgen.core import Element

from ionscout.config import MxrdSettings
from ionscout.errors import FeatureError
from ionscout.features._base import Description, DescriptorSet, list_occupants, mark_anions

if TYPE_CHECKING:
    from pymatgen.core import Structure

VOLUME_PER_ANION_ANG3 = 40.0
ABSENT_FRACTION = 1e-20
BIN_WIDTH_DEG = 0.1
N_BINS = 900
BIN_CENTRES_DEG = (np.arange(N_BINS) + 0.5) * BIN_WIDTH_DEG

_SCATTERER = "S"
_COEFFICIENTS = np.array(ATOMIC_SCATTERING_PARAMS[_SCATTERER])
_CHARGE = float(Element(_SCATTERER).Z)


class MxrdSet(DescriptorSet):
    """The modified diffraction pattern, one column a bin.

    Parameters
    ----------
    settings : MxrdSettings
        Wavelength and smearing.
    """

    name = "mxrd"
    source = "Zhang 2019, doi 10.1038/s41467-019-13214-1"
    columns = tuple(f"two_theta_{centre:.2f}" for centre in BIN_CENTRES_DEG)

    def __init__(self, settings: MxrdSettings | None = None) -> None:
        self.settings = settings or MxrdSettings()

    def describe(self, structure: Structure) -> Description:
        """Compute the pattern of a crystal.

        Parameters
        ----------
        structure : pymatgen.core.Structure

        Returns
        -------
        Description
            A value for each of `columns`; their sum is 1.

        Raises
        ------
        FeatureError
            If the crystal has no anions, or no reflection falls into the pattern.
        """
        pattern, reason = self._compute(structure)
        return Description(dict(zip(self.columns, pattern.tolist(), strict=True)), reason)

    def _compute(self, structure: Structure) -> tuple[np.ndarray, str]:
        two_theta_deg, intensity = diffraction_peaks(
            anion_lattice(structure), wavelength_ang=self.settings.wavelength_ang
        )
        return smear(two_theta_deg, intensity, smearing_deg=self.settings.smearing_deg), ""


DESCRIPTORS = MxrdSet


class AnionLattice(NamedTuple):
    """The anions of a crystal, in a cell of 40 cubic angstrom an anion.

    Attributes
    ----------
    lattice_ang : numpy.ndarray
        Shape (3, 3), one lattice vector a row, in angstrom.
    frac_coords : numpy.ndarray
        Shape (n_anions, 3).
    occupancy : numpy.ndarray
        Shape (n_anions,), from 0 to 1.
    """

    lattice_ang: np.ndarray
    frac_coords: np.ndarray
    occupancy: np.ndarray


def anion_lattice(structure: Structure) -> AnionLattice:
    """Take the anions of a crystal, in a cell of 40 cubic angstrom an anion.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered or not; partial occupancies are kept.

    Returns
    -------
    AnionLattice

    Raises
    ------
    FeatureError
        If the crystal is degenerate or has no anions.
    """
    occupants = list_occupants(structure)
    anions = mark_anions(occupants.species)
    cell, occupancy = occupants.cell, occupants.occupancy[anions]
    scale = (VOLUME_PER_ANION_ANG3 * occupancy.sum() / cell.volume_ang3) ** (1 / 3)
    return AnionLattice(
        cell.lattice_ang * scale, cell.frac_coords[occupants.site[anions]], occupancy
    )


def diffraction_peaks(anions: AnionLattice, wavelength_ang: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the powder reflections of a lattice of sulfur atoms up to 90 degrees.

    Scattering factor and Lorentz-polarisation factor are those of pymatgen's
    ``XRDCalculator``.

    Parameters
    ----------
    anions : AnionLattice
    wavelength_ang : float
        X-ray wavelength in angstrom.

    Returns
    -------
    two_theta_deg, intensity : numpy.ndarray
        Shape (n_peaks,), one for each pair of opposite reciprocal points, unsorted.

    Raises
    ------
    FeatureError
        If no reflection falls below 90 degrees.
    """
    two_theta_deg, intensity = _peaks(*anions, wavelength_ang, _CHARGE, _COEFFICIENTS)
    if two_theta_deg.size == 0:
        raise FeatureError("no reflection below 90 degrees at this wavelength")
    return two_theta_deg, intensity


def smear(two_theta_deg: np.ndarray, intensity: np.ndarray, smearing_deg: float) -> np.ndarray:
    """Spread peaks as Gaussians over the bins and normalise the sum.

    Parameters
    ----------
    two_theta_deg, intensity : numpy.ndarray
        Shape (n_peaks,).
    smearing_deg : float
        Standard deviation in degrees of 2 theta.

    Returns
    -------
    numpy.ndarray
        Shape (900,), the Gaussians at the centres of the bins; the sum is 1.
    """
    pattern = _smear(two_theta_deg, intensity, smearing_deg, BIN_WIDTH_DEG, N_BINS)
    return pattern / pattern.sum()


@numba.njit(cache=True)
def _rotate(cosine_a, sine_a, cosine_b, sine_b, sign, cosine, sine):
    """Phases of a sum (sign 1) or difference (sign -1), into `cosine` and `sine`."""
    for j in range(cosine.size):
        cosine[j] = cosine_a[j] * cosine_b[j] - sign * sine_a[j] * sine_b[j]
        sine[j] = sine_a[j] * cosine_b[j] + sign * cosine_a[j] * sine_b[j]


@numba.njit(cache=True)
def _phases(frac, limit, weight):
    """Cosines and sines of 2 pi n x, shape (limit + 1, n_atoms), n from 0, weighted."""
    cosine = np.empty((limit + 1, frac.size))
    sine = np.zeros((limit + 1, frac.size))
    cosine[0] = weight
    cosine_1, sine_1 = np.cos(2 * np.pi * frac), np.sin(2 * np.pi * frac)
    for n in range(limit):
        _rotate(cosine[n], sine[n], cosine_1, sine_1, 1.0, cosine[n + 1], sine[n + 1])
    return cosine, sine


@numba.njit(cache=True, fastmath=True)
def _squared_modulus(cosine_a, sine_a, cosine_b, sine_b, sign):
    """Squared modulus of the sum of phases over the atoms."""
    real, imaginary = 0.0, 0.0
    for j in range(cosine_a.size):
        real += cosine_a[j] * cosine_b[j] - sign * sine_a[j] * sine_b[j]
        imaginary += sine_a[j] * cosine_b[j] + sign * cosine_a[j] * sine_b[j]
    return real * real + imaginary * imaginary


@numba.njit(cache=True)
def _scatter(squared_g, squared_modulus, wavelength, charge, coefficients):
    """Angle in degrees and intensity of a pair of opposite reciprocal points."""
    s2 = squared_g / 4
    factor = 0.0
    for k in range(coefficients.shape[0]):
        factor += coefficients[k, 0] * np.exp(-coefficients[k, 1] * s2)
    factor = charge - 41.78214 * s2 * factor
    sin2 = s2 * wavelength * wavelength
    cos_two_theta = 1 - 2 * sin2
    lorentz = (1 + cos_two_theta**2) / (sin2 * np.sqrt(1 - sin2))
    angle = np.degrees(2 * np.arcsin(np.sqrt(sin2)))
    return angle, 2 * squared_modulus * factor * factor * lorentz


@numba.njit(cache=True)
def _peaks(lattice, frac, occupancy, wavelength, charge, coefficients):
    """List the reflections of half of the reciprocal points in the sphere up to 90 degrees."""
    radius = np.sqrt(2.0) / wavelength
    lengths = np.sqrt((lattice**2).sum(axis=1))
    limits = np.floor(radius * lengths).astype(np.int64)
    metric = np.linalg.inv(lattice @ lattice.T)
    one = np.ones_like(occupancy)
    cosine_x, sine_x = _phases(frac[:, 0].copy(), limits[0], occupancy)
    cosine_y, sine_y = _phases(frac[:, 1].copy(), limits[1], one)
    cosine_z, sine_z = _phases(frac[:, 2].copy(), limits[2], one)
    cosine, sine = np.empty_like(occupancy), np.empty_like(occupancy)
    absent = ABSENT_FRACTION * occupancy.sum() ** 2
    angles, intensities = np.empty(256), np.empty(256)
    count = 0
    for h in range(limits[0] + 1):
        for k in range(-limits[1] if h > 0 else 0, limits[1] + 1):
            squared_hk = h * h * metric[0, 0] + 2 * h * k * metric[0, 1] + k * k * metric[1, 1]
            middle = -(h * metric[0, 2] + k * metric[1, 2]) / metric[2, 2]
            room = middle**2 + (radius**2 - squared_hk) / metric[2, 2]
            if room < 0:
                continue
            sign = 1.0 if k >= 0 else -1.0
            _rotate(cosine_x[h], sine_x[h], cosine_y[abs(k)], sine_y[abs(k)], sign, cosine, sine)
            lowest = int(np.ceil(middle - np.sqrt(room))) if h > 0 or k > 0 else 1
            for m in range(lowest, int(np.floor(middle + np.sqrt(room))) + 1):
                if count == angles.size:
                    angles = np.concatenate((angles, np.empty_like(angles)))
                    intensities = np.concatenate((intensities, np.empty_like(intensities)))
                sign = 1.0 if m >= 0 else -1.0
                modulus = _squared_modulus(cosine, sine, cosine_z[abs(m)], sine_z[abs(m)], sign)
                if modulus < absent:
                    continue
                squared_g = squared_hk + m * (m - 2 * middle) * metric[2, 2]
                angles[count], intensities[count] = _scatter(
                    squared_g, modulus, wavelength, charge, coefficients
                )
                count += 1
    return angles[:count].copy(), intensities[:count].copy()


@numba.njit(cache=True)
def _smear(angles, intensities, sigma, width, n_bins):
    """Add a Gaussian for each peak, out to 6 standard deviations.

    With x the offset of the nearest bin, the Gaussian n bins away is
    exp(-x^2/2s^2) exp(-x w/s^2)^n exp(-w^2/2s^2)^(n^2): two exponentials a peak.
    """
    reach = int(np.ceil(6 * sigma / width))
    curve = np.exp(-0.5 * (np.arange(reach + 1) * width / sigma) ** 2)
    pattern = np.zeros(n_bins)
    for peak in range(angles.size):
        nearest = int(angles[peak] / width)
        offset = (nearest + 0.5) * width - angles[peak]
        height = intensities[peak] * np.exp(-0.5 * (offset / sigma) ** 2)
        up = np.exp(-offset * width / sigma**2)
        down = 1 / up
        if nearest < n_bins:
            pattern[nearest] += height
        above, below = height, height
        for n in range(1, reach + 1):
            above *= up
            below *= down
            if nearest + n < n_bins:
                pattern[nearest + n] += above * curve[n]
            if 0 <= nearest - n < n_bins:
                pattern[nearest - n] += below * curve[n]
    return pattern
