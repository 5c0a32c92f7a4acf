"""Hypothetical crystals: ions of known ones replaced by likely others."""

from __future__ import annotations

import itertools
import math
import warnings
from collections import defaultdict
from dataclasses import dataclass

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.analysis.structure_prediction.substitution_probability import (
    SubstitutionProbability,
)
from pymatgen.analysis.structure_prediction.volume_predictor import RLSVolumePredictor
from pymatgen.core import Element, Species, Structure

from ionscout.config import SubstitutionSource
from ionscout.structures.oxidation import UNASSIGNED, assign_oxidation_states
from ionscout.structures.records import Record
from ionscout.structures.sources.context import PullContext
from ionscout.structures.sources.identifiers import Identifiers

_STAY = ("Li", "H")


@dataclass(frozen=True)
class Substitution:
    """Ions of a parent replaced by others of the same charge.

    Attributes
    ----------
    parent : dict
        The parent's record.
    structure : pymatgen.core.Structure
        The parent, with oxidation states.
    replaced : dict of Species to Species
    probability : float
        Of the whole substitution, ions that stay included.
    """

    parent: Record
    structure: Structure
    replaced: dict[Species, Species]
    probability: float

    @property
    def own_id(self) -> str:
        """The parent's own id and what was replaced, such as `li3ps4-S-to-Se`."""
        parent = self.parent["material_id"].removeprefix(f"{self.parent['source']}-")
        steps = [f"{old.symbol}-to-{new.symbol}" for old, new in self.replaced.items()]
        return "-".join([parent, *steps])


def pull(name: str, settings: SubstitutionSource, context: PullContext) -> list[Record]:
    """Make hypothetical crystals from the ordered ones of another source.

    Lithium stays, and hydrogen, which belongs to molecular ions; every other
    ion may be replaced by an element of the same charge that the crystal does
    not hold yet, radioactive elements and noble gases excepted. The most probable substitutions
    (Hautier 2011, 10.1021/ic102031h, as in pymatgen) come first. What the
    parent source already has is left out: by structure, or by formula where
    the known crystal is disordered.

    Parameters
    ----------
    name : str
    settings : SubstitutionSource
    context : PullContext

    Returns
    -------
    list of dict
        At most `max_candidates` records, without properties and labels.
    """
    parents = [record for record in context.parents if "structure" in record]
    known = _Known(parents)
    identifiers = Identifiers(name)
    records: list[Record] = []
    for substitution in _likely_substitutions(parents, settings.probability_threshold):
        if len(records) == settings.max_candidates:
            break
        structure = substitute(substitution.structure, substitution.replaced)
        if known.add(structure):
            records.append(
                _record(identifiers.new(substitution.own_id), name, substitution, structure)
            )
    return records


def substitute(parent: Structure, replaced: dict[Species, Species]) -> Structure:
    """Replace ions and scale the volume to the new ionic radii.

    The volume follows the sums of ionic radii, weighted by the cube roots of
    their amounts (reference lattice scaling, Chu 2018,
    10.1016/j.commatsci.2018.01.040); atomic radii stand in for unknown ionic ones.

    Parameters
    ----------
    parent : pymatgen.core.Structure
        Ordered, with oxidation states.
    replaced : dict of Species to Species

    Returns
    -------
    pymatgen.core.Structure
    """
    structure = parent.copy()
    structure.replace_species(replaced)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume_ang3 = RLSVolumePredictor(check_isostructural=False).predict(structure, parent)
    structure.scale_lattice(volume_ang3)
    return structure


class _Known:
    """The crystals that are there already, by reduced formula."""

    def __init__(self, records: list[Record]) -> None:
        self._structures: dict[str, list[Structure]] = defaultdict(list)
        self._matcher = StructureMatcher()
        for record in records:
            structure = Structure.from_dict(record["structure"]).remove_oxidation_states()
            self._structures[structure.composition.reduced_formula].append(structure)

    def add(self, structure: Structure) -> bool:
        """Add a crystal; False where it is known."""
        bare = structure.copy().remove_oxidation_states()
        known = self._structures[bare.composition.reduced_formula]
        if any(not one.is_ordered or self._matcher.fit(one, bare) for one in known):
            return False
        known.append(bare)
        return True


def _likely_substitutions(parents: list[Record], threshold: float) -> list[Substitution]:
    """Find the substitutions above the threshold, the most probable first."""
    table = SubstitutionProbability()
    found = []
    for parent in parents:
        structure = Structure.from_dict(parent["structure"])
        if not structure.is_ordered:
            continue
        structure, method = assign_oxidation_states(structure)
        if method != UNASSIGNED:
            found += [
                Substitution(parent, structure, replaced, probability)
                for replaced, probability in _choices(structure, table, threshold)
            ]
    return sorted(found, key=lambda one: (-one.probability, one.own_id))


def _choices(
    structure: Structure, table: SubstitutionProbability, threshold: float
) -> list[tuple[dict[Species, Species], float]]:
    """List what may replace the ions of a crystal, with probabilities."""
    species = sorted(structure.composition, key=str)
    if not table.species.issuperset(species):
        return []
    options = [_replacements(old, species, table, threshold) for old in species]
    choices = []
    for combination in itertools.product(*options):
        probability = math.prod(p for _, p in combination)
        new = [ion for ion, _ in combination]
        replaced = {old: ion for old, ion in zip(species, new, strict=True) if old != ion}
        is_distinct = len({ion.symbol for ion in replaced.values()}) == len(replaced)
        if replaced and is_distinct and probability >= threshold:
            choices.append((replaced, probability))
    return choices


def _replacements(
    old: Species, present: list[Species], table: SubstitutionProbability, threshold: float
) -> list[tuple[Species, float]]:
    """List the ions that may stand in an ion's place, itself included."""
    stays = (old, table.cond_prob(old, old))
    if old.symbol in _STAY:
        return [stays]
    taken = {species.symbol for species in present}
    likely = [
        (new, table.cond_prob(new, old))
        for new in sorted(table.species, key=str)
        if new.oxi_state == old.oxi_state and new.symbol not in taken and _is_sensible(new)
    ]
    return [stays] + [(new, p) for new, p in likely if p >= threshold]


def _is_sensible(species: Species) -> bool:
    """Refuse radioactive elements and noble gases."""
    element = Element(species.symbol)
    return not (element.is_radioactive or element.is_noble_gas)


def _record(
    material_id: str, source: str, substitution: Substitution, structure: Structure
) -> Record:
    parent_id = substitution.parent["material_id"]
    steps = ", ".join(f"{old} by {new}" for old, new in substitution.replaced.items())
    return {
        "material_id": material_id,
        "source": source,
        "structure": structure.as_dict(),
        "properties": {"band_gap_ev": None, "energy_above_hull_ev_atom": None},
        "labels": [],
        "provenance": f"{parent_id} with {steps}; probability {substitution.probability:.2g}",
        "parent_id": parent_id,
    }
