"""The labelled materials that count: one of each group of duplicates."""

from __future__ import annotations

import pandas as pd

from ionscout.labels import duplicate_groups
from ionscout.models.training_set import one_a_group


def one_of_each_group(candidates: pd.Index, manifest: pd.DataFrame) -> pd.Index:
    """Keep one material of each group of duplicates: its original where it is among them.

    Parameters
    ----------
    candidates : Index of str
        Material ids.
    manifest : DataFrame
        Columns material_id and duplicate_of.

    Returns
    -------
    Index of str
        The candidates kept; those that the manifest does not know are not.
    """
    groups = duplicate_groups(manifest)
    return one_a_group(groups[groups.index.isin(candidates)]).index
