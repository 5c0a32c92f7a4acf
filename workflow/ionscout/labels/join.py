"""One room-temperature label a material, from all that the sources report."""

from __future__ import annotations

import logging
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

from ionscout.errors import LabelError
from ionscout.labels.composition import CompositionIndex
from ionscout.labels.duplicates import duplicate_groups
from ionscout.structures.records import is_label_only

logger = logging.getLogger("ionscout")

ROOM_TEMPERATURE_K = (273.0, 323.0)
_DTYPES = {
    "material_id": str,
    "sigma_rt_s_cm": float,
    "is_upper_bound": bool,
    "temperature_k": float,
    "kind": str,
    "activation_energy_ev": float,
    "reference": str,
    "n_measurements": int,
    "sigma_spread_decades": float,
}
LABEL_COLUMNS = list(_DTYPES)


def join_labels(
    records: Iterable[dict[str, Any]],
    manifest: pd.DataFrame,
    *,
    own_sources: Collection[str] = (),
) -> pd.DataFrame:
    """Give every curated material the measured conductivity that is known of it.

    Values measured outside 273-323 K do not count. The labels of all members of
    a duplicate group are pooled and shared by all of them; where the user's own
    sources report any, all others are set aside. Labels without a crystal are
    joined to the materials of the same composition and space group, where no label
    has a crystal. Of several measured values the geometric median is taken, and
    upper bounds are then set aside; of upper bounds alone, the tightest.

    Parameters
    ----------
    records : iterable of dict
        Lines of the source files; failures and materials that are not in the
        manifest are passed over.
    manifest : DataFrame
        Columns `material_id` and `duplicate_of`; for labels without a crystal also
        `space_group_number` and `stated_formula`, or else `reduced_formula`.
    own_sources : collection of str
        Names of the sources that are the user's own.

    Returns
    -------
    DataFrame
        One row a labelled material, in the order of the manifest: material_id,
        sigma_rt_s_cm (S/cm), is_upper_bound, temperature_k (median), kind
        (bulk, total, unknown, or mixed where the values pooled differ in it),
        activation_energy_ev (median of those reported, else NaN), reference
        (with a note where the value is that of a duplicate, or joined by
        composition), n_measurements (values that the label was made of, or bounds
        where there are only these) and sigma_spread_decades (largest less
        smallest log10 of the values; NaN for bounds).

    Raises
    ------
    LabelError
        A conductivity or temperature that is not a positive number, a formula
        that is not one.
    """
    groups = duplicate_groups(manifest)
    pooled = _pool(records, groups, CompositionIndex(manifest))
    reconciled = {
        group: _reconcile(_most_direct(found, own_sources))
        for group, found in pooled.items()
        if found
    }
    rows = [
        _row(material_id, *reconciled[group])
        for material_id, group in groups.items()
        if group in reconciled
    ]
    return pd.DataFrame(rows, columns=LABEL_COLUMNS).astype(_DTYPES)


def _pool(
    records: Iterable[dict[str, Any]], groups: pd.Series, index: CompositionIndex
) -> dict[str, list[dict[str, Any]]]:
    """Collect the labels of each duplicate group."""
    pooled = defaultdict(list)
    unmatched, n_without_crystal = [], 0
    for record in records:
        if is_label_only(record):
            labels = _at_room_temperature(record)
            matches = {groups[material_id] for material_id in _matches(record, index)}
            n_without_crystal += 1
            unmatched += [] if matches else [record["material_id"]]
            for group in sorted(matches):
                pooled[group] += [_by_composition(label) for label in labels]
        elif (group := groups.get(record["material_id"])) is not None:
            pooled[group] += _at_room_temperature(record)
    if n_without_crystal:
        logger.info(
            "%d of %d materials known by label alone have no crystal of their composition and "
            "space group: %s",
            *(len(unmatched), n_without_crystal, ", ".join(unmatched) or "none"),
        )
    return pooled


def _matches(record: dict[str, Any], index: CompositionIndex) -> list[str]:
    """Find the materials that labels without a crystal belong to."""
    if record["space_group_number"] is None:
        return []
    try:
        return index.find(record["formula"], record["space_group_number"])
    except ValueError as error:
        raise LabelError(
            f"label of {record['material_id']}: {record['formula']!r} is not a formula ({error}); "
            "correct it"
        ) from None


def _by_composition(label: dict[str, Any]) -> dict[str, Any]:
    reference = f"{label['reference']} (joined by composition and space group)".strip()
    return {**label, "reference": reference, "donor": None}


def _at_room_temperature(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Check the labels of one material and keep those near room temperature."""
    low, high = ROOM_TEMPERATURE_K
    donor = record["material_id"]
    extra = {"donor": donor, "source": record["source"]}
    labels = [{**label, **extra} for label in record.get("labels", [])]
    for label in labels:
        for key in ("sigma_s_cm", "temperature_k"):
            value = label[key]
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise LabelError(f"label of {donor}: {key} is {value!r}; give a positive number")
        if not low <= label["temperature_k"] <= high:
            logger.warning(
                "%s: its conductivity at %g K is left out, it is not at %g to %g K",
                *(donor, label["temperature_k"], low, high),
            )
    return [label for label in labels if low <= label["temperature_k"] <= high]


def _most_direct(found: list[dict[str, Any]], own_sources: Collection[str]) -> list[dict[str, Any]]:
    """Set weaker labels aside: those joined by composition, then all but the user's own."""
    on_crystal = [label for label in found if label["donor"] is not None] or found
    return [label for label in on_crystal if label["source"] in own_sources] or on_crystal


def _reconcile(found: list[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Make one label of several; return it with the materials it was measured on."""
    used = [label for label in found if not label["is_upper_bound"]]
    is_upper_bound = not used
    n_measurements = len(used or found)
    if is_upper_bound:
        used = [min(found, key=lambda label: label["sigma_s_cm"])]
    kinds = {label["kind"] for label in used}
    energies = [e for label in used if (e := label.get("activation_energy_ev")) is not None]
    merged = {
        "sigma_rt_s_cm": _geometric_median([label["sigma_s_cm"] for label in used]),
        "is_upper_bound": is_upper_bound,
        "temperature_k": statistics.median(label["temperature_k"] for label in used),
        "kind": kinds.pop() if len(kinds) == 1 else "mixed",
        "activation_energy_ev": statistics.median(energies) if energies else math.nan,
        "reference": "; ".join(sorted({label["reference"] for label in used})),
        "n_measurements": n_measurements,
        "sigma_spread_decades": math.nan if is_upper_bound else _spread_decades(used),
    }
    return merged, sorted({donor for label in used if (donor := label["donor"]) is not None})


def _spread_decades(used: list[dict[str, Any]]) -> float:
    logarithms = [math.log10(label["sigma_s_cm"]) for label in used]
    return max(logarithms) - min(logarithms)


def _geometric_median(values: list[float]) -> float:
    """Median of the logarithms; a single value comes back to the bit."""
    low, high = statistics.median_low(values), statistics.median_high(values)
    return low if low == high else math.sqrt(low * high)


def _row(material_id: str, merged: dict[str, Any], donors: list[str]) -> dict[str, Any]:
    others = [donor for donor in donors if donor != material_id]
    note = f" (shared with duplicate {', '.join(others)})" if others else ""
    return {"material_id": material_id, **merged, "reference": merged["reference"] + note}
