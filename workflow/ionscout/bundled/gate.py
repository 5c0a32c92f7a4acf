"""The gate that every row of the bundled data goes through: `make check-data`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
from pymatgen.core import Composition, Structure

from ionscout.bundled.conductivities import load_conductivities
from ionscout.bundled.proofs import PROOFS
from ionscout.bundled.references import CONDUCTIVITY_FACTOR, References
from ionscout.bundled.relaxation import Relaxation, relax_representative
from ionscout.bundled.sources import RESOURCES, UNTRACED
from ionscout.bundled.thermochemistry import check_level, load_levels
from ionscout.errors import BundledDataError, IonscoutError
from ionscout.structures.crystals import Crystal, load_crystals
from ionscout.structures.hashing import structure_hash
from ionscout.structures.oxidation import formal_charges

OUTCOMES = "proofs.csv"
ROOM_TEMPERATURE_K = (288.0, 310.0)
SIGMA_S_CM = (1e-20, 1.0)


@dataclass
class Outcome:
    """What the proofs say of one crystal.

    Attributes
    ----------
    crystal_id : str
    structure_hash : str
        Of the crystal that was proved.
    relaxation : Relaxation or None
        None where it failed or the crystal cannot be built.
    matched : list of str
        Independent data that agree.
    faults : dict of str to str
        What is wrong, by proof.
    exceptions : dict of str to str
        Why a crystal need not pass a proof.
    """

    crystal_id: str
    structure_hash: str = ""
    relaxation: Relaxation | None = None
    matched: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    exceptions: dict[str, str] = field(default_factory=dict)

    def complaints(self, *, compared: bool) -> list[str]:
        """List the faults without a stated reason, and the reasons without a fault."""
        complaints = [
            f"{proof}: {fault}"
            for proof, fault in self.faults.items()
            if proof not in self.exceptions
        ]
        if compared:
            complaints += [
                f"{proof}: stated as an exception, but the crystal passes"
                for proof in self.exceptions
                if proof not in self.faults
            ]
        return [f"{self.crystal_id}: {complaint}" for complaint in complaints]

    def row(self) -> dict[str, object]:
        """Write the outcome up as a row of `proofs.csv`."""
        relaxation = asdict(self.relaxation) if self.relaxation else {}
        return {
            "crystal_id": self.crystal_id,
            "structure_hash": self.structure_hash,
            "n_atoms": relaxation.get("n_atoms"),
            "n_steps": relaxation.get("n_steps"),
            "volume_change_percent": _percent(relaxation.get("volume_change_fraction")),
            "framework_shift_ang": _rounded(relaxation.get("framework_shift_ang")),
            "shifted_element": relaxation.get("shifted_element"),
            "matched": " ".join(self.matched),
            "exceptions": "; ".join(
                f"{proof}: {self.faults.get(proof, '')} ({reason})"
                for proof, reason in self.exceptions.items()
            ),
        }


def prove_crystal(crystal: Crystal, references: References | None = None) -> Outcome:
    """Run all proofs on a crystal.

    Parameters
    ----------
    crystal : Crystal
    references : References, optional
        Third-party data to compare with.

    Returns
    -------
    Outcome
    """
    outcome = Outcome(crystal.id, exceptions=dict(crystal.exceptions))
    try:
        structure = crystal.structure()
    except IonscoutError as error:
        outcome.faults["composition"] = str(error)
        return outcome
    outcome.structure_hash = structure_hash(structure)
    for proof, check in PROOFS.items():
        _note(outcome, proof, check(crystal, structure))
    try:
        outcome.relaxation = relax_representative(structure)
        _note(outcome, "relaxation", outcome.relaxation.fault())
    except IonscoutError as error:
        outcome.faults["relaxation"] = str(error)
    if references is not None:
        _compare(outcome, crystal, structure, references)
    return outcome


def _compare(
    outcome: Outcome, crystal: Crystal, structure: Structure, references: References
) -> None:
    outcome.matched, fault = references.check_structure(crystal, structure)
    _note(outcome, "match", fault)
    _note(outcome, "conductivity", references.check_conductivity(crystal, structure))


def _note(outcome: Outcome, proof: str, fault: str | None) -> None:
    if fault:
        outcome.faults[proof] = fault


def check_conductivities(
    resources: str | Path = RESOURCES, references: References | None = None
) -> Iterator[str]:
    """Check the table of conductivities row by row.

    Parameters
    ----------
    resources : path-like
    references : References, optional
        Third-party data to compare with.

    Yields
    ------
    str
        What is wrong, with the line.
    """
    table = load_conductivities(resources)
    repeated = table.duplicated(["formula", "reference", "sigma_s_cm"])
    for line, row in enumerate(table.itertuples(), start=2):
        where = f"conductivities.csv, line {line} ({row.formula})"
        composition = Composition(row.formula)
        if formal_charges(composition, tolerance=0.02) is None:
            yield f"{where}: no common oxidation states balance"
        if not ROOM_TEMPERATURE_K[0] <= row.temperature_k <= ROOM_TEMPERATURE_K[1]:
            yield f"{where}: {row.temperature_k} K is not room temperature"
        if not SIGMA_S_CM[0] <= row.sigma_s_cm <= SIGMA_S_CM[1]:
            yield f"{where}: {row.sigma_s_cm} S/cm is no conductivity of a solid"
        if repeated.iloc[line - 2]:
            yield f"{where}: the same value of the same paper is there twice"
        if not row.note and references is not None and row.reference != UNTRACED:
            yield from _disagreement(where, row, references)


def _disagreement(where: str, row: tuple, references: References) -> Iterator[str]:
    others_s_cm = references.sigma_of_composition_s_cm(Composition(row.formula))
    ratios = [row.sigma_s_cm / other for other in others_s_cm]
    if ratios and not any(
        1 / CONDUCTIVITY_FACTOR < ratio < CONDUCTIVITY_FACTOR for ratio in ratios
    ):
        measured = ", ".join(f"{sigma:.2g}" for sigma in others_s_cm)
        yield f"{where}: {row.sigma_s_cm:.2g} S/cm against {measured}; say why in the note"


def run_gate(resources: str | Path = RESOURCES, references: References | None = None) -> list[str]:
    """Prove all bundled data; write what the crystals gave to `proofs.csv`.

    Parameters
    ----------
    resources : path-like
    references : References, optional
        Third-party data to compare with.

    Returns
    -------
    list of str
        What is wrong; empty where all is well.
    """
    resources = Path(resources)
    outcomes = [prove_crystal(crystal, references) for crystal in load_crystals(resources)]
    compared = references is not None
    complaints = [text for outcome in outcomes for text in outcome.complaints(compared=compared)]
    table = pd.DataFrame([outcome.row() for outcome in outcomes])
    if not compared:
        table["matched"] = _matched_before(table, resources / OUTCOMES)
    table.to_csv(resources / OUTCOMES, index=False)
    complaints += check_conductivities(resources, references)
    for level in load_levels(resources):
        try:
            complaints += check_level(level, resources)
        except BundledDataError as error:
            complaints.append(str(error))
    return complaints


def _matched_before(table: pd.DataFrame, path: Path) -> pd.Series:
    """Keep what unchanged crystals matched when there was something to compare with."""
    if not path.exists():
        return table["matched"]
    before = pd.read_csv(path, keep_default_na=False).set_index("structure_hash")["matched"]
    return table["structure_hash"].map(before).fillna("")


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 1) + 0.0


def _rounded(shift_ang: float | None) -> float | None:
    return None if shift_ang is None else round(shift_ang, 2)
