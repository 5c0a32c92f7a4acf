"""When a stage has failed on too many materials to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ionscout.errors import CampaignError


def check_failure_rate(
    stage: str, failures: Sequence[Mapping], *, n_left: int, limit: float
) -> None:
    """Stop the campaign when a stage fails on too many materials, or on all.

    Parameters
    ----------
    stage : str
        Name of the stage, for the message.
    failures : sequence of mapping
        One a failed material, with `material_id` and `reason`.
    n_left : int
        Number of materials that did not fail.
    limit : float
        Largest share that may fail (`max_failure_rate`).

    Raises
    ------
    CampaignError
        When the share is above the limit, or nothing is left.
    """
    n_failed, n_all = len(failures), len(failures) + n_left
    if n_left and n_failed <= limit * n_all:
        return
    excess = f"more than max_failure_rate = {limit:g}" if n_left else "none is left"
    first = (
        f"; the first is {failures[0]['material_id']}: {failures[0]['reason']}" if failures else ""
    )
    raise CampaignError(f"{stage}: {n_failed} of {n_all} materials failed, {excess}{first}")
