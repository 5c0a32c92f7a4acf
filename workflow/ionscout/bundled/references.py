"""Comparison of the bundled data with independent third-party data, where they are at hand."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.analysis.structure_matcher import FrameworkComparator, StructureMatcher
from pymatgen.core import Composition, Lattice, Structure

from ionscout.structures.crystals import Crystal

LATTICE_TOLERANCE = 0.03
CONDUCTIVITY_FACTOR = 10

_SAME_COMPOSITION = 0.01
_SAME_SAMPLE = 0.002
_REDUCED_CELL_TOLERANCE = 0.06
_ANGLE_TOLERANCE_DEG = 2.0
_MOBILE = "Li"


@dataclass(frozen=True)
class Reference:
    """A crystal of the third-party data: its name, composition and how to read it."""

    name: str
    composition: Composition
    read: Callable[[], Structure]


class References:
    """Third-party crystals and conductivities to compare with.

    Parameters
    ----------
    folder : Path
        Holds `benchmark_structures`, `sendek40`, `mp2018_li` and `obelix_train`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _crystals(self) -> list[Reference]:
        files = [
            path
            for name in ("benchmark_structures", "sendek40")
            for path in sorted((self._folder / name).glob("*.cif"))
        ]
        crystals = [_from_cif_file(path) for path in files]
        with gzip.open(self._folder / "mp2018_li" / "structures.jsonl.gz", "rt") as lines:
            crystals += [_from_entry(json.loads(line)) for line in lines]
        return crystals

    @cached_property
    def _samples(self) -> pd.DataFrame:
        """Measured samples: composition, space group, lattice and conductivity in S/cm."""
        table = pd.read_csv(self._folder / "obelix_train" / "train.csv")
        table["sigma_s_cm"] = pd.to_numeric(table["Ionic conductivity (S cm-1)"], errors="coerce")
        table["composition"] = [
            Composition(text.replace(" ", "")).fractional_composition
            for text in table["Reduced Composition"]
        ]
        return table

    def check_structure(self, crystal: Crystal, structure: Structure) -> tuple[list[str], str]:
        """Compare a crystal with all others of the same phase.

        Ordered crystals have to match one of the same formula and space group;
        disordered ones the framework of one of the same composition and reduced
        cell, and the lattice of a sample of the same composition and space group.

        Parameters
        ----------
        crystal : Crystal
        structure : Structure
            Its conventional cell.

        Returns
        -------
        matched : list of str
            Names of those that agree; empty where there is none to compare with.
        fault : str
            What disagrees; empty where nothing does.
        """
        if structure.is_ordered:
            fits = StructureMatcher().fit
            candidates = [
                (name, other)
                for name, other in self._same_composition(structure.composition)
                if other.is_ordered and _space_group(other) == crystal.space_group_number
            ]
        else:
            fits = _frameworks_fit
            candidates = [
                (name, other)
                for name, other in self._same_composition(structure.composition)
                if _reduced_cells_agree(structure, other)
            ]
        matched = [name for name, other in candidates if fits(structure, other)]
        missed = [name for name, _ in candidates if name not in matched]
        fault = f"does not match {', '.join(missed)}" if missed and not matched else ""
        if not structure.is_ordered:
            samples = self._same_phase(crystal, structure)
            same = [_lattices_agree(structure.lattice, row) for _, row in samples.iterrows()]
            matched += [
                f"lattice {id_}" for id_, fit in zip(samples["ID"], same, strict=True) if fit
            ]
            if same and not any(same):
                fault = f"lattice differs from {', '.join(samples['ID'])}"
        return matched, fault

    def check_conductivity(self, crystal: Crystal, structure: Structure) -> str | None:
        """Compare measured values with the geometric mean of the samples of the same phase.

        Parameters
        ----------
        crystal : Crystal
        structure : Structure
            Its conventional cell.

        Returns
        -------
        str or None
            What differs by more than a factor of 10; empty where nothing does, None
            where there is no sample to compare with.
        """
        samples = self._same_phase(crystal, structure, tolerance=_SAME_SAMPLE)
        sigma_s_cm = samples["sigma_s_cm"].dropna()
        if sigma_s_cm.empty or not crystal.conductivities:
            return None
        mean_s_cm = float(np.exp(np.log(sigma_s_cm).mean()))
        for measured in crystal.conductivities:
            ratio = measured.sigma_s_cm / mean_s_cm
            if not 1 / CONDUCTIVITY_FACTOR < ratio < CONDUCTIVITY_FACTOR:
                return f"{measured.sigma_s_cm:.2g} S/cm against {mean_s_cm:.2g} measured elsewhere"
        return ""

    def sigma_of_composition_s_cm(self, composition: Composition) -> list[float]:
        """List the conductivities of all samples of a composition, in S/cm."""
        same = [
            _is_same(composition, other, _SAME_SAMPLE) for other in self._samples["composition"]
        ]
        return self._samples.loc[same, "sigma_s_cm"].dropna().tolist()

    def _same_composition(self, composition: Composition) -> Iterable[tuple[str, Structure]]:
        for reference in self._crystals:
            if _is_same(composition, reference.composition):
                yield reference.name, reference.read()

    def _same_phase(
        self, crystal: Crystal, structure: Structure, tolerance: float = _SAME_COMPOSITION
    ) -> pd.DataFrame:
        group = self._samples["Space group #"] == crystal.space_group_number
        samples = self._samples[group]
        same = [
            _is_same(structure.composition, other, tolerance) for other in samples["composition"]
        ]
        return samples[np.array(same, dtype=bool)]


def _from_cif_file(path: Path) -> Reference:
    structure = _read_cif(path.read_text())
    return Reference(path.stem, structure.composition, lambda: structure)


def _from_entry(entry: dict) -> Reference:
    return Reference(
        entry["task_id"],
        Composition(entry["pretty_formula"]),
        lambda: _read_cif(entry["cif"]),
    )


def _read_cif(text: str) -> Structure:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Structure.from_str(text, fmt="cif").remove_oxidation_states()


def _is_same(one: Composition, other: Composition, tolerance: float = _SAME_COMPOSITION) -> bool:
    """Whether two compositions agree in every element's share of the atoms."""
    one, other = one.fractional_composition, other.fractional_composition
    return set(one) == set(other) and all(abs(one[el] - other[el]) <= tolerance for el in one)


def _space_group(structure: Structure) -> int:
    return structure.get_space_group_info()[1]


def _reduced_cells_agree(one: Structure, other: Structure) -> bool:
    mobile = _mobile_elements(one)
    cells = [_framework(s, mobile).get_primitive_structure().lattice for s in (one, other)]
    edges = [cell.get_niggli_reduced_lattice().abc for cell in cells]
    return bool(np.allclose(*map(np.sort, edges), rtol=_REDUCED_CELL_TOLERANCE))


def _frameworks_fit(one: Structure, other: Structure) -> bool:
    mobile = _mobile_elements(one)
    return StructureMatcher(comparator=FrameworkComparator()).fit(
        _framework(one, mobile), _framework(other, mobile)
    )


def _mobile_elements(structure: Structure) -> set[str]:
    """Name lithium and what shares a site with it."""
    sites = [{element.symbol for element in site.species} for site in structure]
    return set().union({_MOBILE}, *(elements for elements in sites if _MOBILE in elements))


def _framework(structure: Structure, mobile: set[str]) -> Structure:
    """Leave out the mobile elements; give each mixed site its main element."""
    sites = [
        (max(site.species.items(), key=lambda item: item[1])[0].symbol, site.frac_coords)
        for site in structure
    ]
    kept = [(symbol, xyz) for symbol, xyz in sites if symbol not in mobile]
    return Structure(structure.lattice, *zip(*kept, strict=True))


def _lattices_agree(lattice: Lattice, sample: pd.Series) -> bool:
    edges = np.sort(sample[["a", "b", "c"]].to_numpy(dtype=float))
    angles = np.sort(sample[["alpha", "beta", "gamma"]].to_numpy(dtype=float))
    return bool(
        np.allclose(np.sort(lattice.abc), edges, rtol=LATTICE_TOLERANCE)
        and np.allclose(np.sort(lattice.angles), angles, atol=_ANGLE_TOLERANCE_DEG)
    )
