import math

import numpy as np
import pandas as pd
import pytest

from ionscout.errors import LabelError
from ionscout.labels import LABEL_COLUMNS, duplicate_groups, join_labels, known_classes
from ionscout.structures.records import label_only


def label(sigma, *, bound=False, temperature=298.0, kind="bulk", energy=None, reference="doi/a"):
    return {
        "sigma_s_cm": sigma,
        "is_upper_bound": bound,
        "temperature_k": temperature,
        "kind": kind,
        "activation_energy_ev": energy,
        "reference": reference,
    }


def record(material_id, *labels, source="x"):
    return {"material_id": material_id, "source": source, "labels": list(labels)}


def manifest_of(**duplicate_of):
    return pd.DataFrame({"material_id": list(duplicate_of), "duplicate_of": duplicate_of.values()})


def join_one(*labels):
    table = join_labels([record("a", *labels)], manifest_of(a=None))
    return table.iloc[0]


def test_a_single_label_comes_through_unchanged():
    row = join_one(label(3.7e-4, temperature=300.0, energy=0.31))
    assert row.to_dict() == {
        "material_id": "a",
        "sigma_rt_s_cm": 3.7e-4,
        "is_upper_bound": False,
        "temperature_k": 300.0,
        "kind": "bulk",
        "activation_energy_ev": 0.31,
        "reference": "doi/a",
        "n_measurements": 1,
        "sigma_spread_decades": 0.0,
    }


def test_several_values_give_the_median_of_their_logarithms():
    even = join_one(label(1e-6), label(1e-4))
    assert even["sigma_rt_s_cm"] == pytest.approx(1e-5)
    odd = join_one(label(1e-8, energy=0.2), label(1e-3, energy=0.4), label(1e-4))
    assert odd["sigma_rt_s_cm"] == 1e-4
    assert odd["activation_energy_ev"] == pytest.approx(0.3)


def test_kind_and_references_of_several_values():
    row = join_one(label(1e-6, kind="total", reference="doi/b"), label(1e-4, reference="doi/a"))
    assert (row["kind"], row["reference"]) == ("mixed", "doi/a; doi/b")


def test_a_bound_yields_to_a_measured_value():
    row = join_one(label(1e-9, bound=True, reference="doi/bound"), label(1e-6))
    assert (row["sigma_rt_s_cm"], row["is_upper_bound"]) == (1e-6, False)
    assert row["reference"] == "doi/a"


def test_of_bounds_alone_the_tightest_is_kept_as_a_bound():
    row = join_one(label(1e-8, bound=True), label(1e-10, bound=True), label(1e-7, bound=True))
    assert (row["sigma_rt_s_cm"], row["is_upper_bound"]) == (1e-10, True)


@pytest.mark.parametrize(
    ("temperature", "counts"),
    [(272.9, False), (273.0, True), (323.0, True), (323.1, False), (700.0, False)],
)
def test_only_room_temperature_counts(temperature, counts):
    table = join_labels([record("a", label(1e-3, temperature=temperature))], manifest_of(a=None))
    assert len(table) == counts


@pytest.mark.parametrize(("original", "copy"), [("a", "b"), ("b", "a")])
def test_duplicates_share_labels_in_both_directions(original, copy):
    manifest = pd.DataFrame(
        {"material_id": [original, copy, "c"], "duplicate_of": [None, original, None]}
    )
    table = join_labels([record("a", label(1e-3)), record("b")], manifest).set_index("material_id")
    assert set(table.index) == {"a", "b"}
    assert (table["sigma_rt_s_cm"] == 1e-3).all()
    assert table.loc["a", "reference"] == "doi/a"
    assert table.loc["b", "reference"] == "doi/a (shared with duplicate a)"


def test_two_copies_of_one_original_share_labels_and_pool_them():
    manifest = manifest_of(a=None, b="a", c="a")
    table = join_labels([record("b", label(1e-6)), record("c", label(1e-4))], manifest)
    assert table["sigma_rt_s_cm"].to_numpy() == pytest.approx([1e-5] * 3)
    assert table["reference"].iloc[0].endswith("(shared with duplicate b, c)")


def test_what_is_not_in_the_manifest_and_failures_are_passed_over():
    failure = {"material_id": "a", "source": "x", "stage": "pull", "reason": "broken"}
    table = join_labels([failure, record("z", label(1.0))], manifest_of(a=None))
    assert table.empty
    assert list(table.columns) == LABEL_COLUMNS
    assert table.dtypes["sigma_rt_s_cm"] == "float64"
    assert table.dtypes["is_upper_bound"] == "bool"


@pytest.mark.parametrize("sigma", [0.0, -1e-3, math.nan, math.inf, "1e-3", None])
def test_an_impossible_conductivity_is_named(sigma):
    with pytest.raises(LabelError, match="label of a: sigma_s_cm"):
        join_one(label(sigma))


def test_duplicate_chains_end_at_one_original():
    groups = duplicate_groups(manifest_of(a=None, b="a", c="b", d=np.nan))
    assert groups.to_dict() == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_known_classes_respect_bounds():
    labels = pd.DataFrame(
        {
            "material_id": list("abcdef"),
            "sigma_rt_s_cm": [1e-4, 9e-5, 1e-6, 1e-3, 1e-4, np.nan],
            "is_upper_bound": [False, False, True, True, True, False],
        }
    )
    classes = known_classes(labels, fast_threshold_s_cm=1e-4)
    assert classes.to_dict() == {"a": True, "b": False, "c": False}


def test_the_users_own_label_outranks_the_bundled_one():
    records = [record("mine", label(1e-10, bound=True)), record("b", label(1e-8), source="bundled")]
    manifest, own = manifest_of(mine=None, b="mine"), records[0]["source"]
    table = join_labels(records, manifest, own_sources=[own]).set_index("material_id")
    assert list(table["sigma_rt_s_cm"]) == [1e-10, 1e-10]
    assert table["is_upper_bound"].all()


def test_a_bound_of_another_database_sets_no_value_aside():
    records = [record("db", label(1e-10, bound=True)), record("b", label(1e-3), source="bundled")]
    table = join_labels(records, manifest_of(db=None, b="db")).set_index("material_id")
    assert list(table["sigma_rt_s_cm"]) == [1e-3, 1e-3]
    assert not table["is_upper_bound"].any()


def test_a_label_away_from_room_temperature_is_named(caplog):
    caplog.set_level("WARNING", logger="ionscout")
    join_labels([record("hot", label(1e-2, temperature=400.0))], manifest_of(hot=None))
    assert "hot: its conductivity at 400 K is left out" in caplog.text


def test_the_number_and_the_spread_of_the_values_are_kept():
    row = join_one(label(1e-6), label(1e-4), label(1e-5), label(1e-2, bound=True))
    assert row["n_measurements"] == 3
    assert row["sigma_spread_decades"] == pytest.approx(2.0)
    bounds = join_one(label(1e-8, bound=True), label(1e-10, bound=True))
    assert bounds["n_measurements"] == 2
    assert math.isnan(bounds["sigma_spread_decades"])


def known_by_label(*labels, formula="Li7La3Zr2O12", space_group_number=230, source="x"):
    return label_only(
        material_id=f"{source}-only",
        source=source,
        labels=list(labels),
        formula=formula,
        space_group_number=space_group_number,
        provenance="",
        reason="no structure published",
    )


def garnets(formulas, column="stated_formula"):
    ids = [f"m{number}" for number in range(len(formulas))]
    table = {"material_id": ids, "duplicate_of": None, "space_group_number": 230, column: formulas}
    return pd.DataFrame(table)


@pytest.mark.parametrize("column", ["stated_formula", "reduced_formula"])
@pytest.mark.parametrize(
    ("stated", "measured", "is_joined"),
    [
        ("Li7La3Zr2O12", "Li56La24Zr16O96", True),
        ("Li6.5La3Zr1.5Ta0.5O12", "Li6.5La3Zr1.5Ta0.5O12", True),
        ("Li6.5La3Zr1.5Ta0.5O12", "Li6.53La3Zr1.5Ta0.5O12", True),
        ("Li6.5La3Zr1.5Ta0.5O12", "Li6.6La3Zr1.6Ta0.4O12", False),
        ("Li6.5La3Zr1.5Ta0.5O12", "Li7La3Zr2O12", False),
        ("Li7La3Zr2O12", "Li7La3Hf2O12", False),
        ("Li3N", "Li7La3Zr2O12", False),
    ],
)
def test_labels_without_a_crystal_join_by_composition(stated, measured, is_joined, column):
    table = join_labels([known_by_label(label(1e-4), formula=measured)], garnets([stated], column))
    assert len(table) == is_joined
    if is_joined:
        assert table.loc[0, "material_id"] == "m0"
        assert table.loc[0, "reference"] == "doi/a (joined by composition and space group)"


@pytest.mark.parametrize("space_group_number", [142, None])
def test_another_phase_of_the_composition_gets_no_label(space_group_number):
    record = known_by_label(label(1e-4), space_group_number=space_group_number)
    assert join_labels([record], garnets(["Li7La3Zr2O12"])).empty


def test_a_manifest_without_formulas_gets_labels_by_id_alone():
    table = join_labels([known_by_label(label(1.0)), record("a", label(1e-3))], manifest_of(a=None))
    assert list(table["material_id"]) == ["a"]


def test_labels_by_composition_count_where_no_crystal_has_one():
    manifest = garnets(["Li7La3Zr2O12"] * 3 + ["Li3N"])
    manifest["duplicate_of"] = [None, "m0", None, None]
    records = [
        known_by_label(label(1e-3, reference="doi/a")),
        known_by_label(label(1e-5, kind="total", reference="doi/b")),
        record("m2", label(1e-9, reference="doi/c"), source="bundled"),
    ]
    table = join_labels(records, manifest).set_index("material_id")
    assert list(table.index) == ["m0", "m1", "m2"]
    assert table["sigma_rt_s_cm"].to_numpy() == pytest.approx([1e-4, 1e-4, 1e-9])
    assert list(table["n_measurements"]) == [2, 2, 1]
    assert table.loc["m0", "sigma_spread_decades"] == pytest.approx(2.0)
    assert table.loc["m0", "kind"] == "mixed"
    joined = "(joined by composition and space group)"
    assert table.loc["m0", "reference"] == f"doi/a {joined}; doi/b {joined}"
    assert table.loc["m2", "reference"] == "doi/c"


def test_a_bound_joined_by_composition_stays_one():
    table = join_labels([known_by_label(label(1e-10, bound=True))], garnets(["Li7La3Zr2O12"]))
    assert table["is_upper_bound"].all()


def test_what_finds_no_crystal_is_counted(caplog):
    caplog.set_level("INFO", logger="ionscout")
    records = [known_by_label(label(1e-4)), known_by_label(label(1e-4), formula="Li3N")]
    join_labels(records, garnets(["Li7La3Zr2O12"]))
    assert "1 of 2 materials known by label alone" in caplog.text


def test_a_formula_that_is_none_is_named():
    with pytest.raises(LabelError, match=r"label of x-only: 'Li\?' is not a formula"):
        join_labels([known_by_label(label(1e-4), formula="Li?")], garnets(["Li3N"]))
