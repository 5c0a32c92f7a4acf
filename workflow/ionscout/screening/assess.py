"""How stable each material is: one table for the gates, made by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pymatgen.core import Composition
from threadpoolctl import threadpool_limits

from ionscout.config import StabilitySettings
from ionscout.errors import CampaignError, ScreeningError
from ionscout.job import end_with_parent
from ionscout.screening.equilibrium import ENERGY_TOLERANCE_EV_ATOM, PhaseSpace, System
from ionscout.screening.levels import Level
from ionscout.screening.reactions import (
    Reactant,
    charged,
    products_in_excess,
    react_with_lithium,
    react_with_partner,
)
from ionscout.screening.windows import electrochemical_window

FROM_LEVEL, FROM_PREDICTION, FROM_SOURCE = "level", "predicted", "source"
WATER, HYDROGEN_SULFIDE = Composition("H2O"), Composition("H2S")
NUMBERS = (
    "energy_above_hull_ev_atom",
    "hull_error_ev_atom",
    "window_reduction_v",
    "window_oxidation_v",
    "lithium_reaction_ev_atom",
    "cathode_reaction_ev_atom",
    "cathode_mixing_fraction",
    "charged_reaction_ev_atom",
    "water_reaction_ev_atom",
)
COLUMNS = (
    "material_id",
    "level",
    "hull_origin",
    "energy_above_hull_ev_atom",
    "hull_error_ev_atom",
    "decomposition",
    "window_reduction_v",
    "window_oxidation_v",
    "reduction_products",
    "oxidation_products",
    "lithium_reaction_ev_atom",
    "lithium_products",
    "cathode_reaction_ev_atom",
    "cathode",
    "cathode_mixing_fraction",
    "cathode_products",
    "charged_reaction_ev_atom",
    "water_reaction_ev_atom",
    "water_products",
    "releases_h2s",
    "reason",
)
# A new phase this many typical errors below the hull is taken for a fault of the prediction.
MOST_ERRORS = 5.0
_TASKS_A_WORKER = 8


def assess_stability(
    materials: pd.DataFrame,
    level: Level,
    settings: StabilitySettings,
    predicted: pd.DataFrame | None = None,
    n_workers: int = 1,
) -> pd.DataFrame:
    """Say how stable each material is on one level.

    Its energy is, in this order: the level's own of this id; a predicted one; the level's
    lowest of this formula, but for hypothetical crystals. Where the source's own statement
    is larger than the last, the material is another polymorph, and the statement stands
    (`hull_origin` is `source`), as it does where the level has no energy at all. A
    predicted energy below the hull makes the material a phase of its own diagrams, of no
    other material's; one more than `MOST_ERRORS` typical errors below is none.

    Windows and reactions are those of the phases of the level. A material without an
    energy on it has them where its source calls it metastable, as phases into which it
    decomposes; else they are unknown, since it belongs into a diagram that lacks it.

    Parameters
    ----------
    materials : DataFrame
        Columns material_id, formula, reduced_formula, parent_id (of a hypothetical crystal)
        and energy_above_hull_ev_atom (the source's own statement; may be missing).
    level : Level
        The energies.
    settings : StabilitySettings
        Cathodes, and the potential of a charged one.
    predicted : DataFrame, optional
        As `predict_formation_energies` makes it; its energies have this level's zero.
    n_workers : int
        Processes; they share the chemical systems, and the table does not depend on them.

    Returns
    -------
    DataFrame
        One row a material, in their order, with the columns `COLUMNS`. Potentials are in V
        against lithium. Reactions are energies set free, not negative: with lithium metal
        in excess, with the worst of the cathodes at the worst mixing ratio, and with water,
        in eV per atom of the mixture; with the worst charged cathode, open to lithium, per
        atom other than lithium, the cathode's own charging left out. One cathode of which
        the level knows nothing makes the worst of them unknown. `cathode_mixing_fraction`
        is the material's share of the atoms, `hull_error_ev_atom` the typical error of a
        predicted energy. What is unknown is NaN or None, and `reason` names the causes.

    Raises
    ------
    ScreeningError
        When a cathode in the config is no formula.
    CampaignError
        When a process of the pool dies.
    """
    known = {} if predicted is None else {row.material_id: row for row in predicted.itertuples()}
    asked = [
        _Material(
            row.material_id,
            row.reduced_formula,
            float(row.energy_above_hull_ev_atom),
            pd.notna(row.parent_id),
            _as_prediction(known.get(row.material_id)),
        )
        for row in materials.itertuples()
    ]
    tasks = _share_out(asked, n_workers)
    chunks = [[asked[place] for place in task] for task in tasks]
    order = [place for task in tasks for place in task]
    rows = [row for chunk in _work_through(chunks, level, settings, n_workers) for row in chunk]
    made = pd.DataFrame(rows, columns=list(COLUMNS), index=order, dtype=object).sort_index()
    return made.where(made.notna(), None).astype(dict.fromkeys(NUMBERS, float))


@dataclass(frozen=True)
class _Prediction:
    energy_ev_atom: float
    error_ev_atom: float
    reason: str | None


@dataclass(frozen=True)
class _Material:
    material_id: str
    reduced_formula: str
    stated_ev_atom: float
    is_hypothetical: bool
    predicted: _Prediction | None


def _as_prediction(row: tuple | None) -> _Prediction | None:
    if row is None:
        return None
    return _Prediction(row.formation_energy_ev_atom, row.error_ev_atom, row.reason)


def _share_out(materials: Sequence[_Material], n_workers: int) -> list[list[int]]:
    """Put materials of a chemical system, and then similar systems, into one task."""
    systems = [sorted(_symbols(Composition(one.reduced_formula))) for one in materials]
    order = sorted(range(len(systems)), key=lambda place: (systems[place], place))
    n_tasks = min(n_workers * _TASKS_A_WORKER, len(order))
    return [task.tolist() for task in np.array_split(order, n_tasks)] if order else []


_of_this_process: list[_Assessor] = []


def _work_through(
    chunks: Sequence[list[_Material]], level: Level, settings: StabilitySettings, n_workers: int
) -> Iterator[list[dict]]:
    """Assess chunk after chunk, in their order."""
    n_workers = min(n_workers, len(chunks))
    assessor = _Assessor(level, settings)
    if n_workers <= 1:
        with threadpool_limits(1):
            yield from ([assessor.row(material) for material in chunk] for chunk in chunks)
        return
    # Snakemake runs scripts as files that must not be imported again: no spawn.
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(n_workers, context, _start_worker, (assessor,)) as pool:
            yield from pool.map(_assess_chunk, chunks)
    except BrokenProcessPool:
        raise CampaignError(
            "screening: a process was killed, perhaps for its memory; run again with more memory"
            " or fewer threads"
        ) from None


def _start_worker(assessor: _Assessor) -> None:
    end_with_parent()
    threadpool_limits(1)
    _of_this_process[:] = [assessor]


def _assess_chunk(chunk: list[_Material]) -> list[dict]:
    return [_of_this_process[0].row(material) for material in chunk]


class _Assessor:
    """Assesses materials on one level; what two have in common is computed once."""

    def __init__(self, level: Level, settings: StabilitySettings) -> None:
        self.level = level
        self.settings = settings
        self.space = PhaseSpace(level.entries)
        self.cathodes = {formula: _parse_cathode(formula) for formula in settings.cathodes}
        self._uncovered: dict[frozenset[str], str | None] = {}
        self._answers: dict[tuple[str, float | None], dict] = {}
        self._charged: dict[str, Reactant] = {}

    def row(self, material: _Material) -> dict:
        """Answer every column for one material; a fault becomes its reason."""
        row = {"material_id": material.material_id, "level": self.level.name}
        if np.isfinite(material.stated_ev_atom):
            row |= {
                "hull_origin": FROM_SOURCE,
                "energy_above_hull_ev_atom": material.stated_ev_atom,
            }
        try:
            answer = self._answer(material)
        except ScreeningError as error:
            answer = {"reason": str(error)}
        if "reason" in answer:
            answer["reason"] = f"{material.material_id}: {answer['reason']}"
        return row | answer

    def _answer(self, material: _Material) -> dict:
        composition = Composition(material.reduced_formula)
        self._check_covered(_symbols(composition))
        energy_ev_atom, origin, is_own = self._energy(material)
        if energy_ev_atom is None and not material.stated_ev_atom > 0:
            what = material.reduced_formula
            if material.is_hypothetical:
                what = f"this hypothetical crystal of {what}"
            raise ScreeningError(
                f"level {self.level.name} has no energy of {what}, which is thus not in its own"
                " phase diagram; let stability.max_predicted predict one, or take another level"
            )
        known = material.reduced_formula, energy_ev_atom
        if known not in self._answers:
            self._answers[known] = self._answer_formula(composition, energy_ev_atom)
        answer = dict(self._answers[known])
        distance_ev_atom = answer.pop("distance_ev_atom")
        if origin == FROM_PREDICTION:
            _check_prediction(material.predicted, distance_ev_atom)
        if energy_ev_atom is None or (not is_own and material.stated_ev_atom > distance_ev_atom):
            return answer
        answer |= {"hull_origin": origin, "energy_above_hull_ev_atom": max(distance_ev_atom, 0.0)}
        if origin == FROM_PREDICTION:
            answer["hull_error_ev_atom"] = material.predicted.error_ev_atom
        return answer

    def _energy(self, material: _Material) -> tuple[float | None, str | None, bool]:
        """Return a material's energy, where it is from, and whether it is the crystal's own."""
        entry = self.level.entry_of(
            material.material_id,
            material.reduced_formula,
            is_hypothetical=material.is_hypothetical,
        )
        if entry is not None and entry.attribute == material.material_id:
            return entry.energy_per_atom, FROM_LEVEL, True
        if material.predicted is not None:
            if not np.isfinite(material.predicted.energy_ev_atom):
                raise ScreeningError(
                    f"its energy could not be predicted: {material.predicted.reason}"
                )
            return material.predicted.energy_ev_atom, FROM_PREDICTION, True
        return (entry.energy_per_atom, FROM_LEVEL, False) if entry else (None, None, False)

    def _check_covered(self, elements: frozenset[str]) -> None:
        if elements not in self._uncovered:
            self._uncovered[elements] = self.level.uncovered(elements)
        if self._uncovered[elements]:
            raise ScreeningError(self._uncovered[elements])

    def _answer_formula(self, composition: Composition, energy_ev_atom: float | None) -> dict:
        """Answer what depends on the formula and its energy alone."""
        system = self.space.system(_symbols(composition))
        hull = system.equilibrium(system.fractions_of(composition))
        if energy_ev_atom is None:
            energy_ev_atom, distance_ev_atom = hull.energy_ev, None
        else:
            distance_ev_atom = energy_ev_atom - hull.energy_ev
        case = _Case(self, Reactant(composition, energy_ev_atom), hull.energy_ev)
        answer = {
            "distance_ev_atom": distance_ev_atom,
            "decomposition": composition.reduced_formula
            if case.is_below_hull
            else system.describe(hull.amounts, composition.num_atoms),
            "releases_h2s": None if composition["S"] else False,
        }
        reasons = []
        for answers in (case.window, case.lithium, case.cathodes, case.water):
            try:
                found = answers()
            except ScreeningError as error:
                found = {"reason": str(error)}
            reasons.append(found.pop("reason", None))
            answer |= found
        known = list(dict.fromkeys(filter(None, reasons)))
        return answer | ({"reason": "; ".join(known)} if known else {})

    def partner(
        self, what: str, composition: Composition, with_elements: frozenset[str]
    ) -> Reactant:
        """Return what a material meets, or say why it cannot."""
        energy_ev_atom = self.space.energy_ev_atom(composition)
        if energy_ev_atom is None:
            raise ScreeningError(
                f"{what} {composition.reduced_formula}: level {self.level.name} has no energy of it"
            )
        try:
            self._check_covered(with_elements | _symbols(composition))
        except ScreeningError as error:
            raise ScreeningError(f"{what} {composition.reduced_formula}: {error}") from None
        return Reactant(composition, energy_ev_atom)

    def charged_cathode(self, cathode: Reactant) -> Reactant:
        """Return a cathode as it is at the charging potential."""
        formula = cathode.composition.reduced_formula
        if formula not in self._charged:
            system = self.space.system(_symbols(cathode.composition))
            self._charged[formula] = charged(system, cathode, self.settings.charge_voltage_v)
        return self._charged[formula]


@dataclass(frozen=True)
class _Case:
    """A formula with an energy, and what the gates ask of it."""

    assessor: _Assessor
    material: Reactant
    hull_ev_atom: float

    @property
    def is_below_hull(self) -> bool:
        """Whether the material is a phase of its own diagrams, of no other's."""
        return self.material.energy_ev_atom < self.hull_ev_atom - ENERGY_TOLERANCE_EV_ATOM

    def system(self, *others: Composition) -> System:
        """Return the phases of the material and its partners; itself too, if below the hull."""
        composition = self.material.composition
        system = self.assessor.space.system(
            _symbols(composition).union(*(_symbols(other) for other in others))
        )
        if self.is_below_hull:
            return system.with_phase(composition, self.material.energy_ev_atom)
        return system

    def window(self) -> dict:
        found = electrochemical_window(self.system(), self.material.composition)
        answer = {
            "window_oxidation_v": found.oxidation_v,
            "oxidation_products": found.oxidation_products,
        }
        if np.isnan(found.oxidation_v):
            answer["reason"] = "it holds no lithium and has no oxidation limit"
        if self._lacks_lithiated():
            return answer
        return answer | {
            "window_reduction_v": found.reduction_v,
            "reduction_products": found.reduction_products,
        }

    def _lacks_lithiated(self) -> str | None:
        return self.assessor.level.unlithiated(_symbols(self.material.composition))

    def lithium(self) -> dict:
        fault = self._lacks_lithiated()
        if fault:
            raise ScreeningError(fault)
        reaction = react_with_lithium(self.system(), self.material)
        return {
            "lithium_reaction_ev_atom": reaction.energy_ev_atom,
            "lithium_products": reaction.products,
        }

    def cathodes(self) -> dict:
        if not self.assessor.cathodes:
            raise ScreeningError("stability.cathodes names no cathode")
        reactions, at_charge = {}, []
        for name, composition in self.assessor.cathodes.items():
            cathode = self._partner("cathode", composition)
            system = self.system(composition)
            reactions[name] = react_with_partner(system, self.material, cathode)
            at_charge.append(
                react_with_partner(
                    system,
                    self.material,
                    self.assessor.charged_cathode(cathode),
                    self.assessor.settings.charge_voltage_v,
                ).energy_ev_atom
            )
        worst = max(reactions, key=lambda name: reactions[name].energy_ev_atom)
        return {
            "cathode_reaction_ev_atom": reactions[worst].energy_ev_atom,
            "cathode": worst if reactions[worst].formulas else None,
            "cathode_mixing_fraction": reactions[worst].mixing_fraction,
            "cathode_products": reactions[worst].products,
            "charged_reaction_ev_atom": max(at_charge),
        }

    def water(self) -> dict:
        water = self._partner("water", WATER)
        system = self.system(WATER)
        reaction = react_with_partner(system, self.material, water)
        answer = {
            "water_reaction_ev_atom": reaction.energy_ev_atom,
            "water_products": reaction.products,
        }
        composition = self.material.composition
        if not composition["S"]:
            return answer
        if self.assessor.space.energy_ev_atom(HYDROGEN_SULFIDE) is None:
            return answer | {
                "reason": f"level {self.assessor.level.name} has no energy of"
                f" {HYDROGEN_SULFIDE.reduced_formula}"
            }
        products = reaction.formulas | products_in_excess(system, composition, WATER)
        return answer | {"releases_h2s": HYDROGEN_SULFIDE.reduced_formula in products}

    def _partner(self, what: str, composition: Composition) -> Reactant:
        return self.assessor.partner(what, composition, _symbols(self.material.composition))


def _check_prediction(predicted: _Prediction, distance_ev_atom: float) -> None:
    """Refuse an energy farther below the hull than its error makes likely."""
    if -distance_ev_atom > MOST_ERRORS * predicted.error_ev_atom:
        raise ScreeningError(
            f"its predicted energy lies {-distance_ev_atom:.3f} eV/atom below the hull, more than"
            f" {MOST_ERRORS:g} times its typical error of {predicted.error_ev_atom:.3f}"
        )


def _parse_cathode(formula: str) -> Composition:
    try:
        composition = Composition(formula).reduced_composition
    except (ValueError, OverflowError):
        composition = Composition()
    if not composition or not composition.valid:
        raise ScreeningError(f"stability.cathodes: {formula!r} is no formula")
    return composition


def _symbols(composition: Composition) -> frozenset[str]:
    return frozenset(element.symbol for element in composition)
