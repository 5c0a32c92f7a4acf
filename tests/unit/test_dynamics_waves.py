import itertools

import pytest

from ionscout.dynamics.records import empty_run
from ionscout.dynamics.waves import why_not_run

CELL = {"material_id": "bundled-x", "engine": "chgnet"}


def run(temperature_k, verdict, replica=0):
    found = empty_run(CELL, temperature_k=temperature_k, replica=replica, reason="")
    if verdict == "exploded":
        return found | {"status": "failed", "reason": "exploded: two atoms met"}
    if verdict is None:
        return found | {"status": "failed", "reason": "the engine is not installed"}
    return found | {"status": "finished", "verdict": verdict}


def wave(*verdicts):
    kelvin = (800.0, 1000.0, 1200.0)
    return list(map(run, kelvin, verdicts))


D, N, U, M, X = "diffusive", "non-diffusive", "unresolved", "melted", "exploded"


@pytest.mark.parametrize(
    ("temperature_k", "verdicts", "reason"),
    [
        (900, (D, D, D), ""),
        (700, (D, D, D), ""),
        (1400, (D, D, D), ""),
        (900, (U, D, D), ""),
        (700, (U, D, D), ""),
        (900, (N, D, D), ""),
        (1100, (N, N, D), "1 of 3 temperatures of the first wave diffusive"),
        (900, (U, U, U), "0 of 3"),
        (900, (None, None, D), "1 of 3"),
        (700, (N, D, D), "lies below 800 K, where nothing diffuses"),
        (700, (N, N, N), "lies below 800 K"),
        (1100, (D, D, M), ""),
        (1200, (D, D, M), "lies at 1200 K, where it melted"),
        (1400, (D, D, M), "lies above 1200 K, where it melted"),
        (1100, (D, M, M), "lies above 1000 K, where it melted"),
        (1400, (D, D, X), "lies above 1200 K, where it exploded"),
        (900, (D, M, D), "1 of 3"),
        (700, (M, D, D), "0 of 3"),
    ],
)
def test_rules(temperature_k, verdicts, reason):
    found = why_not_run(temperature_k, wave(*verdicts), least_diffusive=2)
    assert reason in found
    assert bool(found) == bool(reason)
    assert "\n" not in found


def test_the_order_of_the_records_does_not_matter():
    for runs in itertools.permutations(wave(N, D, D)):
        assert "below 800 K" in why_not_run(700, runs, least_diffusive=2)
        assert why_not_run(900, runs, least_diffusive=2) == ""


def test_any_replica_makes_a_temperature_diffusive_or_the_end():
    runs = [run(800.0, N, 0), run(800.0, D, 1), run(1000.0, U, 0), run(1000.0, D, 1)]
    assert why_not_run(700, runs, least_diffusive=2) == ""
    assert "above 1000 K" in why_not_run(1100, [*runs, run(1000.0, M, 2)], least_diffusive=1)


def test_replicas_are_not_counted_as_temperatures():
    runs = [run(800.0, D, 0), run(800.0, D, 1), run(1000.0, U)]
    assert "1 of 2 temperatures" in why_not_run(900, runs, least_diffusive=2)
    assert why_not_run(900, runs, least_diffusive=1) == ""


def test_with_no_least_number_only_the_ends_decide():
    assert why_not_run(900, wave(U, U, U), least_diffusive=0) == ""
    assert "below 800 K" in why_not_run(700, wave(N, U, U), least_diffusive=0)
