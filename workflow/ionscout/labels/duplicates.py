"""Which materials of the manifest are the same crystal."""

from __future__ import annotations

import pandas as pd


def duplicate_groups(manifest: pd.DataFrame) -> pd.Series:
    """Name the duplicate group of every material.

    Parameters
    ----------
    manifest : DataFrame
        Columns `material_id` and `duplicate_of` (an id, or missing), one row a material.

    Returns
    -------
    Series of str, indexed by material_id
        The id of the material that all members of the group duplicate; a
        material without duplicates is a group of its own.
    """
    marked = manifest.dropna(subset="duplicate_of")
    original = dict(zip(marked["material_id"], marked["duplicate_of"], strict=True))

    def root(material_id: str) -> str:
        while material_id in original:
            material_id = original[material_id]
        return material_id

    ids = manifest["material_id"].tolist()
    return pd.Series([root(i) for i in ids], index=pd.Index(ids, name="material_id"), dtype=str)
