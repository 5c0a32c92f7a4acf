"""The funnel: what each gate keeps, loses, and does to the known conductors."""

from __future__ import annotations

import pandas as pd

from ionscout.config import GateSettings
from ionscout.labels import known_classes
from ionscout.screening.gates import FAIL, PASS, UNKNOWN, gate_names, turns_away


def count_funnel(
    gates_table: pd.DataFrame,
    manifest: pd.DataFrame,
    labels: pd.DataFrame,
    gates: GateSettings,
    *,
    fast_threshold_s_cm: float,
) -> pd.DataFrame:
    """Count the candidates, and the known conductors, through the gates in turn.

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
        One row an enabled gate. `n_*` count candidates; `known_*` count every
        labelled material, candidate or not, so that a gate's worth shows.
        Those with a bound above the threshold count as neither fast nor slow.
    """
    table = gates_table.set_index("material_id")
    materials = manifest.set_index("material_id").reindex(table.index)
    candidate = materials["candidate"].astype(bool)
    known = known_classes(labels, fast_threshold_s_cm=fast_threshold_s_cm)
    known = known[known.index.isin(materials.index[materials["representative"] == 1])]
    is_fast, is_slow = (table.index.isin(known.index[known == fast]) for fast in (True, False))
    alive = pd.Series(True, index=table.index)
    rows = []
    for name in gate_names():
        gate = getattr(gates, name)
        if not gate.enabled:
            continue
        before, answers = alive, table.loc[alive & candidate, name]
        alive = alive & ~turns_away(table[name], gate)
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
                "known_fast_out": int((alive & is_fast).sum()),
                "known_slow_in": int((before & is_slow).sum()),
                "known_slow_out": int((alive & is_slow).sum()),
            }
        )
    return pd.DataFrame(rows)
