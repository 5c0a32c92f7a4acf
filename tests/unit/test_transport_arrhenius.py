import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import fit_arrhenius, nernst_einstein
from ionscout.transport.conductivity import fast_diffusivity_cm2_s

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


def test_intervals_cover():
    rng = np.random.default_rng(0)
    truth, ln_sd = line(), np.array([0.4, 0.3, 0.2, 0.15])
    hits = refused = 0
    for _ in range(600):
        d = truth * np.exp(rng.normal(0, ln_sd))
        try:
            fit = fit_arrhenius(T, d, d * np.sqrt(np.expm1(ln_sd**2)))
        except TransportError:
            refused += 1
            continue
        _, low, high = fit.diffusivity_cm2_s(300.0)
        hits += low <= line(300.0) <= high
    assert refused < 30
    assert 0.93 < hits / (600 - refused) < 0.99


def test_scatter_beyond_the_errors_widens():
    d = line() * np.exp([0.12, -0.12, 0.12, -0.12])
    calm, wild = fit_arrhenius(T, line(), 0.1 * d), fit_arrhenius(T, d, 0.1 * d)
    width = [np.diff(fit.activation_energy_interval_ev)[0] for fit in (calm, wild)]
    assert width[1] > 1.2 * width[0]
    assert np.isfinite(wild.freedom)


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
