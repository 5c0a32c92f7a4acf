"""Numbers of a composition as an ionic chemist reads it: anions, framework cations, lithium.

Every element gets a typical charge from a table, so that no charge has to balance and
doped or nonstoichiometric formulas pass. What does not balance is a descriptor itself.
Radii are Shannon's (Acta Cryst. A 32, 1976, 751, doi 10.1107/S0567739476001551) as pymatgen
has them, for the charge tabulated that is nearest to the typical one.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from pymatgen.core import Composition, Element

from ionscout.errors import FeatureError
from ionscout.features._base import refuse_dummies

ANIONS = ("O", "S", "Se", "Te", "F", "Cl", "Br", "I", "N", "H")

# Free ions, cubic angstrom: Pauling, Proc. R. Soc. A 114, 181 (1927), doi 10.1098/rspa.1927.0035.
POLARIZABILITY_ANG3 = {
    "F": 1.04, "Cl": 3.66, "Br": 4.77, "I": 7.10, "O": 3.88, "S": 10.2, "Se": 10.5, "Te": 14.0,
    "H": 10.1,
}  # fmt: skip

_ANION_CHARGE = {
    "O": -2, "S": -2, "Se": -2, "Te": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1, "N": -3, "H": -1,
}  # fmt: skip
_CHARGE_WITH_OXYGEN = {"S": 6, "Se": 6, "Te": 6, "H": 1}
_CATION_CHARGE = {
    "C": 4, "Si": 4, "P": 5, "As": 5, "Ge": 4, "Sn": 4, "Sb": 5, "Bi": 3, "Pb": 2, "Ti": 4,
    "Zr": 4, "Hf": 4, "V": 5, "Nb": 5, "Ta": 5, "Cr": 3, "Mo": 6, "W": 6, "Mn": 2, "Fe": 3,
    "Co": 2, "Ni": 2, "Cu": 2, "Ag": 1, "Zn": 2, "Cd": 2, "Ce": 4, "Tl": 1,
}  # fmt: skip
_FORMERS = ("B", "C", "Si", "P", "As", "Ge", "S", "Se", "V")
_D0_METALS = ("Ti", "Zr", "Hf", "Nb", "Ta", "Mo", "W", "Sc", "Y")
_FRAMEWORK = ("radius_ang", "charge", "electronegativity", "mendeleev_number", "row")
_STATISTICS = ("mean", "deviation", "min", "max")
COLUMNS = (
    "lithium_fraction", "anions_per_atom", "lithium_per_anion", "lithium_per_cation",
    "cations_per_anion",
    "charge_imbalance_per_atom", "cation_mixing_entropy", "anion_mixing_entropy",
    "electronegativity_contrast", "field_strength_per_ang2", "ionic_volume_per_anion_ang3",
    "anion_radius_ang", "anion_electronegativity", "anion_polarizability_ang3", "anion_charge",
    "polyanions_per_anion", "d0_metals_per_anion", "d_electron_metals_per_anion",
    "large_cations_per_anion", "other_alkali_per_anion",
    *(f"framework_{name}_{statistic}" for name in _FRAMEWORK for statistic in _STATISTICS),
    *(f"anion_fraction_{symbol}" for symbol in ANIONS),
)  # fmt: skip


class _Ions(NamedTuple):
    """The ions of a composition; every array has one entry an element."""

    symbols: np.ndarray
    fractions: np.ndarray
    charges: np.ndarray
    radii_ang: np.ndarray

    def only(self, rows: np.ndarray) -> _Ions:
        return _Ions(*(column[rows] for column in self))

    def amount(self, symbols: tuple[str, ...]) -> float:
        return float(self.fractions[np.isin(self.symbols, symbols)].sum())


def describe_ions(composition: Composition) -> dict[str, float]:
    """Describe a composition.

    Parameters
    ----------
    composition : pymatgen.core.Composition
        Only ratios of amounts matter.

    Returns
    -------
    dict
        A value for each of ``COLUMNS``, NaN for what has no meaning (an anion
        radius without an anion) or needs a tabulated value that is not there.

    Raises
    ------
    FeatureError
        The composition is empty or has a placeholder in it.
    """
    refuse_dummies(composition)
    amounts = {symbol: n for symbol, n in composition.get_el_amt_dict().items() if n > 0}
    if not amounts:
        raise FeatureError("the composition is empty")
    ions = _assign_charges(amounts)
    anions = ions.only(ions.charges < 0)
    framework = ions.only((ions.charges > 0) & (ions.symbols != "Li"))
    n_anions = anions.fractions.sum()
    return {
        **_describe_amounts(ions, anions, framework),
        **_describe_anions(anions),
        **_describe_groups(framework, n_anions),
        **_describe_framework(framework),
        **{f"anion_fraction_{s}": _ratio(anions.amount((s,)), n_anions) for s in ANIONS},
    }


def _assign_charges(amounts: dict[str, float]) -> _Ions:
    symbols = np.array(list(amounts))
    fractions = np.array(list(amounts.values())) / sum(amounts.values())
    charges = np.array([typical_charge(symbol, "O" in amounts) for symbol in symbols], dtype=float)
    radii = np.array([_radius_ang(s, z) for s, z in zip(symbols, charges, strict=True)])
    return _Ions(symbols, fractions, charges, radii)


@cache
def typical_charge(symbol: str, with_oxygen: bool) -> int:
    """Look up the charge that an element usually has in a lithium conductor.

    Parameters
    ----------
    symbol : str
    with_oxygen : bool
        Is there oxygen? Sulfur, selenium, tellurium and hydrogen are cations beside it.

    Returns
    -------
    int
        The highest common oxidation state where the element is in no table, or 0.
    """
    if with_oxygen and symbol in _CHARGE_WITH_OXYGEN:
        return _CHARGE_WITH_OXYGEN[symbol]
    if symbol in _ANION_CHARGE:
        return _ANION_CHARGE[symbol]
    if symbol in _CATION_CHARGE:
        return _CATION_CHARGE[symbol]
    return int(max(Element(symbol).common_oxidation_states, default=0))


@cache
def _radius_ang(symbol: str, charge: float) -> float:
    radii = {q: r for q, r in Element(symbol).ionic_radii.items() if q * charge > 0}
    return float(radii[min(radii, key=lambda q: abs(q - charge))]) if radii else math.nan


def _describe_amounts(ions: _Ions, anions: _Ions, framework: _Ions) -> dict[str, float]:
    lithium, n_anions = ions.amount(("Li",)), anions.fractions.sum()
    cations = ions.only(ions.charges > 0)
    contrast = _average(_electronegativity(anions), anions) - _average(
        _electronegativity(framework), framework
    )
    spheres = ions.fractions @ (4 / 3 * np.pi * ions.radii_ang**3)
    return {
        "lithium_fraction": lithium,
        "anions_per_atom": float(n_anions),
        "lithium_per_anion": _ratio(lithium, n_anions),
        "lithium_per_cation": _ratio(lithium, cations.fractions.sum()),
        "cations_per_anion": _ratio(framework.fractions.sum(), n_anions),
        "charge_imbalance_per_atom": float(ions.fractions @ ions.charges),
        "cation_mixing_entropy": _entropy(framework),
        "anion_mixing_entropy": _entropy(anions),
        "electronegativity_contrast": contrast,
        "field_strength_per_ang2": _average(framework.charges / framework.radii_ang**2, framework),
        "ionic_volume_per_anion_ang3": _ratio(spheres, n_anions),
    }


def _describe_anions(anions: _Ions) -> dict[str, float]:
    polarizability = [POLARIZABILITY_ANG3.get(symbol, math.nan) for symbol in anions.symbols]
    return {
        "anion_radius_ang": _average(anions.radii_ang, anions),
        "anion_electronegativity": _average(_electronegativity(anions), anions),
        "anion_polarizability_ang3": _average(np.array(polarizability, dtype=float), anions),
        "anion_charge": _average(anions.charges, anions),
    }


def _describe_groups(framework: _Ions, n_anions: float) -> dict[str, float]:
    elements = [Element(symbol) for symbol in framework.symbols]
    is_d0 = np.isin(framework.symbols, _D0_METALS)
    is_metal = np.array([element.is_transition_metal for element in elements], dtype=bool)
    is_large = np.array([e.is_lanthanoid or e.is_alkaline for e in elements], dtype=bool)
    is_alkali = np.array([element.is_alkali for element in elements], dtype=bool)
    groups = {
        "polyanions": np.isin(framework.symbols, _FORMERS),
        "d0_metals": is_d0,
        "d_electron_metals": is_metal & ~is_d0 & ~is_large,
        "large_cations": is_large,
        "other_alkali": is_alkali,
    }
    return {
        f"{name}_per_anion": _ratio(framework.fractions[rows].sum(), n_anions)
        for name, rows in groups.items()
    }


def _describe_framework(framework: _Ions) -> dict[str, float]:
    elements = [Element(symbol) for symbol in framework.symbols]
    table = (
        framework.radii_ang,
        framework.charges,
        _electronegativity(framework),
        np.array([element.mendeleev_no for element in elements], dtype=float),
        np.array([element.row for element in elements], dtype=float),
    )
    values = {}
    for name, column in zip(_FRAMEWORK, table, strict=True):
        mean = _average(column, framework)
        statistics = (
            mean,
            math.sqrt(_average((column - mean) ** 2, framework)),
            column.min() if len(column) else math.nan,
            column.max() if len(column) else math.nan,
        )
        for statistic, value in zip(_STATISTICS, statistics, strict=True):
            values[f"framework_{name}_{statistic}"] = float(value)
    return values


def _electronegativity(ions: _Ions) -> np.ndarray:
    return np.array([Element(s).data.get("X") or math.nan for s in ions.symbols], dtype=float)


def _average(values: np.ndarray, ions: _Ions) -> float:
    """Average over ions; NaN where there are none."""
    total = ions.fractions.sum()
    return float(ions.fractions @ values / total) if total > 0 else math.nan


def _entropy(ions: _Ions) -> float:
    """Entropy of mixing in units of k_B an ion; 0 where there are none."""
    shares = ions.fractions / max(ions.fractions.sum(), np.finfo(float).tiny)
    return float(-(shares @ np.log(shares))) if len(shares) else 0.0


def _ratio(amount: float, of: float) -> float:
    return float(amount / of) if of > 0 else math.nan
