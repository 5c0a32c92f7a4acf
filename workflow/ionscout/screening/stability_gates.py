"""The gates on energies, potentials, gaps and stiffness."""

from __future__ import annotations

import pandas as pd
from scipy.constants import physical_constants

from ionscout.config import (
    BandGapGate,
    CathodeGate,
    HullGate,
    LithiumGate,
    MoistureGate,
    ShearGate,
    WindowGate,
)
from ionscout.screening.answers import (
    FAIL,
    NOISE,
    PASS,
    UNKNOWN,
    Judgement,
    all_of,
    join_texts,
    judge_at_least,
    judge_at_most,
    set_faults_aside,
)

BOLTZMANN_EV_K = physical_constants["Boltzmann constant in eV/K"][0]
PREDICTED = "predicted"
# Diamond, the stiffest crystal, has about 535 GPa.
STIFFEST_GPA = 600.0

MANIFEST_COLUMNS = ["band_gap_ev", "shear_modulus_gpa"]
STABILITY_COLUMNS = [
    "hull_origin",
    "energy_above_hull_ev_atom",
    "hull_error_ev_atom",
    "window_reduction_v",
    "window_oxidation_v",
    "lithium_reaction_ev_atom",
    "cathode_reaction_ev_atom",
    "charged_reaction_ev_atom",
    "water_reaction_ev_atom",
    "releases_h2s",
    "reason",
]


def hull_limit_ev_atom(gate: HullGate) -> float:
    """Add the allowance for entropy, k T per atom, to the limit."""
    return gate.max_ev_atom + BOLTZMANN_EV_K * gate.temperature_k


def judge_hull(table: pd.DataFrame, gate: HullGate) -> Judgement:
    """Refuse what lies too far above the convex hull.

    Parameters
    ----------
    table : DataFrame, index material_id
        Columns energy_above_hull_ev_atom, hull_origin and hull_error_ev_atom.
    gate : HullGate

    Returns
    -------
    Judgement
        Of a predicted energy `unknown` where the limit lies within its typical error, and
        where no error is stated.
    """
    distance, faults = set_faults_aside(
        table["energy_above_hull_ev_atom"], "a distance to the hull", "eV/atom"
    )
    limit = hull_limit_ev_atom(gate)
    answers = judge_at_most(distance, limit)
    error = table["hull_error_ev_atom"].astype(float)
    is_predicted = (table["hull_origin"] == PREDICTED) & distance.notna()
    is_clear = (distance - limit).abs() > error
    doubted = is_predicted & ~is_clear
    doubts = pd.Series("", index=table.index, dtype=object)
    doubts[doubted] = [
        f"a predicted distance to the hull of {d:.3f} +- {e:.3f} eV/atom does not decide"
        if pd.notna(e)
        else f"a predicted distance to the hull of {d:.3f} eV/atom without an error"
        for d, e in zip(distance[doubted], error[doubted], strict=True)
    ]
    return Judgement(answers.mask(doubted, UNKNOWN), join_texts([faults, doubts], table.index))


def judge_band_gap(table: pd.DataFrame, gate: BandGapGate) -> Judgement:
    """Refuse electronic conductors.

    Parameters
    ----------
    table : DataFrame, index material_id
        Column band_gap_ev, mostly of PBE, which is 30 to 50 % low: Li3N, 2.2 eV measured,
        has 1.0 eV there.
    gate : BandGapGate

    Returns
    -------
    Judgement
        A gap that no source states stays `unknown`: nothing predicts one.
    """
    gap, faults = set_faults_aside(table["band_gap_ev"], "a band gap", "eV")
    unstated = table["band_gap_ev"].isna().map({True: "no source states one", False: ""})
    reasons = join_texts([faults, unstated], table.index)
    return Judgement(judge_at_least(gap, gate.min_ev), reasons)


def judge_window(table: pd.DataFrame, gate: WindowGate) -> Judgement:
    """Refuse what is reduced or oxidised too easily.

    Parameters
    ----------
    table : DataFrame, index material_id
        Columns window_reduction_v and window_oxidation_v.
    gate : WindowGate

    Returns
    -------
    Judgement
        Of the limits that are asked for; `unknown` where `sound_windows` has none.
    """
    reduction, oxidation, faults = sound_windows(table)
    conditions = []
    if gate.max_reduction_v is not None:
        conditions.append(judge_at_most(reduction, gate.max_reduction_v))
    if gate.min_oxidation_v is not None:
        conditions.append(judge_at_least(oxidation, gate.min_oxidation_v))
    if gate.min_width_v > 0:
        conditions.append(judge_at_least(oxidation - reduction, gate.min_width_v))
    return Judgement(all_of(conditions, table.index), faults)


def sound_windows(table: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Take the windows, without those that cannot be.

    Parameters
    ----------
    table : DataFrame, index material_id
        Columns window_reduction_v and window_oxidation_v, in V against lithium.

    Returns
    -------
    reduction, oxidation : Series of float
        In V; NaN where missing, and both where one is negative or the window ends before
        it begins.
    faults : Series of str
        What cannot be, empty where there is none.
    """
    reduction, below = set_faults_aside(table["window_reduction_v"], "a reduction limit", "V")
    oxidation, above = set_faults_aside(table["window_oxidation_v"], "an oxidation limit", "V")
    is_reversed = oxidation < reduction - NOISE
    reversed_ = pd.Series("", index=table.index, dtype=object)
    reversed_[is_reversed] = [
        f"a window from {low:g} to {high:g} V is reversed"
        for low, high in zip(reduction[is_reversed], oxidation[is_reversed], strict=True)
    ]
    faults = join_texts([below, above, reversed_], table.index)
    return reduction.mask(faults != ""), oxidation.mask(faults != ""), faults


def judge_lithium(table: pd.DataFrame, gate: LithiumGate) -> Judgement:
    """Refuse what lithium metal reduces.

    Parameters
    ----------
    table : DataFrame, index material_id
        Column lithium_reaction_ev_atom: energy set free, not negative.
    gate : LithiumGate

    Returns
    -------
    Judgement
    """
    return _judge_reactions(table, {"lithium_reaction_ev_atom": "lithium"}, gate)


def judge_cathodes(table: pd.DataFrame, gate: CathodeGate) -> Judgement:
    """Refuse what reacts with a cathode, discharged or charged.

    Parameters
    ----------
    table : DataFrame, index material_id
        Columns cathode_reaction_ev_atom (as made) and charged_reaction_ev_atom (at the
        charging potential): energies set free, not negative. The larger one counts.
    gate : CathodeGate

    Returns
    -------
    Judgement
    """
    reactions = {
        "cathode_reaction_ev_atom": "a cathode",
        "charged_reaction_ev_atom": "a charged cathode",
    }
    return _judge_reactions(table, reactions, gate)


def judge_moisture(table: pd.DataFrame, gate: MoistureGate) -> Judgement:
    """Refuse what reacts with water.

    On the level materials_project_2018 water lies 1.2 eV a molecule below its measured
    enthalpy, so that reactions come out too weak: LiBH4 sets free 0.005 eV/atom there, and
    0.225 by experiment.

    Parameters
    ----------
    table : DataFrame, index material_id
        Columns water_reaction_ev_atom (energy set free, not negative) and releases_h2s.
    gate : MoistureGate

    Returns
    -------
    Judgement
    """
    judged = _judge_reactions(table, {"water_reaction_ev_atom": "water"}, gate)
    if not gate.refuse_h2s:
        return judged
    h2s = pd.Series(
        [UNKNOWN if pd.isna(gas) else FAIL if gas else PASS for gas in table["releases_h2s"]],
        index=table.index,
        dtype=object,
    )
    return Judgement(all_of([judged.answers, h2s], table.index), judged.reasons)


def judge_shear_modulus(table: pd.DataFrame, gate: ShearGate) -> Judgement:
    """Refuse what is too soft to hold back dendrites.

    Parameters
    ----------
    table : DataFrame, index material_id
        Column shear_modulus_gpa. Above `STIFFEST_GPA` it is a fault of the source.
    gate : ShearGate
        Its limit is twice the shear modulus of lithium, about 4 GPa (Monroe and Newman,
        J. Electrochem. Soc. 152, A396 (2005)), and was derived for polymers.

    Returns
    -------
    Judgement
    """
    modulus, faults = set_faults_aside(
        table["shear_modulus_gpa"], "a shear modulus", "GPa", highest=STIFFEST_GPA
    )
    return Judgement(judge_at_least(modulus, gate.min_gpa), faults)


def _judge_reactions(
    table: pd.DataFrame, reactions: dict[str, str], gate: LithiumGate
) -> Judgement:
    conditions, faults = [], []
    for column, partner in reactions.items():
        energy, fault = set_faults_aside(
            table[column], f"an energy set free with {partner}", "eV/atom"
        )
        conditions.append(judge_at_most(energy, gate.max_reaction_ev_atom))
        faults.append(fault)
    return Judgement(all_of(conditions, table.index), join_texts(faults, table.index))
