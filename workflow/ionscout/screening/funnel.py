"""The funnel: what each gate keeps, loses, and does to the known conductors."""

from __future__ import annotations

import pandas as pd

from ionscout.config import GateSettings
from ionscout.labels import duplicate_groups, known_classes
from ionscout.models.training_set import one_a_group
from ionscout.screening.answers import FAIL, PASS, UNKNOWN
from ionscout.screening.gates import gate_names, turns_away
from ionscout.screening.worth import (
    chance_of_as_many,
    draw_at_random,
    estimate_enrichment,
    estimate_share,
)

FUNNEL_COLUMNS = [
    *("gate", "n_in", "n_pass", "n_fail", "n_unknown", "n_out"),
    *("known_fast_in", "known_fast_out", "known_slow_in", "known_slow_out"),
    *("precision", "precision_low", "precision_high"),
    *("recall", "recall_low", "recall_high"),
    *("enrichment", "enrichment_low", "enrichment_high"),
    *("random_fast", "random_fast_low", "random_fast_high", "p_value"),
]


def count_funnel(
    gates_table: pd.DataFrame,
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    gates: GateSettings,
    *,
    fast_threshold_s_cm: float,
) -> pd.DataFrame:
    """Count the candidates, and the known conductors, through the gates in turn.

    The worth of the gates so far is that of what they chose among the known conductors,
    beside a random draw of as many of these. Sendek et al. (Chem. Mater. 31, 342 (2019))
    compared likewise: the share of fast conductors among what a model chose with that
    among materials drawn at random (2.7 times), theirs by simulation, ours by
    measurement. The known ones are no random sample of the candidates, and members of one
    family are alike, so that the intervals are narrower than they should be.

    Parameters
    ----------
    gates_table : DataFrame
        The gates' answers, one row a material.
    manifest : DataFrame
        The curated materials, with `candidate`.
    labels : DataFrame
        Measured conductivities.
    gates : GateSettings
        Which gates are applied.
    fast_threshold_s_cm : float
        Conductivity from which a known material is fast, in S/cm.

    Returns
    -------
    DataFrame
        `FUNNEL_COLUMNS`, one row an enabled gate. `n_*` count candidates; `known_*` count the
        labelled materials, candidates or not, a group of duplicates once; those with a
        bound above the threshold are neither fast nor slow. precision: share of fast ones
        among the known that remain; recall: share of the fast ones that remain;
        enrichment: precision over the share of fast ones among all known; each with its
        95 % interval. random_fast: fast ones in a random draw of as many, with what 95 %
        of the draws hold, and p_value, the chance of one with as many as remain. NaN
        where nothing is known.
    """
    table = gates_table.set_index("material_id")
    materials = manifest.set_index("material_id").reindex(table.index)
    candidate = materials["candidate"].astype(bool)
    known = known_classes(labels, fast_threshold_s_cm=fast_threshold_s_cm)
    first = known.index.intersection(materials.index[materials["representative"] == 1])
    groups = duplicate_groups(manifest)
    known = known.loc[one_a_group(groups[groups.index.isin(first)]).index]
    is_fast, is_slow = (table.index.isin(known.index[known == fast]) for fast in (True, False))
    alive = pd.Series(True, index=table.index)
    rows = []
    for name in gate_names():
        gate = getattr(gates, name)
        if not gate.enabled:
            continue
        before, answers = alive, table.loc[alive & candidate, name]
        alive = alive & ~turns_away(table[name], gate)
        n_fast, n_slow = int((alive & is_fast).sum()), int((alive & is_slow).sum())
        rows.append(
            {
                "gate": name,
                "n_in": len(answers),
                **{
                    f"n_{answer}": int((answers == answer).sum())
                    for answer in (PASS, FAIL, UNKNOWN)
                },
                "n_out": int((alive & candidate).sum()),
                "known_fast_in": int((before & is_fast).sum()),
                "known_fast_out": n_fast,
                "known_slow_in": int((before & is_slow).sum()),
                "known_slow_out": n_slow,
                **_judge_choice(n_fast, n_slow, int(is_fast.sum()), int(is_slow.sum())),
            }
        )
    return pd.DataFrame(rows, columns=FUNNEL_COLUMNS)


def _judge_choice(n_fast_kept: int, n_slow_kept: int, n_fast: int, n_slow: int) -> dict[str, float]:
    """Say what the choice of the known that remain is worth."""
    n_kept, n_known = n_fast_kept + n_slow_kept, n_fast + n_slow
    estimates = {
        "precision": estimate_share(n_fast_kept, n_kept),
        "recall": estimate_share(n_fast_kept, n_fast),
        "enrichment": estimate_enrichment(n_fast_kept, n_kept, n_fast, n_known),
        "random_fast": draw_at_random(n_kept, n_fast, n_known),
    }
    columns = {
        f"{name}{ending}": number
        for name, estimate in estimates.items()
        for ending, number in zip(("", "_low", "_high"), estimate, strict=True)
    }
    return columns | {"p_value": chance_of_as_many(n_fast_kept, n_kept, n_fast, n_known)}
