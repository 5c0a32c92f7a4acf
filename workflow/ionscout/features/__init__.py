"""Descriptor sets: each turns a crystal into a row of numbers.

Every module of this package without a leading underscore is a set and has its name.
It holds a subclass of :class:`ionscout.features._base.DescriptorSet` under the name
``DESCRIPTORS``, which is made without arguments or, where
:class:`ionscout.config.FeatureSettings` has a section of the set's name, with that
section. So a new set is one file here, and its name in the campaign's ``features.sets``.
"""

from __future__ import annotations

from importlib import import_module

from ionscout.config import DESCRIPTOR_SETS, FeatureSettings
from ionscout.errors import ConfigError
from ionscout.features._base import Description, DescriptorSet
from ionscout.features._table import (
    describe_shard,
    list_failures,
    open_store,
    read_tables,
    write_tables,
)

__all__ = [
    "Description",
    "DescriptorSet",
    "describe_shard",
    "get_set",
    "list_failures",
    "open_store",
    "read_tables",
    "write_tables",
]


def get_set(name: str, settings: FeatureSettings | None = None) -> DescriptorSet:
    """Make a descriptor set by name.

    Parameters
    ----------
    name : str
        One of ``DESCRIPTOR_SETS``.
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
    if name not in DESCRIPTOR_SETS:
        raise ConfigError(f"features.sets: no set {name!r}; there are {', '.join(DESCRIPTOR_SETS)}")
    descriptors = import_module(f"ionscout.features.{name}").DESCRIPTORS
    section = getattr(settings or FeatureSettings(), name, None)
    return descriptors() if section is None else descriptors(section)
