"""The shortlist: the candidates that go on to molecular dynamics, and the controls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ionscout.config import DynamicsSettings, ScreeningSettings
from ionscout.dynamics.engines import resolve_engine
from ionscout.dynamics.prepare import count_md_atoms
from ionscout.errors import CampaignError
from ionscout.labels import duplicate_groups
from ionscout.models import held_out_where_trained
from ionscout.screening.gates import UNKNOWN, gate_names
from ionscout.screening.promising import rank_candidates

COLUMNS = [
    "rank",
    "material_id",
    "role",
    "formula",
    "structure_hash",
    "n_atoms",
    "engine",
    "engine_reason",
    "temperatures_k",
    "score",
    "cluster",
    "reason",
]


def select_shortlist(
    manifest: pd.DataFrame,
    gates_table: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    clusters: pd.DataFrame | None,
    structures: Mapping[str, Structure],
    screening: ScreeningSettings,
    dynamics: DynamicsSettings,
) -> pd.DataFrame:
    """Choose the candidates for molecular dynamics and add the controls.

    Candidates that passed the gates are ranked by the classifiers' mean
    probability. One of each reduced formula and one of each parent crystal is
    taken, so that the shortlist is not many variants of one compound. A candidate
    that duplicates a control is left to the control.

    Parameters
    ----------
    manifest, gates_table, predictions, clusters : DataFrame
        The tables of the earlier stages; `clusters` may be None.
    structures : mapping of str to Structure
        The crystals.
    screening : ScreeningSettings
        Length of the shortlist, and the controls.
    dynamics : DynamicsSettings
        The engine asked for, the ladder of temperatures and the size of cells.

    Returns
    -------
    DataFrame
        One row a material, with the engine resolved and the reason it is here.

    Raises
    ------
    CampaignError
        If a control is not among the curated materials.
    """
    table = manifest.merge(gates_table, on="material_id", validate="1:1").set_index("material_id")
    controls = {
        "positive_control": screening.positive_control,
        "negative_control": screening.negative_control,
    }
    for role, control in controls.items():
        if control.material_id not in table.index:
            raise CampaignError(
                f"shortlist: screening.{role}.material_id: {control.material_id!r} is not among"
                " the curated materials; name one of structures/manifest.csv"
            )
    groups = duplicate_groups(manifest)
    of_controls = groups.isin(groups[[control.material_id for control in controls.values()]])
    chosen = [
        (name, "candidate", dynamics.temperatures_k)
        for name in _take_best(table[~of_controls[table.index]], screening.shortlist_size)
    ] + [(control.material_id, role, control.temperatures_k) for role, control in controls.items()]
    cluster = {} if clusters is None else clusters.set_index("material_id")["cluster"].to_dict()
    rows = []
    for rank, (name, role, temperatures_k) in enumerate(chosen, start=1):
        n_atoms = count_md_atoms(structures[name], dynamics)
        elements = sorted({site.specie.symbol for site in structures[name]})
        engine, engine_reason = resolve_engine(dynamics.engine, n_atoms, elements, dynamics)
        rows.append(
            {
                "rank": rank,
                "material_id": name,
                "role": role,
                "formula": table.loc[name, "formula"],
                "structure_hash": table.loc[name, "structure_hash"],
                "n_atoms": n_atoms,
                "engine": engine,
                "engine_reason": engine_reason,
                "temperatures_k": ";".join(f"{t:g}" for t in sorted(set(temperatures_k))),
                "score": table.loc[name, "mean_probability"],
                "cluster": cluster.get(name),
                "reason": _explain(name, role, table.loc[name], predictions),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _take_best(table: pd.DataFrame, size: int) -> list[str]:
    """Return the best candidates, one a reduced formula and one a parent, with their variants.

    Variants with a vacancy run beside their host, whatever their own probability, and
    do not count.
    """
    is_variant = table["vacancies_per_cell"] > 0
    chosen: list[str] = []
    seen: set[str] = set()
    for name, row in rank_candidates(table).iterrows():
        families = set(row[["reduced_formula", "parent_id"]].dropna())
        if len(chosen) < size and not families & seen:
            chosen.append(name)
            seen |= families
    variants = table[is_variant & table["candidate"].astype(bool)].sort_index()
    return [
        name for host in chosen for name in (host, *variants.index[variants["parent_id"] == host])
    ]


def _explain(name: str, role: str, row: pd.Series, predictions: Mapping[str, pd.DataFrame]) -> str:
    """Say why a material is on the shortlist."""
    votes = []
    for model, table in predictions.items():
        probability = held_out_where_trained(table.set_index("material_id")).get(name, np.nan)
        votes.append(
            f"{model} {probability:.2f}" if np.isfinite(probability) else f"{model} unknown"
        )
    unknown = [gate for gate in gate_names() if row[gate] == UNKNOWN]
    if row["vacancies_per_cell"] > 0:
        host = row["parent_id"]
        return f"{host} with a lithium vacancy; GPAW, here or in the audit, runs it neutral"
    what = "control, always added" if role != "candidate" else "passed the gates"
    doubt = (
        f"; unknown to the gates {', '.join(unknown)}" if unknown and role == "candidate" else ""
    )
    return f"{what}; probability of being fast: {', '.join(votes)}{doubt}"
