"""Facts of the elements: how rare, dear, radioactive and toxic they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pymatgen.core import Composition, Element

from ionscout.bundled.sources import RESOURCES, first_fault, read_csv
from ionscout.errors import BundledDataError

FILE = "element_facts.csv"
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ElementFacts:
    """What is known of an element; None where nothing is.

    Attributes
    ----------
    element : str
        Its symbol.
    crust_mg_kg : float or None
        Its share of the mass of the earth's crust.
    price_usd_kg : float or None
        What it costs, per kg of the element, in the form that is traded.
    price_year : int or None
        The year of the price.
    is_radioactive : bool
        Has it no isotope that is stable, or as good as stable (bismuth)?
    toxicity : {"high", "some"} or None
        See `resources/README.md`.
    oral_limit_ug_day : float or None
        Permitted daily exposure by mouth.
    """

    element: str
    crust_mg_kg: Positive | None
    price_usd_kg: Positive | None
    price_year: Annotated[int, Field(ge=1900, le=2100)] | None
    is_radioactive: bool
    toxicity: Literal["high", "some"] | None
    oral_limit_ug_day: Positive | None

    def __post_init__(self) -> None:
        if not Element.is_valid_symbol(self.element):
            raise ValueError(f"{self.element!r} is no element")
        if (self.price_usd_kg is None) != (self.price_year is None):
            raise ValueError("price_usd_kg and price_year go together")


_ROW = TypeAdapter(ElementFacts)
COLUMNS = [*ElementFacts.__dataclass_fields__]


@cache
def load_element_facts(resources: str | Path = RESOURCES) -> dict[int, ElementFacts]:
    """Read the facts of the elements.

    Parameters
    ----------
    resources : path-like
        The folder that holds `element_facts.csv`.

    Returns
    -------
    dict of int to ElementFacts
        By atomic number, so that deuterium is hydrogen.

    Raises
    ------
    BundledDataError
        When the table is missing, or a row is not of the format; its line is named.
    """
    path = Path(resources) / FILE
    table = read_csv(path, COLUMNS)
    facts: dict[int, ElementFacts] = {}
    for line, row in enumerate(table.to_dict("records"), start=2):
        try:
            one = _ROW.validate_python({key: value or None for key, value in row.items()})
        except ValidationError as error:
            raise BundledDataError(f"{path}, line {line}: {first_fault(error)}") from None
        number = Element(one.element).Z
        if number in facts:
            raise BundledDataError(f"{path}, line {line}: {one.element} is there twice")
        facts[number] = one
    return facts


def facts_of(composition: Composition) -> list[ElementFacts]:
    """Look up the elements of a compound.

    Parameters
    ----------
    composition : Composition

    Returns
    -------
    list of ElementFacts
        In the order of the composition.

    Raises
    ------
    BundledDataError
        For an element beyond lawrencium.
    """
    facts = load_element_facts()
    beyond = [e.symbol for e in composition if e.Z not in facts]
    if beyond:
        raise BundledDataError(f"{FILE} has no row of {beyond[0]}; add it")
    return [facts[element.Z] for element in composition]


def rarest_mg_kg(composition: Composition) -> float | None:
    """Find how rare the rarest element of a compound is.

    Parameters
    ----------
    composition : Composition

    Returns
    -------
    float or None
        Abundance in the crust in mg/kg; None where that of an element is not known.
    """
    abundances = [facts.crust_mg_kg for facts in facts_of(composition)]
    return None if None in abundances else min(abundances)


def cost_usd_kg(composition: Composition) -> float | None:
    """Add up the prices of a compound's elements.

    Parameters
    ----------
    composition : Composition

    Returns
    -------
    float or None
        US dollars per kg of the compound: the prices per kg of the elements, weighted by
        their shares of its mass; None where an element has no price. The prices are of
        several years, and of elements in the form that is traded.
    """
    prices = [facts.price_usd_kg for facts in facts_of(composition)]
    if None in prices:
        return None
    shares = [composition.get_wt_fraction(element) for element in composition]
    return sum(share * price for share, price in zip(shares, prices, strict=True))
