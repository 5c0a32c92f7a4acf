from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ionscout.report.tables import (
    count_column,
    format_formula,
    format_number,
    format_range,
    interval_column,
    make_table,
    verdict_cell,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (0.312449, "0.312"),
        (-0.5, "−0.500"),
        (12.345, "12.3"),
        (999.6, "1000"),
        (1234.4, "1234"),
        (9.996, "10.0"),
        (12345, "1.23 × 10⁴"),
        (0.0100, "0.0100"),
        (0.00999, "9.99 × 10⁻³"),
        (-1.2e-13, "−1.20 × 10⁻¹³"),
        (float("inf"), "∞"),
        (float("nan"), "–"),
        (None, "–"),
        (pd.NA, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize("exponent", range(-12, 12))
def test_written_numbers_are_within_rounding(exponent):
    values = np.random.default_rng(exponent + 100).uniform(1, 10, 50) * 10.0**exponent
    back = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    for value in values:
        mantissa, _, power = format_number(value).partition(" × 10")
        read = float(mantissa) * 10.0 ** int(power.translate(back) or 0)
        assert read == pytest.approx(value, rel=5.01e-3)


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("Li6PS5Cl", "Li₆PS₅Cl"),
        ("Li10Ge(PS6)2", "Li₁₀Ge(PS₆)₂"),
        ("Li6.4La3Zr2O12", "Li₆.₄La₃Zr₂O₁₂"),
        (None, ""),
    ],
)
def test_formulas_have_their_numbers_below_the_line(formula, text):
    assert format_formula(formula) == text


def test_an_interval_needs_both_ends():
    assert format_range(0.1, 0.25) == "0.100 to 0.250"
    assert format_range(None, 0.25) == ""
    assert format_range(0.1, float("nan")) == ""


def test_a_table_keeps_order_headings_and_missing_values():
    rows = pd.DataFrame(
        {"n": [3, np.nan], "x": [1e-5, np.nan], "low": [1e-6, np.nan], "high": [1e-4, np.nan]}
    )
    table = make_table(
        rows, [count_column("N", "n"), interval_column("X", "x", "low", "high")], caption="c"
    )
    assert table.headings == ("N", "X")
    assert [cell.text for cell in table.rows[0]] == ["3", "1.00 × 10⁻⁵"]
    assert table.rows[0][1].detail == "1.00 × 10⁻⁶ to 1.00 × 10⁻⁴"
    assert [cell.text for cell in table.rows[1]] == ["–", "–"]


def test_an_unheard_of_verdict_gets_no_class_of_its_own():
    assert verdict_cell("not_run").style == "badge not_run"
    assert verdict_cell("not_run").text == "not run"
    assert verdict_cell('x" onclick="').style == "badge"
