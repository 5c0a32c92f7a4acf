"""Time the stability of 12,745 materials against pymatgen, one material at a time.

Run as ``python benchmarks/stability.py [shared data] [workers]``: ../shared/data and two workers
unless told. The materials are the lithium compounds of mp2018_li and what becomes of them
when elements give way to others of their column or their transition row. The level is made
for this: a smooth energy of electronegativities with noise, for the materials, for lithium-
free compounds of all pairs of elements and for what the materials leave without lithium;
and the 859 entries of Li-Fe-P-O, which every material meets in LiFePO4. Each material gets
its distance to the hull, its window, and its reactions with lithium, with LiCoO2 and
LiFePO4, as made and charged, and with water. The peer does the same for some materials with
PhaseDiagram, get_element_profile, InterfacialReactivity and its grand-potential sister, on
the entries of the systems in question, scaled up to all materials; the answers are compared.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import gzip
import itertools
import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.analysis.interface_reactions import (
    GrandPotentialInterfacialReactivity,
    InterfacialReactivity,
)
from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element
from pymatgen.entries.computed_entries import ComputedEntry

from ionscout.config import StabilitySettings
from ionscout.screening.assess import assess_stability
from ionscout.screening.levels import Level

N_MATERIALS, N_SAMPLED = 12_745, 6
NOISE_EV_ATOM = 0.05
SETTINGS = StabilitySettings()
LITHIUM, WATER = Element("Li"), Composition("H2O")
LITHIUM_METAL = Composition("Li")

COMPARED = [
    "energy_above_hull_ev_atom",
    "window_reduction_v",
    "window_oxidation_v",
    "lithium_reaction_ev_atom",
    "cathode_reaction_ev_atom",
    "water_reaction_ev_atom",
]


def read_formulas(data: Path) -> list[str]:
    with gzip.open(data / "mp2018_li" / "structures.jsonl.gz", "rt") as file:
        return [json.loads(line)["pretty_formula"] for line in file]


def relatives(element: Element) -> list[str]:
    """Name elements of the same column, or neighbours in a transition row, above bismuth."""
    return [
        other.symbol
        for other in Element
        if other.Z <= 83
        and not other.is_noble_gas
        and other.symbol not in ("Li", "H", "Tc", "Pm", element.symbol)
        and (
            (other.group == element.group and other.group is not None)
            or (
                (other.is_transition_metal and other.row == element.row)
                and abs(other.Z - element.Z) <= 2
                and element.is_transition_metal
            )
        )
    ]


def make_materials(formulas: list[str]) -> list[str]:
    """Substitute elements until there are enough materials; polymorphs keep their formula."""
    rng = np.random.default_rng(2018)
    made = [f for f in formulas if len(Composition(f)) > 1]
    parents, seen = list(made), set(made)
    while len(made) < N_MATERIALS:
        composition = Composition(parents[rng.integers(len(parents))])
        swap = {}
        for element in composition:
            others = relatives(element)
            if element != LITHIUM and others and rng.random() < 0.6:
                swap[element.symbol] = str(rng.choice(others))
        new = Composition(
            pd.Series({swap.get(e.symbol, e.symbol): n for e, n in composition.items()}).to_dict()
        ).reduced_formula
        if new not in seen and "Li" in Composition(new):
            seen.add(new)
            made.append(new)
    return made


def smooth_energy_ev_atom(composition: Composition) -> float:
    """Return a convex energy: pairs of elements gain their difference of electronegativity."""
    x = np.array([composition.get_atomic_fraction(e) for e in composition])
    chi = np.array([e.X for e in composition])
    return -0.5 * float(x @ (chi[:, None] - chi) ** 2 @ x)


def make_level(materials: list[str], data: Path) -> Level:
    elements = sorted({e for f in materials for e in Composition(f)} | {Element("Co")})
    rng = np.random.default_rng(0)
    made = [PDEntry(e, 0.0) for e in (Composition(e.symbol) for e in elements)]
    written = [Composition(f) for f in materials] + [WATER, Composition("LiCoO2")]
    written += [Composition({e: n for e, n in c.items() if e != LITHIUM}) for c in written]
    written += [
        Composition({one: n, other: m})
        for one, other in itertools.combinations(elements, 2)
        for n, m in ((1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (1, 3))
        if LITHIUM not in (one, other) and abs(one.X - other.X) > 0.3
    ]
    for composition in written:
        if len(composition) > 1:
            energy = smooth_energy_ev_atom(composition) + NOISE_EV_ATOM * rng.normal()
            made.append(PDEntry(composition, energy * composition.num_atoms))
    return Level("benchmark", "made for a benchmark", made + real_entries(data))


def real_entries(data: Path) -> list[PDEntry]:
    with gzip.open(data / "entries" / "Li-Fe-P-O_entries.json.gz", "rt") as file:
        computed = [ComputedEntry.from_dict(entry) for entry in json.load(file)]
    diagram = PhaseDiagram(computed)
    return [
        PDEntry(e.composition, diagram.get_form_energy_per_atom(e) * e.composition.num_atoms)
        for e in computed
        if len(e.composition) > 1
    ]


def within(level: Level, *compositions: Composition) -> list[PDEntry]:
    symbols = {"Li"} | {e.symbol for c in compositions for e in c}
    return [entry for entry in level.entries if {e.symbol for e in entry.composition} <= symbols]


def assess_by_pymatgen(level: Level, formula: str) -> list[float]:
    """Return hull distance, both limits, and the reactions, in the order of the table."""
    composition = Composition(formula)
    entries = within(level, composition)
    diagram = PhaseDiagram(entries)
    entry = level.entry_of("", composition.reduced_formula)
    profile = diagram.get_element_profile(LITHIUM, composition)
    voltages = np.array([-stage["chempot"] for stage in profile])
    evolution = np.array([stage["evolution"] for stage in profile])
    order = np.argsort(voltages)
    voltages, evolution = voltages[order], evolution[order]
    at = np.flatnonzero(evolution < 1e-6)[0]
    limits = [voltages[at], voltages[at + 1] if abs(evolution[at]) < 1e-6 else voltages[at]]
    kinks = InterfacialReactivity(composition, LITHIUM_METAL, diagram).get_kinks()
    with_lithium = -min((kink for kink in kinks if kink[1] > 1e-6), key=lambda kink: kink[1])[2]
    reactions, charged = [], []
    for name in SETTINGS.cathodes:
        cathode = Composition(name)
        joint = within(level, composition, cathode)
        closed = PhaseDiagram(joint)
        reactions.append(-InterfacialReactivity(composition, cathode, closed).minimum[1])
        grand = GrandPotentialPhaseDiagram(joint, {LITHIUM: -SETTINGS.charge_voltage_v})
        charged.append(
            GrandPotentialInterfacialReactivity(composition, cathode, grand, closed).minimum[1]
        )
    wet = PhaseDiagram(within(level, composition, WATER))
    water = -InterfacialReactivity(composition, WATER, wet).minimum[1]
    return [diagram.get_e_above_hull(entry), *limits, with_lithium, max(reactions), water]


def cpu_seconds() -> float:
    """Return the processor time of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    warnings.simplefilter("ignore")
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data")
    n_workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    formulas = make_materials(read_formulas(data))
    level = make_level(formulas, data)
    materials = pd.DataFrame(
        {
            "material_id": [f"m{i}" for i in range(len(formulas))],
            "formula": formulas,
            "reduced_formula": [Composition(f).reduced_formula for f in formulas],
            "parent_id": None,
            "energy_above_hull_ev_atom": np.nan,
        }
    )
    systems = {Composition(f).chemical_system for f in formulas}
    print(
        f"{len(formulas):,} materials of {len(systems):,} chemical systems, "
        f"{len(level.entries):,} entries"
    )
    begin, cpu_s = time.perf_counter(), cpu_seconds()
    table = assess_stability(materials, level, SETTINGS, None, n_workers)
    ours_s, ours_cpu_s = time.perf_counter() - begin, cpu_seconds() - cpu_s
    known = table["cathode_reaction_ev_atom"].notna()
    print(
        f"ours: {ours_s:.0f} s by {n_workers} processes, {ours_cpu_s:.0f} s of CPU; {known.sum():,}"
        " with every answer"
    )
    sample = table[known].sample(N_SAMPLED, random_state=1)
    n_entries, differences = [], []
    cpu_s = cpu_seconds()
    for place in sample.index:
        found = assess_by_pymatgen(level, materials["formula"][place])
        differences.append(np.abs(np.array(found) - sample.loc[place, COMPARED].astype(float)))
        n_entries.append(len(within(level, *map(Composition, [formulas[place], "LiFePO4"]))))
    peer_s = (cpu_seconds() - cpu_s) / N_SAMPLED * len(formulas)
    print(
        f"pymatgen, one core: {peer_s / 3600:.1f} h from {N_SAMPLED} materials, whose systems with"
        f" LiFePO4 have {min(n_entries)} to {max(n_entries)} entries"
    )
    print(f"ratio of the times of CPU: {peer_s / ours_cpu_s:.0f}")
    print("largest differences:", dict(zip(COMPARED, np.max(differences, axis=0), strict=True)))


if __name__ == "__main__":
    main()
