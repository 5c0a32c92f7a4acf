"""The labelled materials that count: one of each group of duplicates."""

from __future__ import annotations

import pandas as pd

from ionscout.labels import duplicate_groups


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
    known = [name for name in groups.index if name in candidates]
    known.sort(key=lambda name: (groups[name], groups[name] != name, name))
    return groups.loc[known].drop_duplicates().index
