"""Material ids from what a source calls its materials."""

from __future__ import annotations

import re

_ICSD_NAMES = (
    re.compile(r"(?:.*_|EntryWith)?CollCode0*(\d+)", re.IGNORECASE),
    re.compile(r"icsd_0*(\d+)", re.IGNORECASE),
    re.compile(r"0*(\d+)-ICSD", re.IGNORECASE),
)


def icsd_id(name: str) -> str | None:
    """Find the ICSD's collection code in a name that an export of it gives.

    Parameters
    ----------
    name : str
        Of a file, without its suffix, or of a data block: `EntryWithCollCode12345`,
        `MyName_CollCode12345`, `icsd_012345` or `12345-ICSD`.

    Returns
    -------
    str or None
        `icsd-12345`; None for any other name.
    """
    for pattern in _ICSD_NAMES:
        if match := pattern.fullmatch(name):
            return f"icsd-{match[1]}"
    return None


class Identifiers:
    """Hands out ids of one source: its name, a hyphen and the material's own id.

    Characters outside `A-Za-z0-9_.-` become hyphens; an id already given gets
    a number.

    Parameters
    ----------
    source : str
        Name of the source.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._given: set[str] = set()

    def new(self, own_id: str) -> str:
        """Give an id that this source has not given yet.

        Parameters
        ----------
        own_id : str
            What the source calls the material.

        Returns
        -------
        str
        """
        own = re.sub(r"[^A-Za-z0-9_.-]+", "-", own_id).strip("-") or "unnamed"
        wanted = f"{self._source}-{own}"
        material_id, number = wanted, 1
        while material_id in self._given:
            number += 1
            material_id = f"{wanted}-{number}"
        self._given.add(material_id)
        return material_id
