"""Descriptors in words, for people who do not know the columns by heart."""

from __future__ import annotations

_SENDEK = {
    "sdlc": "neighbours of Li, deviation",
    "sdli": "ionicity of Li bonds, deviation",
    "lbi": "ionicity of Li bonds",
    "lnc": "neighbours of Li",
    "llb": "Li–Li bonds per Li",
    "sbi": "ionicity of sublattice bonds",
    "snc": "neighbours in the sublattice",
    "afc": "anion–anion coordination",
    "aasd_ang": "anion–anion distance (Å)",
    "lasd_ang": "Li–anion distance (Å)",
    "llsd_ang": "Li–Li distance (Å)",
    "rbi": "ionicity, Li to sublattice",
    "rnc": "neighbours, Li to sublattice",
}
_UNITS = {
    "_ang_minus3": " (Å⁻³)",
    "_ang3": " (Å³)",
    "_ang": " (Å)",
    "_ev": " (eV)",
    "_g_cm3": " (g/cm³)",
    "_u": " (u)",
    "_pauling": "",
}
_CAPITALISED = {"li": "Li", "mendeleev": "Mendeleev"}
_STATISTICS = ("mean", "deviation", "min", "max")
_MAX_LENGTH = 42


def name_descriptor(column: str) -> str:
    """Write a descriptor's column in words, with its unit.

    Parameters
    ----------
    column : str
        As in `lasd_ang` or `elemental.atomic_radius_ang_max`; the set is left out.

    Returns
    -------
    str
        At most 42 characters.
    """
    column = column.rsplit(".", 1)[-1]
    if column in _SENDEK:
        return _SENDEK[column]
    rest, _, statistic = column.rpartition("_")
    if statistic not in _STATISTICS:
        rest, statistic = column, ""
    suffix = next((suffix for suffix in _UNITS if rest.endswith(suffix)), "")
    parts = rest.removesuffix(suffix).split("_")
    words = " ".join(_CAPITALISED.get(part, part) for part in parts)
    words += f", {statistic}" * bool(statistic)
    unit = _UNITS.get(suffix, "")
    room = _MAX_LENGTH - len(unit)
    return (words if len(words) <= room else words[: room - 1].rstrip() + "…") + unit
