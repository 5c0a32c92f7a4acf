"""The facts of the elements."""

import pytest
from pymatgen.core import Composition, Element

from ionscout.bundled.element_facts import (
    COLUMNS,
    cost_usd_kg,
    facts_of,
    load_element_facts,
    rarest_mg_kg,
)
from ionscout.bundled.sources import RESOURCES
from ionscout.errors import BundledDataError

FACTS = load_element_facts()


def test_every_element_to_lawrencium_has_a_row():
    assert list(FACTS) == list(range(1, 104))
    assert all(Element.from_Z(z).symbol == one.element for z, one in FACTS.items())


def test_what_a_cell_can_be_made_of_has_an_abundance_and_a_price():
    unstable = {43, 61}
    for z in {*range(1, 84), 90, 92} - unstable:
        assert FACTS[z].crust_mg_kg is not None
        assert FACTS[z].price_usd_kg is not None
    assert all(FACTS[z].price_usd_kg is None for z in unstable)


def test_radioactive_elements():
    radioactive = {z for z, one in FACTS.items() if one.is_radioactive}
    assert radioactive == {43, 61, *range(84, 104)}


def test_highly_toxic_elements():
    toxic = {one.element for one in FACTS.values() if one.toxicity == "high"}
    assert toxic == {"Be", "As", "Cd", "Hg", "Tl", "Pb"}
    by_limit = {one.element for one in FACTS.values() if (one.oral_limit_ug_day or 99) <= 30}
    assert by_limit == toxic - {"Be"}


def test_half_the_crust_is_oxygen_and_all_of_it_no_more_than_the_crust():
    abundances = {one.element: one.crust_mg_kg or 0 for one in FACTS.values()}
    assert sum(abundances.values()) == pytest.approx(1e6, rel=0.02)
    assert max(abundances, key=abundances.get) == "O"


def test_cost_goes_by_mass():
    """LiCl by hand: 6.94 / 42.39 of lithium at 81.4 and the rest chlorine at 0.082."""
    assert cost_usd_kg(Composition("LiCl")) == pytest.approx(13.40, abs=0.02)
    assert cost_usd_kg(Composition("Li4Cl4")) == cost_usd_kg(Composition("LiCl"))
    assert cost_usd_kg(Composition("LiPmO2")) is None


def test_the_rarest_element_counts():
    assert rarest_mg_kg(Composition("Li6PS5I")) == 0.45
    assert rarest_mg_kg(Composition("LiTcO4")) is None
    assert [one.element for one in facts_of(Composition("LiDO"))] == ["Li", "H", "O"]


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("element,price\nLi,3\n", "the columns have to be"),
        (f"{HEADER}\nXx,1,1,2020,false,,\n", "line 2.*'Xx' is no element"),
        (f"{HEADER}\nLi,-1,1,2020,false,,\n", "line 2: crust_mg_kg"),
        (f"{HEADER}\nLi,nan,1,2020,false,,\n", "line 2: crust_mg_kg"),
        (f"{HEADER}\nLi,1,1,,false,,\n", "price_usd_kg and price_year"),
        (f"{HEADER}\nLi,1,1,2020,,,\n", "is_radioactive"),
        (f"{HEADER}\nLi,1,1,2020,false,bad,\n", "toxicity"),
        (f"{HEADER}\nLi,1,1,2020,false,,\nLi,1,1,2020,false,,\n", "line 3: Li is there twice"),
    ],
)
def test_bad_tables_are_refused_by_line(tmp_path, text, fault):
    (tmp_path / "element_facts.csv").write_text(text)
    with pytest.raises(BundledDataError, match=fault):
        load_element_facts(tmp_path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(BundledDataError, match="cannot be read"):
        load_element_facts(tmp_path)
    assert load_element_facts(RESOURCES) == FACTS
