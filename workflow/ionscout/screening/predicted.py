"""Energies of formation by CHGNet, for candidates that the level has no energy for.

CHGNet (Deng 2023, 10.1038/s42256-023-00716-3) gives total energies on the corrected
scale of its training data. One reference energy an element, fitted to the bundled
crystals whose energy of formation is known, brings them onto the bundled level of the
Materials Project: E_f = E - sum_i x_i mu_i, per atom, with atomic fractions x_i. The fit
also takes up what differs between the corrections of the years, for those are linear in
the composition but for a few classes of compounds (peroxides, sulfates).

CHGNet's energies of what lies far above the hull are too low (the softening of Deng 2025,
10.1038/s41524-024-01500-6): predicted hull distances err towards stable.

`python -m ionscout.screening.predicted` makes the table of references again.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Structure

from ionscout.bundled.chgnet_references import (
    FILE,
    MIN_COMPOUNDS,
    REFERENCE_COLUMNS,
    load_chgnet_references,
)
from ionscout.bundled.sources import RESOURCES
from ionscout.config import DisorderSettings, DynamicsSettings, GateSettings
from ionscout.dynamics.engines import CHGNET, make_calculator, reporting_faults, to_atoms
from ionscout.dynamics.relax import relax
from ionscout.dynamics.supercell import find_primitive
from ionscout.errors import IonscoutError, ScreeningError
from ionscout.screening.gates import gate_names, turns_away
from ionscout.screening.levels import Level, bundled_level
from ionscout.screening.promising import most_promising
from ionscout.stages import STAGE_VERSIONS
from ionscout.store import OutcomeStore, content_key
from ionscout.structures.crystals import load_crystals
from ionscout.structures.disorder import order

PREDICTED_LEVEL = "materials_project_2018"
STABILITY_GATES = frozenset({"hull", "window", "lithium", "cathodes", "moisture"})
PREDICTION_COLUMNS = [
    "material_id",
    "formation_energy_ev_atom",
    "error_ev_atom",
    "converged",
    "n_steps",
    "reason",
]
_SEED = 0
_DETERMINED = 1 - 1e-6


def choose_to_predict(
    manifest: pd.DataFrame,
    answers: pd.DataFrame,
    gates: GateSettings,
    level: Level,
    *,
    max_predicted: int,
) -> list[str]:
    """Choose the candidates whose energy is worth predicting, the most probable first.

    Those are: no energy on the level, nor a hull distance stated by its own source;
    passed by the gates that need no stability; elements that the level covers and that
    have a reference. One of each set of duplicates.

    Parameters
    ----------
    manifest : DataFrame
        The curated materials: `material_id`, `formula`, `candidate`, `duplicate_of`,
        `parent_id`, `vacancies_per_cell` and `energy_above_hull_ev_atom`.
    answers : DataFrame
        `material_id`, `mean_probability` and one column of answers a gate; those of
        stability may be missing.
    gates : GateSettings
    level : Level
        Predictions are on `materials_project_2018` only: no other level gets any.
    max_predicted : int

    Returns
    -------
    list of str
        Material ids.
    """
    if level.name != PREDICTED_LEVEL:
        return []
    known = set(load_chgnet_references().index)

    def lacks_energy(material_id: str, formula: str, is_hypothetical: bool) -> bool:
        composition = Composition(formula)
        elements = {element.symbol for element in composition}
        entry = level.entry_of(
            material_id, composition.reduced_formula, is_hypothetical=is_hypothetical
        )
        return entry is None and elements <= known and level.uncovered(elements) is None

    table = answers.set_index("material_id").loc[manifest["material_id"]].reset_index()
    kept = pd.Series(
        [
            lacks_energy(row.material_id, row.formula, pd.notna(row.parent_id))
            for row in manifest.itertuples()
        ],
        index=table.index,
        dtype=bool,
    )
    kept &= manifest["energy_above_hull_ev_atom"].isna().to_numpy()
    for name in gate_names():
        if name not in STABILITY_GATES:
            kept &= ~turns_away(table[name], getattr(gates, name))
    chosen_from = table[["material_id", "mean_probability"]].assign(kept=kept)
    return most_promising(manifest, chosen_from, [], size=max_predicted)


def predict_formation_energies(
    structures: Mapping[str, Structure],
    dynamics: DynamicsSettings | None = None,
    store: OutcomeStore | None = None,
) -> pd.DataFrame:
    """Relax crystals by CHGNet and refer their energies to the elements.

    Parameters
    ----------
    structures : mapping of str to Structure
        By material id; of a disordered one its ordered representative is taken.
    dynamics : DynamicsSettings, optional
        Tolerances and most steps of the relaxation of cell and sites, and CPU threads.
    store : OutcomeStore, optional
        Keeps what CHGNet relaxed, so that it is not done again.

    Returns
    -------
    DataFrame
        One row a crystal, in their order: `material_id`; `formation_energy_ev_atom` on the
        level `materials_project_2018`, NaN where it is unknown; `error_ev_atom`, the typical
        error (one standard deviation): of its elements' compounds when left out of the fit,
        the largest; `converged` and `n_steps` of the relaxation; `reason`, why the energy is
        unknown, else None.
    """
    dynamics, store = dynamics or DynamicsSettings(), store or OutcomeStore(None)
    references = load_chgnet_references()
    rows = [_predict(name, one, references, dynamics, store) for name, one in structures.items()]
    return pd.DataFrame(rows, columns=PREDICTION_COLUMNS)


def _predict(
    material_id: str,
    structure: Structure,
    references: pd.DataFrame,
    dynamics: DynamicsSettings,
    store: OutcomeStore,
) -> tuple:
    fractions = _atomic_fractions(structure.composition)
    missing = sorted(set(fractions.index) - set(references.index))
    if missing:
        reason = (
            f"no CHGNet reference of {', '.join(missing)}: fewer than {MIN_COMPOUNDS} bundled "
            "compounds stand behind it"
        )
        return (material_id, np.nan, np.nan, False, 0, reason)
    try:
        energy_ev_atom, converged, n_steps = _relax_once(structure, dynamics, store)
    except IonscoutError as error:
        return (material_id, np.nan, np.nan, False, 0, str(error))
    if not converged:
        reason = f"CHGNet has not relaxed it in {n_steps} steps; raise dynamics.relax.max_steps"
        return (material_id, np.nan, np.nan, False, n_steps, reason)
    of_elements = references.loc[fractions.index]
    formation_ev_atom = energy_ev_atom - float(fractions @ of_elements["energy_ev_atom"])
    error_ev_atom = float(of_elements["left_out_error_ev_atom"].max())
    return (material_id, formation_ev_atom, error_ev_atom, converged, n_steps, None)


def _relax_once(
    structure: Structure, dynamics: DynamicsSettings, store: OutcomeStore
) -> tuple[float, bool, int]:
    """Relax a crystal, or look up what came of it before."""
    versions = [STAGE_VERSIONS[stage] for stage in ("screening", "dynamics")]
    key = content_key(versions, dynamics.relax.model_dump(), structure.as_dict())
    kept = store.read_outcomes([key]).get(key)
    if kept is not None:
        return tuple(json.loads(kept))
    outcome = relax_energy(structure, dynamics)
    store.write_outcomes({key: json.dumps(outcome).encode()})
    return outcome


def relax_energy(structure: Structure, dynamics: DynamicsSettings) -> tuple[float, bool, int]:
    """Relax cell and sites by CHGNet, in the primitive cell.

    Parameters
    ----------
    structure : Structure
        Of a disordered one the ordered representative of lowest energy is taken.
    dynamics : DynamicsSettings

    Returns
    -------
    energy_ev_atom : float
        CHGNet's own total energy.
    converged : bool
    n_steps : int

    Raises
    ------
    StructureError
        When a disordered crystal has no ordered representative.
    DynamicsError
        When CHGNet is not installed, or the relaxation goes astray.
    """
    if structure.is_ordered:
        cell = find_primitive(structure)
    else:
        cell = order(structure.get_primitive_structure(), DisorderSettings(), _SEED)
    atoms = to_atoms(cell)
    with reporting_faults(CHGNET):
        atoms.calc = make_calculator(CHGNET, atoms, dynamics)
        converged, n_steps = relax(atoms, dynamics.relax, keep_lattice=False)
        energy_ev_atom = atoms.get_potential_energy() / len(atoms)
    return float(energy_ev_atom), converged, n_steps


def fit_references(compounds: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Fit one reference energy an element by least squares.

    An element with fewer than `MIN_COMPOUNDS` compounds gets none, and its compounds
    are left out.

    Parameters
    ----------
    compounds : DataFrame
        By reduced formula: `energy_ev_atom` (CHGNet's) and `formation_energy_ev_atom`.

    Returns
    -------
    references : DataFrame
        By element, as `load_chgnet_references` gives them.
    left_out_ev_atom : Series
        By formula: predicted less true energy of formation when the compound is left out
        of the fit (residual over one less the leverage, which is exact); NaN where the
        others do not determine all its elements.

    Raises
    ------
    ScreeningError
        When the compounds do not tell the elements apart.
    """
    fractions = pd.DataFrame(
        {formula: _atomic_fractions(Composition(formula)) for formula in compounds.index}
    ).T.fillna(0.0)
    while (rare := (fractions > 0).sum() < MIN_COMPOUNDS).any():
        of_rare = (fractions.loc[:, rare] > 0).any(axis=1)
        fractions = fractions.loc[~of_rare, ~rare]
    design = fractions.to_numpy()
    if design.size == 0 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise ScreeningError(
            f"{len(design)} compounds do not determine the references of "
            f"{', '.join(fractions.columns) or 'any element'}; more compounds are needed"
        )
    known = compounds.loc[fractions.index]
    offset = (known["energy_ev_atom"] - known["formation_energy_ev_atom"]).to_numpy()
    inverse = np.linalg.pinv(design)
    energies = inverse @ offset
    leverage = np.einsum("ij,ji->i", design, inverse)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = np.where(
            leverage < _DETERMINED, (offset - design @ energies) / (1 - leverage), np.nan
        )
    left_out_ev_atom = pd.Series(left_out, index=fractions.index)
    references = pd.DataFrame(
        {
            "energy_ev_atom": energies,
            "n_compounds": (design > 0).sum(axis=0),
            "left_out_error_ev_atom": [
                root_mean_square(left_out_ev_atom[fractions[element] > 0])
                for element in fractions.columns
            ],
        },
        index=fractions.columns.rename("element"),
    ).sort_index()
    return references, left_out_ev_atom


def root_mean_square(errors: pd.Series) -> float:
    """Average the squares of what is known, and take the root."""
    return float(np.sqrt((errors**2).mean()))


def _atomic_fractions(composition: Composition) -> pd.Series:
    bare = composition.element_composition
    return pd.Series({element.symbol: bare.get_atomic_fraction(element) for element in bare})


def measure_compounds(dynamics: DynamicsSettings) -> pd.DataFrame:
    """Relax the bundled crystals whose formula has an energy on the level.

    Of several crystals of a formula the lowest is taken, as on the level.

    Parameters
    ----------
    dynamics : DynamicsSettings

    Returns
    -------
    DataFrame
        By reduced formula: `energy_ev_atom`, `formation_energy_ev_atom` and `crystal_id`.
        A crystal that cannot be relaxed, or not to the end, is left out and named.
    """
    level = bundled_level(PREDICTED_LEVEL)
    rows = []
    for crystal in load_crystals():
        structure = crystal.structure()
        formula = structure.composition.reduced_formula
        entry = level.entry_of("", formula)
        if entry is None:
            continue
        try:
            energy_ev_atom, converged, n_steps = relax_energy(structure, dynamics)
        except IonscoutError as error:
            print(f"{crystal.id} is left out: {error}")
            continue
        if not converged:
            print(f"{crystal.id} is left out: not relaxed in {n_steps} steps")
            continue
        rows.append((formula, energy_ev_atom, entry.energy_per_atom, crystal.id))
    columns = ["formula", "energy_ev_atom", "formation_energy_ev_atom", "crystal_id"]
    table = pd.DataFrame(rows, columns=columns).sort_values("energy_ev_atom", kind="stable")
    return table.drop_duplicates("formula").set_index("formula").sort_index()


def make_references(resources: str | Path = RESOURCES) -> None:
    """Write the table of references, and print how well left-out compounds come out.

    Parameters
    ----------
    resources : path-like
    """
    references, left_out_ev_atom = fit_references(measure_compounds(DynamicsSettings()))
    path = Path(resources) / FILE
    references.round(4).reset_index()[REFERENCE_COLUMNS].to_csv(path, index=False)
    print(f"{len(references)} elements of {len(left_out_ev_atom)} compounds -> {path}")
    print(
        f"left out: mean absolute error {left_out_ev_atom.abs().mean():.4f}, root-mean-square "
        f"{root_mean_square(left_out_ev_atom):.4f} eV/atom"
    )
    worst = left_out_ev_atom.abs().nlargest(8).index
    print("worst: " + ", ".join(f"{name} {left_out_ev_atom[name]:+.3f}" for name in worst))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    try:
        make_references()
    except IonscoutError as error:
        sys.exit(str(error))
