"""From measured conductivities to the classes fast and slow."""

from __future__ import annotations

import pandas as pd


def known_classes(labels: pd.DataFrame, *, fast_threshold_s_cm: float) -> pd.Series:
    """Tell the fast conductors from the slow ones.

    A measured value at or above the threshold is fast, one below it slow. An
    upper bound below the threshold is slow; a higher one says nothing, and its
    material is left out.

    Parameters
    ----------
    labels : DataFrame
        As `join_labels` returns it.
    fast_threshold_s_cm : float
        Room-temperature conductivity in S/cm from which a material is fast.

    Returns
    -------
    Series of bool, indexed by material_id
        True for fast; only the materials whose class is known.
    """
    fast = labels["sigma_rt_s_cm"] >= fast_threshold_s_cm
    known = labels["sigma_rt_s_cm"].notna() & ~(labels["is_upper_bound"] & fast)
    ids = pd.Index(labels.loc[known, "material_id"], name="material_id")
    return pd.Series(fast[known].to_numpy(dtype=bool), index=ids, name="fast")
