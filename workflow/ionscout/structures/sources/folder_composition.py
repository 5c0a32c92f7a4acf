"""Whether a crystal holds what its source says it is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pymatgen.core import Composition

ROUNDING = 0.005
OTHER_COMPOUND = 0.05
_HYDROGEN = "H"


@dataclass(frozen=True)
class Comparison:
    """What a crystal's composition has to do with the stated one.

    Attributes
    ----------
    refused : str
        Why the crystal is not that of the stated composition; mostly empty.
    flag : str
        In what it differs, though it can be used; mostly empty.
    """

    refused: str = ""
    flag: str = ""


def read_formula(text: str) -> Composition | None:
    """Read a formula, deuterium as hydrogen.

    Parameters
    ----------
    text : str
        Such as `Li7La3Zr2O12`, `Li4 Cl4` or `Li0.6[Li0.2Sn0.8S2]`.

    Returns
    -------
    pymatgen.core.Composition or None
        None where it is not a formula.
    """
    try:
        composition = Composition(re.sub(r"D(?![a-z])", _HYDROGEN, text.strip()))
        shares = [amount for _, amount in composition.element_composition.items()]
    except (ValueError, KeyError, TypeError):
        return None
    return composition.element_composition if shares and min(shares) >= 0 else None


def compare(found: Composition, stated: Composition) -> Comparison:
    """Compare a crystal's composition with the stated one.

    Parameters
    ----------
    found : pymatgen.core.Composition
        Of the crystal's sites.
    stated : pymatgen.core.Composition
        Any number of formula units.

    Returns
    -------
    Comparison
        Refused where an element is missing on either side, or an element's share
        of the atoms differs by more than 0.05; flagged above 0.005, and where
        nothing but hydrogen is missing.
    """
    found_shares, stated_shares = _shares(found), _shares(stated)
    missing = sorted(set(stated_shares) - set(found_shares))
    unexpected = sorted(set(found_shares) - set(stated_shares))
    formulas = (
        f"the sites make {found.reduced_formula}, the stated formula is {stated.reduced_formula}"
    )
    if missing == [_HYDROGEN] and not unexpected:
        found_shares = _shares(found, without=_HYDROGEN)
        stated_shares = _shares(stated, without=_HYDROGEN)
    elif missing or unexpected:
        what = f"{', '.join(missing)} missing" if missing else f"{', '.join(unexpected)} too many"
        return Comparison(refused=f"{what}: {formulas}; add the sites or correct the formula")
    difference, element = max(
        (abs(found_shares[symbol] - stated_shares[symbol]), symbol) for symbol in found_shares
    )
    if difference > OTHER_COMPOUND:
        return Comparison(
            refused=f"another composition: {formulas} ({element} differs by {difference:.3f} of "
            "all atoms); correct either"
        )
    if missing:
        return Comparison(flag=f"hydrogen has no sites: {formulas}")
    if difference > ROUNDING:
        flag = f"composition: {formulas} ({element} differs by {difference:.3f} of all atoms)"
        return Comparison(flag=flag)
    return Comparison()


def _shares(composition: Composition, *, without: str = "") -> dict[str, float]:
    amounts = {
        element.symbol: amount
        for element, amount in composition.element_composition.items()
        if amount > 0 and element.symbol != without
    }
    total = sum(amounts.values())
    return {symbol: amount / total for symbol, amount in amounts.items()}
