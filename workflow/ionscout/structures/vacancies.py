"""Variants of a crystal with a lithium vacancy, for lithium to have a place to go.

One lithium ion is taken out of a supercell whose images are about a nanometre
apart, and nothing else is changed: the formal charges of what is left add up to
-1 e. That is the vacancy of a crystal that balances it elsewhere, far away, by
a dopant or an interstitial. A Schottky pair in the same cell would be neutral, but
at that distance its partner binds the vacancy and hides the motion looked for.
A machine-learned potential knows no charge and takes the cell as it is. Plane
waves know: without a charge of -1 e, which a uniform background would balance,
they put a hole into the valence band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from ionscout.dynamics.supercell import supercell_matrix
from ionscout.errors import DynamicsError
from ionscout.structures.curated import CuratedCell, CuratedCrystal, Refused, pack
from ionscout.structures.curation_cache import content_key
from ionscout.structures.curation_crystal import derived_hash, make_cell

IMAGE_DISTANCE_ANG = 10.0
_SYMMETRY_ANG = 0.01


@dataclass(frozen=True)
class VacancyTask:
    """A cell to make variants of.

    Attributes
    ----------
    host : CuratedCell
    n_variants, max_sites : int
        Most variants, and most sites of each.
    """

    host: CuratedCell
    n_variants: int
    max_sites: int

    @property
    def key(self) -> str:
        """The name of all that decides the outcome."""
        content = (self.host.structure, self.host.structure_hash, self.n_variants, self.max_sites)
        return content_key("vacancies", *content)


def make_variants_packed(task: VacancyTask) -> bytes:
    """Make the variants of a cell, or say why there are none.

    Parameters
    ----------
    task : VacancyTask

    Returns
    -------
    bytes
        Of `pack`.
    """
    try:
        return pack(CuratedCrystal(make_variants(task)))
    except DynamicsError:
        reason = (
            f"its cell with a vacancy would have more than structures.max_sites = "
            f"{task.max_sites} atoms; raise it or ask for no vacancies"
        )
    except Exception as error:  # one odd crystal must not stop the others
        reason = f"{type(error).__name__} while making vacancies: {error}; ask for none"
    return pack(Refused(reason))


def make_variants(task: VacancyTask) -> list[CuratedCell]:
    """Make variants of a cell with one lithium vacancy each.

    Parameters
    ----------
    task : VacancyTask

    Returns
    -------
    list of CuratedCell
        One a symmetry-distinct lithium site, those first that lithium leaves
        most easily by electrostatics; at most `n_variants`.

    Raises
    ------
    DynamicsError
        When the supercell would have more than `max_sites` atoms.
    """
    host = Structure.from_dict(task.host.structure)
    matrix = supercell_matrix(host, IMAGE_DISTANCE_ANG, task.max_sites)
    variants = []
    for number, site in enumerate(rank_lithium(host)[: task.n_variants], start=1):
        marked = host.copy(site_properties={"is_vacant": [i == site for i in range(len(host))]})
        cell = marked.make_supercell(matrix)
        cell.remove_sites([cell.site_properties["is_vacant"].index(True)])
        cell.remove_site_property("is_vacant")
        cell.unset_charge()
        variants.append(
            make_cell(
                cell,
                derived_hash(task.host.structure_hash, "vacancy", IMAGE_DISTANCE_ANG, number),
                space_group_number=SpacegroupAnalyzer(cell, _SYMMETRY_ANG).get_space_group_number(),
                stated_formula=cell.composition.element_composition.reduced_formula,
                was_disordered=task.host.was_disordered,
                oxidation_method=task.host.oxidation_method,
                vacancies_per_cell=1,
            )
        )
    return variants


def rank_lithium(structure: Structure) -> list[int]:
    """Find the symmetry-distinct lithium sites.

    Parameters
    ----------
    structure : pymatgen.core.Structure
        Ordered; without oxidation states the order of the sites ranks.

    Returns
    -------
    list of int
        One site each, the least bound by electrostatics first. In supercells of one
        shape this is the order of the Ewald energies with one of them vacant.
    """
    orbits = SpacegroupAnalyzer(structure, _SYMMETRY_ANG).get_symmetrized_structure()
    sites = [
        indices[0]
        for indices in orbits.equivalent_indices
        if structure[indices[0]].specie.symbol == "Li"
    ]
    if not any(getattr(site.specie, "oxi_state", 0) for site in structure):
        return sorted(sites)
    energies_ev = np.round(EwaldSummation(structure).total_energy_matrix.sum(axis=1), 4)
    return sorted(sites, key=lambda i: (-energies_ev[i], i))
