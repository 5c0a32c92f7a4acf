"""Materials that are the same crystal, found inside buckets of one composition."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from ionscout.structures.curation_cache import CurationCache, Pairs
from ionscout.structures.curation_pool import work_through

logger = logging.getLogger("ionscout")


@dataclass(frozen=True)
class StatedCrystal:
    """A crystal as its source has it.

    Attributes
    ----------
    material_id : str
    key : str
        Changes with the structure.
    bucket : str
        The same for all crystals that may be the same.
    structure : dict
        Of pymatgen, without oxidation states.
    """

    material_id: str
    key: str
    bucket: str
    structure: dict[str, Any]


def find_duplicates(
    crystals: Sequence[StatedCrystal], cache: CurationCache, *, n_workers: int = 1
) -> dict[str, str]:
    """Find crystals that are the same as an earlier one.

    Same is what pymatgen's `StructureMatcher` finds the same (primitive cells,
    volumes scaled to be equal). A crystal is compared with the originals of its
    bucket alone, and only where it has their number of sites after the matcher's
    own reduction, as any match has. The space group decides nothing: numerical
    noise would part duplicates.

    Parameters
    ----------
    crystals : sequence of StatedCrystal
        The originals of duplicates first.
    cache : CurationCache
        Knows the pairs compared before and learns the new ones.
    n_workers : int

    Returns
    -------
    dict of str to str
        The id of the first such crystal by the id of each duplicate.
    """
    buckets: dict[str, list[StatedCrystal]] = defaultdict(list)
    for crystal in crystals:
        buckets[crystal.bucket].append(crystal)
    shared = [bucket for bucket in buckets.values() if len(bucket) > 1]
    known = cache.read_pairs({crystal.key for bucket in shared for crystal in bucket})
    duplicates: dict[str, str] = {}
    open_: list[tuple[list[StatedCrystal], Pairs]] = []
    for bucket in shared:
        try:
            duplicates |= _match(bucket, lambda one, other: known[one.key, other.key])
        except KeyError:
            firsts = {crystal.key for crystal in bucket}
            open_.append(
                (bucket, {pair: same for pair, same in known.items() if pair[0] in firsts})
            )
    for found, pairs in work_through(_match_bucket, open_, n_workers):
        duplicates |= found
        cache.write_pairs(pairs)
    return duplicates


def _match(
    bucket: Sequence[StatedCrystal], is_same: Callable[[StatedCrystal, StatedCrystal], bool]
) -> dict[str, str]:
    """Give each crystal to the first original that it is the same as, or make it one."""
    originals: list[StatedCrystal] = []
    duplicates = {}
    for crystal in bucket:
        for original in originals:
            if original.key == crystal.key or is_same(original, crystal):
                duplicates[crystal.material_id] = original.material_id
                break
        else:
            originals.append(crystal)
    return duplicates


def _match_bucket(task: tuple[list[StatedCrystal], Pairs]) -> tuple[dict[str, str], Pairs]:
    """Match a bucket and return the new comparisons along."""
    bucket, known = task
    matcher = StructureMatcher()
    reduced: dict[str, Structure] = {}
    new: Pairs = {}

    def reduce(crystal: StatedCrystal) -> Structure:
        if crystal.key not in reduced:
            cell = Structure.from_dict(crystal.structure)
            cell = cell.get_reduced_structure(reduction_algo="niggli")
            reduced[crystal.key] = cell.get_primitive_structure()
        return reduced[crystal.key]

    def is_same(original: StatedCrystal, crystal: StatedCrystal) -> bool:
        pair = (original.key, crystal.key)
        if pair not in known:
            try:
                one, other = reduce(original), reduce(crystal)
                same = len(one) == len(other) and bool(
                    matcher.fit(one, other, skip_structure_reduction=True)
                )
            except Exception as error:  # one odd crystal must not stop the others
                names = original.material_id, crystal.material_id
                logger.warning(
                    "%s and %s cannot be compared (%s): taken as different", *names, error
                )
                same = False
            new[pair] = known[pair] = same
        return known[pair]

    return _match(bucket, is_same), new
