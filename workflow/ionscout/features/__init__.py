"""Descriptor sets: each turns a crystal into a row of numbers.

A new set is a module with a class that fulfils
:class:`ionscout.features.base.DescriptorSet`, and its line in ``SETS``. The class
is made without arguments or, where :class:`ionscout.config.FeatureSettings` has a
section of the set's name, with that section.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ionscout.config import FeatureSettings
from ionscout.errors import ConfigError, FeatureError
from ionscout.features.base import Description, DescriptorSet
from ionscout.features.composition import CompositionSet
from ionscout.features.mxrd import MxrdSet
from ionscout.features.sendek import SendekSet

if TYPE_CHECKING:
    from pymatgen.core import Structure

SETS = {
    "sendek": SendekSet,
    "mxrd": MxrdSet,
    "composition": CompositionSet,
}

_log = logging.getLogger(__name__)


def get_set(name: str, settings: FeatureSettings | None = None) -> DescriptorSet:
    """Make a descriptor set by name.

    Parameters
    ----------
    name : str
        One of ``SETS``.
    settings : FeatureSettings, optional
        The campaign's settings; the defaults where left out.

    Returns
    -------
    DescriptorSet

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    if name not in SETS:
        raise ConfigError(f"features.sets: no set {name!r}; there are {', '.join(SETS)}")
    section = getattr(settings or FeatureSettings(), name, None)
    return SETS[name]() if section is None else SETS[name](section)


def describe_materials(
    name: str,
    materials: Iterable[tuple[str, Structure]],
    settings: FeatureSettings | None = None,
) -> pd.DataFrame:
    """Describe many crystals; the failure of one does not touch the others.

    Parameters
    ----------
    name : str
        The descriptor set, one of ``SETS``.
    materials : iterable of (str, pymatgen.core.Structure)
        Material ids and crystals, taken one at a time.
    settings : FeatureSettings, optional
        The campaign's settings; the defaults where left out.

    Returns
    -------
    pandas.DataFrame
        Index ``material_id``, one row a material in the order given; the set's
        columns (float, NaN when missing) and ``reason`` (empty when all is there).

    Raises
    ------
    ConfigError
        If there is no such set.
    """
    descriptors = get_set(name, settings)
    ids, rows, reasons = [], [], []
    for material_id, structure in materials:
        description = _describe_safely(descriptors, material_id, structure)
        ids.append(material_id)
        rows.append([description[column] for column in descriptors.columns])
        reasons.append(description.reason)
    values = np.array(rows, dtype=float).reshape(len(rows), len(descriptors.columns))
    index = pd.Index(ids, name="material_id", dtype=object)
    table = pd.DataFrame(values, index=index, columns=list(descriptors.columns))
    table["reason"] = np.array(reasons, dtype=object)
    return table


def _describe_safely(
    descriptors: DescriptorSet, material_id: str, structure: Structure
) -> Description:
    """Describe one crystal; whatever goes wrong becomes a row of NaN with its reason."""
    try:
        return descriptors.describe(structure)
    except FeatureError as error:
        reason = str(error)
    except Exception as error:
        _log.exception("%s: %s failed unexpectedly", material_id, descriptors.name)
        reason = f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return Description(dict.fromkeys(descriptors.columns, np.nan), reason)
