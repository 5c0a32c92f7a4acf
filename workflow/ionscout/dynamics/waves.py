"""Which temperatures of the second wave are worth their cost: all rules, in one place.

The second wave is on the DAG from the start, as is the first. Each of its runs reads the
records of the material's first wave and is run, or says why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ionscout.transport.verdict import DIFFUSIVE, EXPLODED, MELTED, NON_DIFFUSIVE

SECOND_WAVE = "second wave"


def why_not_run(
    temperature_k: float, first_wave: Sequence[dict[str, Any]], *, least_diffusive: int
) -> str:
    """Say why a run of the second wave is left out.

    It is left out where

    - it is at or above a temperature that melted or exploded in any replica: it would be
      no crystal either;
    - it is below the first wave's lowest temperature and nothing diffuses there: colder,
      less would;
    - the first wave has fewer diffusive temperatures than asked for: more of them only
      help a line that has begun. A temperature is diffusive where any replica is, and
      does not count at or above one that melted or exploded.

    Parameters
    ----------
    temperature_k : float
        The temperature in question.
    first_wave : sequence of dict
        The content of each `run.json` of the material's first wave.
    least_diffusive : int
        Fewest diffusive temperatures.

    Returns
    -------
    str
        The reason in one line; empty where it is to be run.
    """
    verdicts: dict[float, set[str | None]] = {}
    for run in first_wave:
        verdicts.setdefault(run["temperature_k"], set()).add(_verdict(run))
    ends = [kelvin for kelvin, found in verdicts.items() if found & {MELTED, EXPLODED}]
    if ends and temperature_k >= min(ends):
        how = MELTED if MELTED in verdicts[min(ends)] else EXPLODED
        where = "at" if temperature_k == min(ends) else "above"
        return f"{SECOND_WAVE}: lies {where} {min(ends):g} K, where it {how}"
    lowest = min(verdicts)
    still = NON_DIFFUSIVE in verdicts[lowest] and DIFFUSIVE not in verdicts[lowest]
    if still and temperature_k < lowest:
        return f"{SECOND_WAVE}: lies below {lowest:g} K, where nothing diffuses"
    diffusive = [
        kelvin
        for kelvin, found in verdicts.items()
        if DIFFUSIVE in found and kelvin < min(ends, default=float("inf"))
    ]
    if len(diffusive) < least_diffusive:
        return (
            f"{SECOND_WAVE}: {len(diffusive)} of {len(verdicts)} temperatures of the first wave"
            f" diffusive, dynamics.second_wave.least_diffusive = {least_diffusive}"
        )
    return ""


def _verdict(run: dict[str, Any]) -> str | None:
    """Return the verdict of a run's own watch; one that came apart never reached it."""
    exploded = run["status"] == "failed" and run["reason"].startswith(EXPLODED)
    return EXPLODED if exploded else run["verdict"]
