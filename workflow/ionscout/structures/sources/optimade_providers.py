"""Where OPTIMADE databases are, and what they call the properties that are used here."""

from __future__ import annotations

import difflib
import json
import logging
import math
from collections.abc import Callable, Collection
from importlib import resources
from typing import Any

from optimade.utils import PROVIDER_LIST_URLS

from ionscout.errors import SourceError

logger = logging.getLogger("ionscout")

FetchJson = Callable[[str], dict[str, Any]]

# Used when the providers' own lists cannot be read, or hold several databases of a name.
WELL_KNOWN = {
    "alexandria": "https://alexandria.icams.rub.de/pbe",
    "alexandria.pbe": "https://alexandria.icams.rub.de/pbe",
    "alexandria.pbesol": "https://alexandria.icams.rub.de/pbesol",
    "cod": "https://www.crystallography.net/cod/optimade",
    "jarvis": "https://jarvis.nist.gov/optimade/jarvisdft",
    "mcloud.mc2d": "https://optimade.materialscloud.org/main/mc2d",
    "mcloud.mc3d": "https://optimade.materialscloud.org/main/mc3d-pbesol-v2",
    "mp": "https://optimade.materialsproject.org",
    "nmd": "https://nomad-lab.eu/prod/v1/optimade",
    "odbx": "https://optimade.odbx.science",
    "odbx.gnome": "https://optimade-gnome.odbx.science",
    "oqmd": "https://oqmd.org/optimade",
    "tcod": "https://www.crystallography.net/tcod/optimade",
}

# Dots lead into nested properties; of several, the first that has a value counts. All are
# in eV, per atom where the key says so. OQMD's distance is negative below the hull.
PROPERTIES = {
    "alexandria": {
        "formation_energy_ev_atom": ("_alexandria_formation_energy_per_atom",),
        "energy_above_hull_ev_atom": ("_alexandria_hull_distance",),
        "band_gap_ev": ("_alexandria_band_gap",),
    },
    "gnome": {
        "energy_above_hull_ev_atom": ("_gnome_hull_distance",),
        "band_gap_ev": ("_gnome_band_gap",),
    },
    "jarvis": {
        "formation_energy_ev_atom": ("_jarvis_formation_energy_peratom",),
        "energy_above_hull_ev_atom": ("_jarvis_ehull",),
        "band_gap_ev": ("_jarvis_optb88vdw_bandgap",),
    },
    "mp": {
        "formation_energy_ev_atom": (
            "_mp_stability.gga_gga+u_r2scan.formation_energy_per_atom",
            "_mp_stability.gga_gga+u.formation_energy_per_atom",
            "_mp_formation_energy_per_atom",
        ),
        "energy_above_hull_ev_atom": (
            "_mp_stability.gga_gga+u_r2scan.energy_above_hull",
            "_mp_stability.gga_gga+u.energy_above_hull",
            "_mp_energy_above_hull",
        ),
        "band_gap_ev": ("_mp_band_gap",),
    },
    "odbx": {
        "formation_energy_ev_atom": ("_odbx_thermodynamics.formation_energy",),
        "energy_above_hull_ev_atom": ("_odbx_thermodynamics.hull_distance",),
    },
    "oqmd": {
        "formation_energy_ev_atom": ("_oqmd_delta_e",),
        "energy_above_hull_ev_atom": ("_oqmd_stability",),
        "band_gap_ev": ("_oqmd_band_gap",),
    },
}

_KEYS = ("band_gap_ev", "energy_above_hull_ev_atom", "formation_energy_ev_atom")
# JARVIS writes -99999 where it has no value.
_NO_VALUE_BEYOND_EV = 9999.0


def property_fields(listed: Collection[str]) -> list[str]:
    """Choose the fields to ask for that hold our properties.

    Parameters
    ----------
    listed : collection of str
        What the database says that its structures have.

    Returns
    -------
    list of str
        Sorted.
    """
    used = {
        path.split(".")[0]
        for properties in PROPERTIES.values()
        for paths in properties.values()
        for path in paths
    }
    return sorted(used.intersection(listed))


def properties_of(attributes: dict[str, Any]) -> dict[str, float | None]:
    """Find our properties under their providers' names.

    Parameters
    ----------
    attributes : dict
        Of one OPTIMADE structure.

    Returns
    -------
    dict of str to float or None
        In eV, or eV per atom, as the keys say. A distance below the hull is 0:
        the hull with the material itself.
    """
    found: dict[str, float | None] = dict.fromkeys(_KEYS)
    for properties in PROPERTIES.values():
        for key, paths in properties.items():
            for path in paths:
                if found[key] is None:
                    found[key] = _number(attributes, path)
    if found["energy_above_hull_ev_atom"] is not None:
        found["energy_above_hull_ev_atom"] = max(0.0, found["energy_above_hull_ev_atom"])
    return found


def resolve(provider: str, fetch: FetchJson) -> str:
    """Find the address of a provider.

    Parameters
    ----------
    provider : str
        An address, or a name in the list of providers, with a dot and the name
        of one of its databases where it has several.
    fetch : callable
        Gets an address' JSON. Raises SourceError.

    Returns
    -------
    str
        Without a version.

    Raises
    ------
    SourceError
        Giving the nearest names to one that is not known.
    """
    if provider.startswith(("http://", "https://")):
        return provider.rstrip("/")
    indices = _indices(fetch)
    prefix, _, wanted = provider.partition(".")
    children = _children(indices.get(prefix), fetch)
    matches = _matches(prefix, wanted, children)
    if len(matches) == 1:
        return children[matches[0]].rstrip("/")
    if provider in WELL_KNOWN:
        return WELL_KNOWN[provider]
    if children:
        names = ", ".join(f"{prefix}.{child}" for child in sorted(children))
        raise SourceError(f"provider {provider} is not one database; choose of {names}")
    if prefix in indices:
        raise SourceError(f"the address of provider {provider} cannot be found; give an address")
    known = sorted({*indices, *WELL_KNOWN})
    near = difflib.get_close_matches(provider, known, n=3) or sorted(WELL_KNOWN)
    raise SourceError(f"no provider is called {provider}; did you mean {' or '.join(near)}?")


def _indices(fetch: FetchJson) -> dict[str, str | None]:
    for address in PROVIDER_LIST_URLS:
        try:
            return _links(fetch(address))
        except SourceError:
            continue
    logger.warning("the list of OPTIMADE providers cannot be reached; the packaged one is used")
    packaged = resources.files("optimade") / "server" / "data" / "providers.json"
    return _links(json.loads(packaged.read_text(encoding="utf-8")))


def _children(index: str | None, fetch: FetchJson) -> dict[str, str]:
    if index is None:
        return {}
    try:
        answer = fetch(f"{index.rstrip('/')}/v1/links")
        return {child: address for child, address in _links(answer, "child").items() if address}
    except SourceError:
        return {}


def _matches(prefix: str, wanted: str, children: dict[str, str]) -> list[str]:
    if not wanted:
        return list(children)
    exact = [child for child in children if child in (wanted, f"{prefix}-{wanted}")]
    return exact or [child for child in children if child.startswith(f"{wanted}-")]


def _links(answer: dict[str, Any], link_type: str | None = None) -> dict[str, str | None]:
    try:
        entries = [(entry["id"], entry["attributes"]) for entry in answer["data"]]
        return {
            name: _address(attributes["base_url"])
            for name, attributes in entries
            if link_type is None or attributes["link_type"] == link_type
        }
    except (KeyError, TypeError):
        raise SourceError("a list of providers has another schema") from None


def _address(link: str | dict[str, Any] | None) -> str | None:
    return link["href"] if isinstance(link, dict) else link


def _number(attributes: dict[str, Any], path: str) -> float | None:
    value: Any = attributes
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) < _NO_VALUE_BEYOND_EV else None
