import numpy as np
import pytest

from ionscout.errors import TransportError
from ionscout.transport import estimate_diffusivity, mean_squared_displacement, remove_drift
from ionscout.transport.covariance import concerted_factor, msd_covariance
from ionscout.transport.posterior import Posterior

INTERVAL_FS = 20.0


def walk(rng, n_frames=1000, n_ions=24, d_ang2_ps=0.25):
    step = np.sqrt(2 * d_ang2_ps * INTERVAL_FS / 1000)
    return np.cumsum(rng.normal(0, step, (n_frames, n_ions, 3)), axis=0)


def test_covariance_is_that_of_simulated_walks():
    rng = np.random.default_rng(3)
    lags = np.array([2, 5, 11])
    paths = np.cumsum(rng.normal(size=(40, 6000, 1)), axis=0) + rng.normal(0, 2, (40, 6000, 1))
    curves = np.array([((paths[n:] - paths[:-n]) ** 2).mean(axis=(0, 2)) for n in lags])
    curve = np.arange(23) + 8.0
    curve[0] = 0
    expected = msd_covariance(curve, lags, 40, 1)
    np.testing.assert_allclose(np.cov(curves), expected, rtol=0.12)


def test_interval_holds_the_truth_and_is_not_idle():
    rng = np.random.default_rng(5)
    hits, ratios = [], []
    for _ in range(40):
        found = estimate_diffusivity(walk(rng), frame_interval_fs=INTERVAL_FS)
        hits.append(found.low_cm2_s <= 0.25e-4 <= found.high_cm2_s)
        ratios.append(found.high_cm2_s / found.low_cm2_s)
    assert sum(hits) >= 35
    assert 1.2 < np.median(ratios) < 3


def test_more_data_narrows_the_interval_as_it_should():
    rng = np.random.default_rng(6)
    few = estimate_diffusivity(walk(rng, n_ions=6), frame_interval_fs=INTERVAL_FS)
    many = estimate_diffusivity(walk(rng, n_ions=150), frame_interval_fs=INTERVAL_FS)
    ratio = (few.sd_cm2_s / few.d_cm2_s) / (many.sd_cm2_s / many.d_cm2_s)
    assert 3 < ratio < 9


def test_ions_that_move_together_count_once():
    rng = np.random.default_rng(7)
    alone = estimate_diffusivity(walk(rng, n_ions=6), frame_interval_fs=INTERVAL_FS)
    groups = np.repeat(walk(rng, n_ions=6), 4, axis=1)
    together = estimate_diffusivity(groups, frame_interval_fs=INTERVAL_FS)
    relative = together.sd_cm2_s / together.d_cm2_s
    assert relative > 0.6 * alone.sd_cm2_s / alone.d_cm2_s
    assert 3 < together.concerted_ions < 6.5


def test_independent_samples_are_not_concerted():
    samples = np.random.default_rng(8).normal(size=(20, 10))
    assert concerted_factor(samples) < 1.6
    assert concerted_factor(samples[:2]) == 1.0


def test_asked_window_is_kept_and_a_short_run_refused():
    positions = walk(np.random.default_rng(9))
    found = estimate_diffusivity(
        positions, frame_interval_fs=INTERVAL_FS, fit_start_ps=2, fit_end_ps=8, weighted=False
    )
    assert (found.fit_start_ps, found.fit_end_ps) == pytest.approx((2, 8))
    msd = mean_squared_displacement(positions)
    lags = np.arange(100, 401)
    slope = np.polyfit(lags * 0.02, msd[lags], 1)[0]
    assert found.d_cm2_s == pytest.approx(slope / 6 * 1e-4, rel=0.01)
    with pytest.raises(TransportError, match="lasts"):
        estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS, fit_end_ps=35)


@pytest.mark.parametrize(("start_ps", "end_ps"), [(12, None), (5, 4)])
def test_windows_that_do_not_fit_are_refused(start_ps, end_ps):
    with pytest.raises(TransportError, match="too late"):
        estimate_diffusivity(
            walk(np.random.default_rng(9)),
            frame_interval_fs=INTERVAL_FS,
            fit_start_ps=start_ps,
            fit_end_ps=end_ps,
        )


def test_damaged_or_tiny_input_is_refused():
    positions = walk(np.random.default_rng(9), n_frames=100)
    positions[50, 0, 0] = np.nan
    with pytest.raises(TransportError, match="not finite"):
        estimate_diffusivity(positions, frame_interval_fs=INTERVAL_FS)
    with pytest.raises(TransportError, match="30 or more"):
        estimate_diffusivity(positions[:10], frame_interval_fs=INTERVAL_FS)


@pytest.mark.parametrize("interval_fs", [0.0, -20.0, np.nan, np.inf])
def test_a_time_between_frames_that_is_none_is_refused(interval_fs):
    with pytest.raises(TransportError, match="positive time"):
        estimate_diffusivity(walk(np.random.default_rng(0)), frame_interval_fs=interval_fs)


@pytest.mark.parametrize("level", [0, 1, 95, np.nan])
def test_a_level_that_is_no_probability_is_refused(level):
    ions = walk(np.random.default_rng(0))
    with pytest.raises(TransportError, match="between 0 and 1"):
        estimate_diffusivity(ions, frame_interval_fs=INTERVAL_FS, credible_level=level)


def test_frozen_ions_are_refused():
    with pytest.raises(TransportError, match="frozen"):
        estimate_diffusivity(np.zeros((200, 4, 3)), frame_interval_fs=INTERVAL_FS)


def test_posterior_is_that_of_a_variance():
    posterior = Posterior(slope=2.0, sd=0.5, excess=0.0)
    samples = 2.0 * 16 / np.random.default_rng(0).gamma(16, size=200_000)
    expected = np.quantile(samples, [0.025, 0.5, 0.975])
    np.testing.assert_allclose(posterior.quantiles([0.025, 0.5, 0.975]), expected, rtol=0.01)
    back = Posterior(slope=2.0, sd=0.5, excess=0.5).quantiles([0.025, 0.975])
    assert back[0] < expected[0] * 0.8
    assert back[1] == pytest.approx(expected[2], rel=0.1)


def test_lgps_reference(shared_data):
    import gzip
    import json

    from pymatgen.core import Structure

    from ionscout.transport import nernst_einstein

    path = shared_data / "trajectories" / "lgps_600K" / "DiffusionAnalyzer.json.gz"
    stored = json.loads(gzip.decompress(path.read_bytes()))
    structure = Structure.from_dict(stored["structure"])
    lithium = np.array([site.specie.symbol == "Li" for site in structure])
    masses = [float(site.specie.atomic_mass) for site in structure]
    moved = remove_drift(np.array(stored["displacements"]).transpose(1, 0, 2), masses, ~lithium)
    ions = moved[:, lithium]
    plain = estimate_diffusivity(
        ions, frame_interval_fs=20, fit_start_ps=0.02, fit_end_ps=19.38, weighted=False
    )
    density = lithium.sum() / structure.volume * 1e24
    sigma = nernst_einstein(plain.d_cm2_s, temperature_k=600, density_cm3=density)
    assert plain.d_cm2_s == pytest.approx(1.161e-6, rel=0.01)
    assert sigma * 1000 == pytest.approx(74.165, rel=0.01)
    found = estimate_diffusivity(ions, frame_interval_fs=20)
    assert found.low_cm2_s < 1.161e-6 < found.high_cm2_s
