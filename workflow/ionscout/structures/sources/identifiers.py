"""Material ids from what a source calls its materials."""

from __future__ import annotations

import re


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
