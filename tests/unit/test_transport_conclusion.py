import numpy as np
import pandas as pd
import pytest

from ionscout.config import TransportSettings
from ionscout.errors import TransportError
from ionscout.transport import conclusion
from ionscout.transport.pooling import PooledRatio, pool_haven_ratio

SETTINGS = TransportSettings()
KB = 8.617333262e-5


def arrhenius_table(verdicts="diffusive", temperatures=(800.0, 1000.0, 1200.0), **columns):
    kelvin = np.array(temperatures)
    d = 1e-3 * np.exp(-0.3 / (KB * kelvin))
    table = pd.DataFrame({"material_id": "bundled-x", "temperature_k": kelvin, "engine": "chgnet"})
    return table.assign(
        verdict=verdicts,
        reason="because",
        diffusivity_cm2_s=d,
        diffusivity_low_cm2_s=d / 1.2,
        diffusivity_high_cm2_s=d * 1.2,
        diffusivity_upper_bound_cm2_s=1e-6,
        lithium_density_cm3=2e22,
        **columns,
    )


def conclude(table, engine="chgnet"):
    shortlist = pd.DataFrame([{"material_id": "bundled-x", "formula": "Li3N", "engine": engine}])
    audits = [
        {
            "material_id": "bundled-x",
            "force_mae_ev_ang": 0.1,
            "softening_factor": 0.9,
            "lithium_softening_factor": 0.8,
            "verdict": "doubtful",
        }
    ]
    return conclusion.conductivity_table(shortlist, [table], audits, SETTINGS)


def test_three_diffusive_temperatures_extrapolate():
    table, arrhenius = conclude(arrhenius_table())
    row = table.iloc[0]
    assert tuple(table.columns) == conclusion.CONDUCTIVITY_COLUMNS
    assert row["verdict"] == "diffusive"
    assert row["activation_energy_ev"] == pytest.approx(0.3, rel=1e-6)
    assert row["sigma_300k_low_s_cm"] < row["sigma_300k_s_cm"] < row["sigma_300k_high_s_cm"]
    assert row["audit_force_mae_ev_ang"] == 0.1
    assert (row["audit_softening_factor"], row["audit_verdict"]) == (0.8, "doubtful")
    line = arrhenius["bundled-x"]["line"]
    assert min(line["temperature_k"]) == pytest.approx(300)
    assert len(line["diffusivity_low_cm2_s"]) == len(line["temperature_k"])


@pytest.mark.parametrize(
    ("verdicts", "expected", "words"),
    [
        (["diffusive", "diffusive", "unresolved"], "unresolved", "2 temperatures"),
        (["unresolved", "diffusive", "diffusive"], "diffusive", "diffusive at 1000, 1200 K, but"),
        (["unresolved", "unresolved", "diffusive"], "unresolved", "1 temperature with"),
        (["unresolved"] * 3, "unresolved", "0 temperatures"),
        (["non-diffusive"] * 3, "non-diffusive", "ideal crystal"),
        (["non-diffusive", "unresolved", "unresolved"], "unresolved", "D below 1.0e-06"),
        (["unresolved", "non-diffusive", "non-diffusive"], "non-diffusive", "at 1200 K (95 %)"),
        (["unresolved", "non-diffusive", "melted"], "non-diffusive", "at 1000 K (95 %)"),
        (["non-diffusive", "diffusive", "non-diffusive"], "unresolved", "1 temperature with"),
        (["melted", "exploded", "not_run"], "unresolved", "800 K melted"),
        (["diffusive", "melted", "melted"], "melted", "1000, 1200 K"),
        (["diffusive", "diffusive", "melted"], "diffusive", "left out: 1200 K melted"),
        (["exploded"] * 3, "exploded", "because"),
        (["not_run"] * 3, "not_run", "because"),
    ],
)
def test_materials_verdict(verdicts, expected, words):
    table, arrhenius = conclude(arrhenius_table(verdicts))
    assert table["verdict"][0] == expected
    assert words in table["reason"][0]
    assert np.isnan(table["sigma_300k_s_cm"][0])
    assert arrhenius["bundled-x"]["line"] is None


def test_an_undetermined_conductivity_is_withheld():
    table = arrhenius_table()
    table["diffusivity_low_cm2_s"] /= 3
    table["diffusivity_high_cm2_s"] *= 3
    found, _ = conclude(table)
    assert found["verdict"][0] == "diffusive"
    assert np.isnan(found["sigma_300k_s_cm"][0])
    assert np.isnan(found["activation_energy_ev"][0])
    words = "diffusive at 800, 1000, 1200 K, but no conductivity at 300 K: "
    assert found["reason"][0].startswith(words)
    assert "not determined" in found["reason"][0] or "not resolved" in found["reason"][0]


@pytest.mark.parametrize(
    ("bound_cm2_s", "words"), [(1e-6, "which excludes 1e-4"), (2.9e-6, "does not exclude 1e-4")]
)
def test_a_bound_says_whether_it_excludes_a_fast_conductor(bound_cm2_s, words):
    table = arrhenius_table("non-diffusive", (600.0, 800.0, 1000.0))
    found, _ = conclude(table.assign(diffusivity_upper_bound_cm2_s=bound_cm2_s))
    assert "of the ideal crystal, without defects" in found["reason"][0]
    assert f"{words} S/cm at 300 K with 0.3 eV" in found["reason"][0]


LADDER_K = (600.0, 800.0, 1000.0, 1200.0)


def test_temperatures_left_out_are_named():
    found, _ = conclude(arrhenius_table(["unresolved"] + ["diffusive"] * 3, LADDER_K))
    assert found["sigma_300k_s_cm"][0] > 0
    assert found["reason"][0].startswith("extrapolated from 3 temperatures")
    assert "left out: 600 K unresolved" in found["reason"][0]


@pytest.mark.parametrize(
    ("verdict", "kelvin", "bound_cm2_s", "believed"),
    [
        ("melted", 900.0, np.nan, False),
        ("melted", 1200.0, np.nan, False),
        ("melted", 1300.0, np.nan, True),
        ("non-diffusive", 600.0, 1e-6, False),
        ("non-diffusive", 600.0, 3e-6, True),
    ],
)
def test_a_line_is_not_drawn_against_the_other_temperatures(verdict, kelvin, bound_cm2_s, believed):
    other = arrhenius_table(verdict, (kelvin,)).assign(diffusivity_upper_bound_cm2_s=bound_cm2_s)
    found, arrhenius = conclude(pd.concat([arrhenius_table(), other]))
    assert found["verdict"][0] == "diffusive"
    assert (found["sigma_300k_s_cm"][0] > 0) == believed
    assert (arrhenius["bundled-x"]["line"] is not None) == believed
    assert f"{kelvin:g} K" in found["reason"][0]


def test_best_comes_first():
    names = ["slow", "fast", "still", "open", "moving"]
    shortlist = pd.DataFrame({"material_id": names, "formula": "Li", "engine": "chgnet"})
    slow = arrhenius_table().assign(material_id="slow")
    d = [name for name in slow if name.startswith("diffusivity")]
    slow[d] /= 10
    tables = [
        slow,
        arrhenius_table().assign(material_id="fast"),
        arrhenius_table("non-diffusive").assign(material_id="still"),
        arrhenius_table("unresolved").assign(material_id="open"),
        arrhenius_table(["unresolved", "diffusive", "diffusive"]).assign(material_id="moving"),
    ]
    table, _ = conclusion.conductivity_table(shortlist, tables, [], SETTINGS)
    assert table["material_id"].tolist() == ["fast", "slow", "moving", "open", "still"]


FIVE_K = (600.0, 700.0, 800.0, 1000.0, 1200.0)


def test_a_plumbing_test_says_so():
    table, _ = conclude(arrhenius_table(), engine="lennard-jones")
    assert "no physical meaning" in table["reason"][0]


def test_the_row_says_where_the_line_holds():
    row = conclude(arrhenius_table(temperatures=FIVE_K))[0].iloc[0]
    assert (row["n_temperatures"], row["n_runs"]) == (5, 5)
    assert (row["valid_from_k"], row["valid_to_k"]) == (600, 1200)
    assert row["extrapolation_ratio"] == pytest.approx(2.0)
    assert "by 2.0 times that range in 1/T" in row["reason"]
    assert row["prefactor_cm2_s"] == pytest.approx(1e-3, rel=1e-4)
    assert row["prefactor_low_cm2_s"] < 1e-3 < row["prefactor_high_cm2_s"]
    assert row["curvature_p"] > 0.9
    assert np.isnan(row["haven_ratio"])
    assert np.isnan(row["sigma_300k_collective_s_cm"])


def test_one_of_five_melted_is_left_out_and_ends_the_range():
    table, _ = conclude(arrhenius_table(["diffusive"] * 4 + ["melted"], FIVE_K))
    row = table.iloc[0]
    assert row["sigma_300k_s_cm"] > 0
    assert (row["n_temperatures"], row["valid_to_k"]) == (4, 1200)
    assert "left out: 1200 K melted" in row["reason"]


@pytest.mark.parametrize("verdict", ["melted", "unresolved"])
def test_a_replica_that_melts_ends_the_crystal_there(verdict):
    hot = arrhenius_table(verdict, (1200.0,)).assign(reason=conclusion.FRAMEWORK_MOVES)
    row = conclude(pd.concat([arrhenius_table(temperatures=FIVE_K), hot]))[0].iloc[0]
    assert (row["n_temperatures"], row["n_runs"], row["valid_to_k"]) == (4, 4, 1200)
    assert row["sigma_300k_s_cm"] > 0


def test_replicas_are_runs_of_one_line():
    once = arrhenius_table()
    row = conclude(pd.concat([once.assign(replica=i) for i in range(3)]))[0].iloc[0]
    alone = conclude(once)[0].iloc[0]
    assert (row["n_temperatures"], row["n_runs"]) == (3, 9)
    assert "3 temperatures (9 runs)" in row["reason"]
    assert row["sigma_300k_high_s_cm"] < alone["sigma_300k_high_s_cm"]
    two = conclude(pd.concat([arrhenius_table(temperatures=(800.0, 1000.0))] * 3))[0].iloc[0]
    assert np.isnan(two["sigma_300k_s_cm"])
    assert "2 temperatures with a diffusivity" in two["reason"]


def test_a_resolved_replica_is_not_believed_against_a_bound_beside_it():
    cold = arrhenius_table("non-diffusive", (600.0,)).assign(diffusivity_upper_bound_cm2_s=1e-6)
    row = conclude(pd.concat([arrhenius_table(temperatures=FIVE_K), cold]))[0].iloc[0]
    assert np.isnan(row["sigma_300k_s_cm"])
    assert "at 600 K, where it is below 1.0e-06 (95 %)" in row["reason"]


@pytest.mark.parametrize(
    ("factors", "words"),
    [
        ([1, 1, 1, 1, 0.1], "falls from 1000 K to 1200 K"),
        ([1, 2, 2.5, 2.2, 1], "no single Arrhenius line"),
        ([0.02, 0.15, 1, 1, 1], "a kink near 8"),
    ],
)
def test_temperatures_that_make_no_line(factors, words):
    table = arrhenius_table(temperatures=FIVE_K)
    numbers = [name for name in table if name.startswith("diffusivity")]
    table[numbers] = table[numbers].mul(factors, axis=0)
    found, arrhenius = conclude(table)
    assert found["verdict"][0] == "diffusive"
    assert np.isnan(found["sigma_300k_s_cm"][0])
    assert words in found["reason"][0]
    assert arrhenius["bundled-x"]["line"] is None


def test_stated_moments_of_ln_d_come_before_the_interval():
    table = arrhenius_table()
    shifted = np.log(table["diffusivity_cm2_s"]) + np.log(2)
    doubled = table.assign(ln_diffusivity_mean=shifted, ln_diffusivity_sd=0.1)
    sigma = [conclude(one)[0]["sigma_300k_s_cm"][0] for one in (table, doubled)]
    assert sigma[1] / sigma[0] == pytest.approx(2, rel=1e-3)


def haven(ratios, factor=1.3):
    ratios = np.array(ratios, dtype=float)
    return {
        "haven_ratio": ratios,
        "haven_ratio_low": ratios / factor,
        "haven_ratio_high": ratios * factor,
    }


def test_the_haven_ratio_raises_the_conductivity():
    row = conclude(arrhenius_table(**haven([0.5, 0.5, np.nan])))[0].iloc[0]
    assert row["haven_ratio"] == pytest.approx(0.5)
    assert row["haven_ratio_low"] == pytest.approx(0.5 * 1.3 ** -(0.5**0.5), rel=0.15)
    assert row["sigma_300k_collective_s_cm"] == pytest.approx(2 * row["sigma_300k_s_cm"])
    wide = np.log(row["sigma_300k_collective_high_s_cm"] / row["sigma_300k_collective_low_s_cm"])
    assert wide > np.log(row["sigma_300k_high_s_cm"] / row["sigma_300k_low_s_cm"])
    assert "taken as the same at 300 K" in row["reason"]


def test_haven_ratios_that_disagree_give_none():
    row = conclude(arrhenius_table(**haven([0.2, 0.5, 1.0])))[0].iloc[0]
    assert np.isnan(row["haven_ratio"])
    assert row["sigma_300k_s_cm"] > 0
    assert "0.2 to 1, disagree" in row["reason"]
    with pytest.raises(TransportError, match="disagree"):
        pool_haven_ratio(pd.DataFrame(haven([0.2, 0.5, 1.0])))
    assert pool_haven_ratio(pd.DataFrame(haven([np.nan]))) is None


def test_dividing_by_a_ratio():
    median, low, high = PooledRatio(0.5, 0.25, 1.0).divide(2.0, 1.0, 4.0)
    width = np.exp(np.hypot(np.log(2), np.log(2)))
    assert (median, low, high) == pytest.approx((4.0, 4 / width, 4 * width))


def test_the_audit_stays_beside():
    columns = conclusion.CONDUCTIVITY_COLUMNS
    known = [conclude(arrhenius_table())[0].iloc[0]]
    shortlist = pd.DataFrame([{"material_id": "bundled-x", "formula": "Li3N", "engine": "chgnet"}])
    known.append(
        conclusion.conductivity_table(shortlist, [arrhenius_table()], [], SETTINGS)[0].iloc[0]
    )
    assert np.isnan(known[1]["audit_force_mae_ev_ang"])
    assert known[1]["audit_verdict"] == "not_audited"
    same = [name for name in columns if not name.startswith("audit")]
    pd.testing.assert_series_equal(known[0][same], known[1][same])
