"""The candidates that passed the gates, the most promising first."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ionscout.labels import duplicate_groups


def rank_candidates(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the candidates that passed the gates by the classifiers' mean probability.

    Parameters
    ----------
    table : DataFrame
        By material id: `candidate`, `kept`, `vacancies_per_cell` and `mean_probability`.

    Returns
    -------
    DataFrame
        Their rows, the most probable first, those without a probability last. Variants
        with a vacancy are left out: they stand by their host.
    """
    is_ranked = table["candidate"].astype(bool) & table["kept"] & (table["vacancies_per_cell"] == 0)
    return (
        table[is_ranked]
        .sort_index()
        .sort_values("mean_probability", ascending=False, kind="stable", na_position="last")
    )


def most_promising(
    manifest: pd.DataFrame, gates_table: pd.DataFrame, controls: Sequence[str], *, size: int
) -> list[str]:
    """Choose the best candidates, one of each set of duplicates, and the controls.

    Parameters
    ----------
    manifest, gates_table : DataFrame
        The curated materials and the gates' answers.
    controls : sequence of str
        Material ids of the controls. One that is not among the materials is left out.
    size : int
        Most candidates.

    Returns
    -------
    list of str
        Material ids, the best first, the controls last.
    """
    table = manifest.merge(gates_table, on="material_id", validate="1:1").set_index("material_id")
    known_controls = [name for name in dict.fromkeys(controls) if name in table.index]
    ranked = rank_candidates(table).index
    groups = duplicate_groups(manifest)
    of_candidates = groups[ranked]
    is_new = ~of_candidates.duplicated() & ~of_candidates.isin(groups[known_controls])
    return [*ranked[is_new.to_numpy()][:size], *known_controls]
