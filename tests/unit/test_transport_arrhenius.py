import numpy as np
import pytest
from scipy.special import ndtr

from ionscout.errors import TransportError
from ionscout.transport import fit_arrhenius, nernst_einstein
from ionscout.transport.arrhenius import fit_ln_arrhenius
from ionscout.transport.conductivity import fast_diffusivity_cm2_s
from ionscout.transport.spread import prior_spread
from ionscout.transport.straightness import examine_line

KB = 8.617333262e-5
T = np.array([600.0, 800.0, 1000.0, 1200.0])


def line(t=T, energy=0.3, prefactor=1e-3):
    return prefactor * np.exp(-energy / (KB * np.asarray(t)))


def test_exact_line_is_found():
    d = line()
    fit = fit_arrhenius(T, d, 0.1 * d)
    assert fit.activation_energy_ev == pytest.approx(0.3, rel=1e-6)
    median, low, high = fit.diffusivity_cm2_s(300.0)
    assert median == pytest.approx(line(300.0), rel=1e-6)
    assert low < median < high
    sigma, *_ = fit.conductivity_s_cm(300.0, 2e22)
    charge, boltzmann = 1.602176634e-19, 1.380649e-23
    expected = 2e22 * charge**2 * line(300.0) / (boltzmann * 300)
    assert sigma == pytest.approx(expected, rel=1e-5)


def test_lgps_reference_conductivity():
    sigma = nernst_einstein(1.161e-6, temperature_k=600, density_cm3=20 / 970.4137 * 1e24)
    assert sigma * 1000 == pytest.approx(74.165, rel=1e-3)


@pytest.mark.parametrize(("kelvin", "d"), [(600, 2.7e-7), (800, 1.1e-6), (1000, 2.7e-6)])
def test_a_fast_conductor_is_this_slow_when_hot(kelvin, d):
    assert fast_diffusivity_cm2_s(kelvin, density_cm3=2e22) == pytest.approx(d, rel=0.05)
    twice = fast_diffusivity_cm2_s(kelvin, density_cm3=4e22)
    assert nernst_einstein(twice, temperature_k=kelvin, density_cm3=4e22) == pytest.approx(
        nernst_einstein(2 * twice, temperature_k=kelvin, density_cm3=2e22)
    )


def test_prefactor_energy_and_line_agree():
    fit = fit_arrhenius(T, line(prefactor=2e-3), 0.1 * line(prefactor=2e-3))
    assert fit.prefactor_cm2_s == pytest.approx(2e-3, rel=1e-6)
    low, high = fit.prefactor_interval_cm2_s
    assert low < 2e-3 < high
    assert (fit.n_temperatures, fit.n_runs, fit.temperature_range_k) == (4, 4, (600.0, 1200.0))
    assert fit.diffusivity_cm2_s(np.full((2, 3), 700.0))[1].shape == (2, 3)


def test_known_errors_give_the_least_squares_interval():
    ln_sd = np.array([0.3, 0.2, 0.2, 0.1])
    fit = fit_ln_arrhenius(T, np.log(line()), ln_sd)
    design = np.stack([np.ones(4), -1 / (KB * T)], axis=1)
    plain = np.linalg.inv(design.T @ (design / ln_sd[:, None] ** 2))
    ratio = np.sqrt(np.diag(fit.covariance) / np.diag(plain))
    assert ((ratio > 1.0) & (ratio < 1.35)).all()
    low, high = fit.activation_energy_interval_ev
    assert (high - low) / np.sqrt(plain[1, 1]) == pytest.approx(2 * 1.96, rel=0.3)


def test_the_spread_is_weighed_as_by_brute_force():
    rng = np.random.default_rng(3)
    ln_sd = rng.uniform(0.1, 0.4, 5)
    values = rng.normal(0, 0.35, 5)
    spread = prior_spread(ln_sd)
    grid = np.linspace(-6, 6, 20001)
    evidence = [
        np.exp(-((values - grid[:, None]) ** 2 / (2 * v)).sum(axis=1) - np.log(v).sum() / 2).sum()
        for v in spread.variances
    ]
    expected = spread.weights * evidence
    expected /= expected.sum()
    found = spread.fit(np.ones((5, 1)), values).spread
    assert spread.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.weights, expected[expected > 1e-5], rtol=1e-3, atol=2e-5)


def test_the_interval_is_that_of_the_mixture():
    ln_sd = np.array([0.3, 0.2, 0.2, 0.1])
    ln_d = np.log(line()) + np.array([0.2, -0.1, 0.1, 0.0])
    design = np.stack([np.ones(4), -1 / (KB * T)], axis=1)
    nodes = prior_spread(ln_sd).fit(design, ln_d)
    sd = np.sqrt(nodes.covariances[:, 1, 1])
    for end, share in zip(
        fit_ln_arrhenius(T, ln_d, ln_sd).activation_energy_interval_ev, (0.025, 0.975), strict=True
    ):
        below = nodes.spread.weights @ ndtr((end - nodes.centres[:, 1]) / sd)
        assert below == pytest.approx(share, abs=0.002)


def campaigns(number, t, ln_sd, seed=0, factor=1.0):
    rng = np.random.default_rng(seed)
    for _ in range(number):
        yield np.log(line(t)) + rng.normal(0, factor * ln_sd)


def test_intervals_cover_and_true_lines_pass():
    ln_sd = np.array([0.4, 0.3, 0.2, 0.15])
    hits = refused = 0
    for ln_d in campaigns(300, T, ln_sd):
        try:
            fit = fit_ln_arrhenius(T, ln_d, ln_sd)
        except TransportError:
            refused += 1
            continue
        _, low, high = fit.diffusivity_cm2_s(300.0)
        hits += low <= line(300.0) <= high
    assert refused < 12
    assert 0.93 < hits / (300 - refused) < 0.99


def test_replicas_that_disagree_widen():
    t = np.repeat(T, 3)
    calm = np.tile([-0.1, 0.0, 0.1], 4)
    width = []
    for scatter in (calm, 5 * calm):
        fit = fit_ln_arrhenius(t, np.log(line(t)) + scatter, np.full(12, 0.1))
        width.append(np.diff(fit.activation_energy_interval_ev)[0])
    assert width[1] > 2.5 * width[0]


def test_replicas_count_as_runs_of_one_temperature():
    once, thrice = T, np.repeat(T, 3)
    one, three = (
        fit_ln_arrhenius(t, np.log(line(t)), np.full(t.shape, 0.2)) for t in (once, thrice)
    )
    widths = [np.diff(fit.activation_energy_interval_ev)[0] for fit in (one, three)]
    assert 1.5 < widths[0] / widths[1] < 2.2
    assert (three.n_temperatures, three.n_runs) == (4, 12)
    with pytest.raises(TransportError, match="2 temperatures"):
        fit_ln_arrhenius(np.repeat(T[:2], 4), np.zeros(8), np.full(8, 0.1))


LADDER = np.linspace(500, 1200, 8)


def kinked(t, at=800.0, cold=0.5, hot=0.2):
    x = 1 / (KB * np.asarray(t))
    return 1e-3 * np.exp(-hot * x - (cold - hot) * np.maximum(x - 1 / (KB * at), 0))


def test_a_kink_is_named_with_its_temperature():
    ln_d = np.log(kinked(LADDER))
    found = examine_line(1 / LADDER, ln_d, np.full(8, 0.15))
    assert found.kink_p < 0.001
    assert found.kink_temperature_k == pytest.approx(800, abs=40)
    with pytest.raises(TransportError, match=r"kink near [78]\d\d K.* one phase"):
        fit_ln_arrhenius(LADDER, ln_d, np.full(8, 0.15))


@pytest.mark.parametrize("error", [0.001, 0.1])
@pytest.mark.parametrize(("cold", "at"), [(2, 646), (4, 847)])
def test_a_step_is_no_scatter(cold, at, error):
    ln_d = np.log(line(LADDER)) + np.where(np.arange(8) < cold, 0.0, np.log(10))
    ln_d += 0.05 * np.array([1, -1, -1, 1, -1, 1, 1, -1])
    found = examine_line(1 / LADDER, ln_d, np.full(8, error))
    assert found.kink_temperature_k == pytest.approx(at, abs=1)
    with pytest.raises(TransportError, match=f"kink near {at} K"):
        fit_ln_arrhenius(LADDER, ln_d, np.full(8, error))


def test_curvature_is_refused_with_three_temperatures_too():
    t = np.array([500.0, 750.0, 1200.0])
    ln_d = np.log(line(t)) + np.array([0, 0.8, 0])
    with pytest.raises(TransportError, match="curvature"):
        fit_ln_arrhenius(t, ln_d, np.full(3, 0.15))
    assert fit_ln_arrhenius(t, ln_d, np.full(3, 0.8)).straightness.kink_temperature_k is None


def test_errors_far_too_small_are_taken_from_the_scatter():
    scatter = np.array([0.1, -0.1, -0.1, 0.1, 0.1, -0.1, -0.1, 0.2])
    ln_d = np.log(line(LADDER)) + scatter
    tight, fair = (fit_ln_arrhenius(LADDER, ln_d, np.full(8, sd)) for sd in (0.001, 0.13))
    assert tight.straightness.scattered
    assert not fair.straightness.scattered
    low, high = tight.activation_energy_interval_ev
    fair_low, fair_high = fair.activation_energy_interval_ev
    assert high - low == pytest.approx(fair_high - fair_low, rel=0.3)
    zigzag = np.log(line(LADDER[:4])) + 0.1 * np.array([1, -1, 1, -1])
    with pytest.raises(TransportError, match="scatter beyond their errors"):
        fit_ln_arrhenius(LADDER[:4], zigzag, np.full(4, 0.001))


def test_a_kink_is_seen_where_the_errors_are_far_too_small():
    ln_d = np.log(kinked(LADDER, cold=0.45, hot=0.2)) + 0.03 * np.array(
        [1, -1, -1, 1, -1, 1, 1, -1]
    )
    with pytest.raises(TransportError, match="kink near"):
        fit_ln_arrhenius(LADDER, ln_d, np.full(8, 0.001))


def test_replicas_excuse_a_bend_that_they_scatter_as_much_as():
    t = np.repeat(LADDER, 3)
    bent = np.log(kinked(t, cold=0.4, hot=0.3))
    with pytest.raises(TransportError, match="no single"):
        fit_ln_arrhenius(t, bent, np.full(24, 0.1))
    scatter = np.tile([-0.6, 0.0, 0.6], 8)
    assert fit_ln_arrhenius(t, bent + scatter, np.full(24, 0.1)).n_runs == 24


def test_p_values_of_true_lines_are_even():
    ln_sd = np.full(8, 0.2)
    found = [examine_line(1 / LADDER, d, ln_sd) for d in campaigns(300, LADDER, ln_sd, seed=2)]
    for name in ("scatter_p", "curvature_p", "kink_p"):
        p = np.array([getattr(one, name) for one in found])
        assert 0.02 < (p < 0.1).mean() < 0.18
        assert 0.4 < (p < 0.5).mean() < 0.6


def test_a_fall_is_seen_through_replicas():
    t = np.repeat([700.0, 900.0, 1100.0], 2)
    ln_d = np.repeat(np.log([1e-6, 4e-6, 1e-6]), 2)
    with pytest.raises(TransportError, match="falls from 900 K to 1100 K"):
        fit_ln_arrhenius(t, ln_d, np.full(6, 0.1))


def test_bounds_far_above_the_line_change_nothing():
    free = fit_arrhenius(T, line(), 0.3 * line())
    _, _, high = free.diffusivity_cm2_s(400.0)
    held = fit_arrhenius(T, line(), 0.3 * line(), bounds=[(400.0, 3 * high)])
    for new, old in zip(held.diffusivity_cm2_s(300.0), free.diffusivity_cm2_s(300.0), strict=True):
        assert new == pytest.approx(old, rel=0.05)


def test_a_bound_within_the_band_takes_its_upper_part():
    free = fit_arrhenius(T, line(), 0.3 * line())
    median, low, high = free.diffusivity_cm2_s(400.0)
    held = fit_arrhenius(T, line(), 0.3 * line(), bounds=[(400.0, median)])
    _, new_low, new_high = held.diffusivity_cm2_s(400.0)
    assert new_high < 0.75 * high
    assert new_low > 0.7 * low
    assert held.activation_energy_ev > free.activation_energy_ev
    with pytest.raises(TransportError, match="at 400 K, where it is below"):
        fit_arrhenius(T, line(), 0.3 * line(), bounds=[(400.0, low / 2)])


def test_bounds_are_no_temperatures():
    with pytest.raises(TransportError, match="2 temperatures"):
        fit_arrhenius(T[:2], line(T[:2]), 0.1 * line(T[:2]), bounds=[(500.0, 1e-6), (400.0, 1e-6)])


@pytest.mark.parametrize("bounds", [[500.0, 1e-6], [(500.0, 0.0)], [(500.0, np.nan)]])
def test_bad_bounds_are_refused(bounds):
    with pytest.raises(TransportError, match="pairs of a temperature"):
        fit_arrhenius(T, line(), 0.1 * line(), bounds=bounds)


def test_how_far_the_line_is_carried():
    fit = fit_arrhenius(T, line(), 0.1 * line())
    assert fit.extrapolation_ratio(300.0) == pytest.approx(
        (1 / 300 - 1 / 600) / (1 / 600 - 1 / 1200)
    )
    assert fit.extrapolation_ratio(700.0) == 0
    assert fit.extrapolation_ratio(2400.0) == pytest.approx(0.5)
    with pytest.raises(TransportError, match="not positive"):
        fit.diffusivity_cm2_s(0.0)


@pytest.mark.parametrize(
    ("t", "d", "message"),
    [
        ([800, 1000], [1e-6, 2e-6], "2 temperatures"),
        ([800, 800, 1000], [1e-6, 1.1e-6, 2e-6], "2 temperatures"),
        ([800, 1000, 1200], [2e-6, 1e-6, 3e-6], "falls from 800 K to 1000 K"),
        ([800, 1000, 1200], [3e-6, 2.9e-6, 3e-6], "not resolved"),
        ([400, 600, 800, 1000], [1e-9, 1e-6, 1.1e-6, 1.2e-6], "no single Arrhenius line"),
        ([800, 1000, 1200], [0.0, 1e-6, 2e-6], "positive"),
        ([800, 1000, 1200], [np.nan, 1e-6, 2e-6], "positive"),
    ],
)
def test_refusals_say_why(t, d, message):
    with pytest.raises(TransportError, match=message):
        fit_arrhenius(t, d, 0.1 * np.maximum(np.nan_to_num(d), 1e-7))
