"""The shortlist: the candidates that go on to molecular dynamics, and the controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from pymatgen.core import Structure

from ionscout.config import (
    ControlSettings,
    DynamicsSettings,
    RankingSettings,
    ScreeningSettings,
)
from ionscout.dynamics.engines import resolve_engine
from ionscout.dynamics.prepare import count_md_atoms
from ionscout.dynamics.records import EXTERNAL
from ionscout.errors import CampaignError
from ionscout.labels import duplicate_groups
from ionscout.models import held_out_where_trained
from ionscout.screening.answers import UNKNOWN
from ionscout.screening.choices import BAN, PIN
from ionscout.screening.gates import gate_names
from ionscout.screening.promising import rank_candidates
from ionscout.screening.ranking import PARTS, choose_in_turn, rate_materials, weigh_parts

CANDIDATE = "candidate"
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
    "second_wave_k",
    "score",
    *(f"part_{name}" for name in PARTS),
    "cluster",
    "reason",
]


def select_shortlist(
    manifest: pd.DataFrame,
    gates_table: pd.DataFrame,
    predictions: Mapping[str, pd.DataFrame],
    clusters: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    stability: pd.DataFrame,
    choices: pd.DataFrame,
    structures: Mapping[str, Structure],
    screening: ScreeningSettings,
    dynamics: DynamicsSettings,
    *,
    fast_threshold_s_cm: float,
) -> pd.DataFrame:
    """Choose the candidates for molecular dynamics and add the controls.

    What the user pinned comes first. Then the candidates that passed the gates are
    chosen one by one, by the weighted mean of the parts in `rate_materials` and of their
    distance in composition from those chosen before. One of each reduced formula and one
    of each parent crystal is taken, so that the shortlist is not many variants of one
    compound. A candidate that duplicates a control is left to the control. What is
    banned stays out, and so do its duplicates and its variants with a vacancy.

    Parameters
    ----------
    manifest, gates_table : DataFrame
        The tables of the earlier stages.
    predictions, clusters : mapping of str to DataFrame
        One table a classifier, and one a clustering; there may be none.
    labels, stability : DataFrame
        Measured conductivities, and the table of stability.
    choices : DataFrame
        Pins and bans, of `read_choices`.
    structures : mapping of str to Structure
        The crystals.
    screening : ScreeningSettings
        Length of the shortlist, pins counted; the weights, and the controls.
    dynamics : DynamicsSettings
        The engine asked for, the ladders of temperatures and the size of cells.
    fast_threshold_s_cm : float
        Conductivity in S/cm from which a material is fast.

    Returns
    -------
    DataFrame
        One row a material, with the engine resolved, the score, its parts (`part_*`, NaN
        where unknown, when it counts as the median of all) and the reason it is here.

    Raises
    ------
    CampaignError
        If a control is not among the curated materials, or is banned.
    """
    table = manifest.merge(gates_table, on="material_id", validate="1:1").set_index("material_id")
    controls = _check_controls(table, screening, choices)
    parts = rate_materials(
        *(manifest, gates_table, predictions, clusters, labels, stability),
        fast_threshold_s_cm=fast_threshold_s_cm,
    )
    rated = _choose_candidates(table, parts, duplicate_groups(manifest), choices, screening)
    chosen = [
        (name, CANDIDATE, dynamics.temperatures_k, rating) for name, rating in rated.iterrows()
    ]
    for role, control in controls.items():
        rating = _rate_alone(parts, [control.material_id], screening.ranking).iloc[0]
        chosen.append((control.material_id, role, control.temperatures_k, rating))
    cluster = _first_clusters(clusters)
    pins = choices[choices["choice"] == PIN].set_index("material_id")["reason"]
    rows = []
    for rank, (name, role, temperatures_k, rating) in enumerate(chosen, start=1):
        n_atoms, engine, engine_reason = _choose_engine(structures[name], dynamics)
        second_wave_k = set(dynamics.second_wave.temperatures_k) - set(temperatures_k)
        pinned = pins.get(name) if role == CANDIDATE else None
        told = _explain(role, table.loc[name], rating, pinned, screening)
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
                "temperatures_k": _join_temperatures(temperatures_k),
                "second_wave_k": _join_temperatures(second_wave_k),
                "score": rating["score"],
                **{f"part_{part}": rating[part] for part in PARTS},
                "cluster": cluster.get(name),
                "reason": "; ".join([*told, _say_votes(name, predictions)]),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _choose_engine(structure: Structure, dynamics: DynamicsSettings) -> tuple[int, str, str]:
    """Return the atoms of the cell that will run, the engine and the reason for it."""
    if dynamics.engine == EXTERNAL:
        return len(structure), EXTERNAL, f"trajectories in {dynamics.external}"
    n_atoms = count_md_atoms(structure, dynamics)
    elements = sorted({site.specie.symbol for site in structure})
    return n_atoms, *resolve_engine(dynamics.engine, n_atoms, elements, dynamics)


def _join_temperatures(temperatures_k: Iterable[float]) -> str:
    """Write temperatures as in `600;700;800`."""
    return ";".join(f"{kelvin:g}" for kelvin in sorted(set(temperatures_k)))


def _check_controls(
    table: pd.DataFrame, screening: ScreeningSettings, choices: pd.DataFrame
) -> dict[str, ControlSettings]:
    """Return the controls by role."""
    controls = {
        "positive_control": screening.positive_control,
        "negative_control": screening.negative_control,
    }
    banned = set(choices.loc[choices["choice"] == BAN, "material_id"])
    for role, control in controls.items():
        key = f"shortlist: screening.{role}.material_id: {control.material_id!r}"
        if control.material_id not in table.index:
            raise CampaignError(
                f"{key} is not among the curated materials; name one of structures/manifest.csv"
            )
        if control.material_id in banned:
            raise CampaignError(f"{key} is banned in screening.choices; choose another control")
    return controls


def _choose_candidates(
    table: pd.DataFrame,
    parts: pd.DataFrame,
    groups: pd.Series,
    choices: pd.DataFrame,
    screening: ScreeningSettings,
) -> pd.DataFrame:
    """Return the parts and score of those chosen, with their variants, which do not count.

    Variants with a vacancy run beside their host, whatever their own probability.
    """
    controls = [screening.positive_control.material_id, screening.negative_control.material_id]
    named = {
        word: choices.loc[choices["choice"] == word, "material_id"].tolist() for word in (PIN, BAN)
    }
    pins = [name for name in named[PIN] if name not in controls]
    is_banned = groups.isin(groups[named[BAN]])[table.index]
    left_out = is_banned | groups.isin(groups[controls])[table.index]
    ranked = rank_candidates(table[~left_out]).index
    entered = table.loc[[*pins, *ranked.difference(pins)]]
    rated = choose_in_turn(
        parts, entered, screening.ranking, first=pins, size=screening.shortlist_size
    )
    is_variant = (table["vacancies_per_cell"] > 0) & table["candidate"].astype(bool) & ~is_banned
    variants = table[is_variant & ~table.index.isin(pins)].sort_index()
    of_hosts = variants[variants["parent_id"].isin(rated.index)].index
    order = [
        name
        for host in rated.index
        for name in (host, *of_hosts[variants.loc[of_hosts, "parent_id"] == host])
    ]
    return pd.concat([rated, _rate_alone(parts, of_hosts, screening.ranking)]).loc[order]


def _rate_alone(
    parts: pd.DataFrame, material_ids: Sequence[str], ranking: RankingSettings
) -> pd.DataFrame:
    """Rate materials that are not chosen beside others: without diversity."""
    rated = parts.loc[list(material_ids)].assign(diversity=np.nan)[list(PARTS)]
    return rated.assign(score=weigh_parts(rated, ranking, parts.median()))


def _first_clusters(clusters: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Return the cluster of each material in the first clustering."""
    first = next(iter(clusters.values()), None)
    return {} if first is None else first.set_index("material_id")["cluster"].to_dict()


def _explain(
    role: str, row: pd.Series, rating: pd.Series, pinned: str | None, screening: ScreeningSettings
) -> list[str]:
    """Say why a material is on the shortlist."""
    if role != CANDIDATE:
        return ["control, always added"]
    if pinned is not None:
        stopped = "" if row["kept"] else f", though the gate {row['first_failed']} refuses it"
        told = [f"pinned{stopped}" + (f": {pinned}" if pinned else "")]
    elif row["vacancies_per_cell"] > 0:
        host = row["parent_id"]
        return [f"{host} with a lithium vacancy"]
    else:
        told = ["passed the gates"]
    told.append(_say_score(rating, screening.ranking))
    unknown = [
        gate
        for gate in gate_names()
        if getattr(screening.gates, gate).enabled and row[gate] == UNKNOWN
    ]
    return told + ([f"unknown to the gates {', '.join(unknown)}"] if unknown else [])


def _say_score(rating: pd.Series, ranking: RankingSettings) -> str:
    weighed = [part for part in PARTS if getattr(ranking, part) > 0]
    known = [f"{part} {rating[part]:.2f}" for part in weighed if pd.notna(rating[part])]
    unknown = [part for part in weighed if pd.isna(rating[part])]
    said = f"score {rating['score']:.2f} of {', '.join(known)}" if known else "no score"
    return said + (f"; {', '.join(unknown)} unknown" if unknown else "")


def _say_votes(name: str, predictions: Mapping[str, pd.DataFrame]) -> str:
    votes = []
    for model, table in predictions.items():
        probability = held_out_where_trained(table.set_index("material_id")).get(name, np.nan)
        said = f"{probability:.2f}" if np.isfinite(probability) else "unknown"
        votes.append(f"{model} {said}")
    return f"probability of being fast: {', '.join(votes) or 'no classifier'}"
