"""Energies of formation for hulls and windows offline: one table a level."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from ionscout.bundled.sources import RESOURCES, first_fault, load_sources, parse_formula, read_yaml
from ionscout.errors import BundledDataError

COLUMNS = ["formula", "phase", "state", "reference", "read_in", "note"]
ENERGY_EV_ATOM = "formation_energy_ev_atom"
ENTHALPY_KJ_MOL = "formation_enthalpy_kj_mol"
KJ_MOL_PER_EV = 96.4853321
LARGEST_EV_ATOM = 6.0
FARTHEST_ABOVE_HULL_EV_ATOM = 0.1
STATES = ("crystal", "amorphous", "liquid", "gas")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Level:
    """A level of theory or experiment: what it is and what its energies are."""

    what: str
    quantity: str


_LEVELS = TypeAdapter(dict[str, Level])


def load_levels(resources: str | Path = RESOURCES) -> dict[str, Level]:
    """Read which levels there are.

    Parameters
    ----------
    resources : path-like
        The folder that holds `thermochemistry/levels.yaml`.

    Returns
    -------
    dict of str to Level
        By name; the table of a level is `thermochemistry/<name>.csv`.

    Raises
    ------
    BundledDataError
    """
    path = Path(resources) / "thermochemistry" / "levels.yaml"
    try:
        return _LEVELS.validate_python(read_yaml(path))
    except ValidationError as error:
        raise BundledDataError(f"{path}: {first_fault(error)}") from None


def load_thermochemistry(level: str, resources: str | Path = RESOURCES) -> pd.DataFrame:
    """Read the energies of formation of one level.

    Parameters
    ----------
    level : str
        A key of `load_levels`.
    resources : path-like

    Returns
    -------
    DataFrame
        Columns formula, phase, state (crystal, amorphous, liquid or gas), reference,
        read_in, note and formation_energy_ev_atom; also formation_enthalpy_kj_mol, per
        formula as written, where the source states that. What the energy is (at 0 K, or
        an enthalpy at 298.15 K) the level says. The elements' reference states are zero.

    Raises
    ------
    BundledDataError
        When there is no such level, or a row is not of the format.
    """
    levels = load_levels(resources)
    if level not in levels:
        raise BundledDataError(f"no level {level!r}: there are {', '.join(levels)}")
    path = Path(resources) / "thermochemistry" / f"{level}.csv"
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS, str), keep_default_na=False)
    except (OSError, ValueError):
        raise BundledDataError(f"{path}: the file cannot be read as CSV") from None
    energies = set(table.columns) - set(COLUMNS)
    if not set(COLUMNS) <= set(table.columns) or energies not in (
        {ENERGY_EV_ATOM},
        {ENTHALPY_KJ_MOL},
    ):
        raise BundledDataError(
            f"{path}: the columns have to be {', '.join(COLUMNS)} and either {ENERGY_EV_ATOM} or "
            f"{ENTHALPY_KJ_MOL}"
        )
    sources = load_sources(resources)
    for line, row in enumerate(table.itertuples(), start=2):
        fault = _fault(row, sources)
        if fault:
            raise BundledDataError(f"{path}, line {line}: {fault}")
    if ENTHALPY_KJ_MOL in table:
        n_atoms = [Composition(formula).num_atoms for formula in table["formula"]]
        table[ENERGY_EV_ATOM] = table[ENTHALPY_KJ_MOL] / KJ_MOL_PER_EV / n_atoms
    extreme = table[~(table[ENERGY_EV_ATOM].abs() < LARGEST_EV_ATOM)]
    if not extreme.empty:
        line, energy_ev_atom = extreme.index[0] + 2, extreme[ENERGY_EV_ATOM].iloc[0]
        raise BundledDataError(
            f"{path}, line {line}: {energy_ev_atom:.3g} eV/atom is no energy of formation"
        )
    return table


def hull_entries(
    level: str, elements: Collection[str], resources: str | Path = RESOURCES
) -> list[PDEntry]:
    """Make the entries of a convex hull: all phases within a chemical system.

    Liquids and gases are among them: a hull of enthalpies without SiF4 or CO2 would
    call too much stable.

    Parameters
    ----------
    level : str
    elements : collection of str
        Symbols of the chemical system.
    resources : path-like

    Returns
    -------
    list of PDEntry
        Energies of formation in eV, of which the elements' are zero.

    Raises
    ------
    BundledDataError
        As `load_thermochemistry`.
    """
    return _entries(load_thermochemistry(level, resources), elements)


def _entries(table: pd.DataFrame, elements: Collection[str]) -> list[PDEntry]:
    entries = [PDEntry(Composition(symbol), 0.0) for symbol in sorted(elements)]
    for row in table.itertuples():
        if _elements(row.formula) <= set(elements):
            entries.append(_entry(row))
    return entries


def _entry(row: tuple) -> PDEntry:
    composition = Composition(row.formula)
    energy_ev = row.formation_energy_ev_atom * composition.num_atoms
    return PDEntry(composition, energy_ev, name=f"{row.formula} {row.phase}".strip())


def _elements(formula: str) -> frozenset[str]:
    return frozenset(element.symbol for element in Composition(formula))


def check_level(level: str, resources: str | Path = RESOURCES) -> list[str]:
    """Check a level's table against itself.

    Each phase is there once; elements in their reference state are zero; and a
    crystal far above the hull of the others needs a note that says why.

    Parameters
    ----------
    level : str
    resources : path-like

    Returns
    -------
    list of str
        What is wrong, with the line.

    Raises
    ------
    BundledDataError
        As `load_thermochemistry`.
    """
    table = load_thermochemistry(level, resources)
    reduced = [Composition(formula).reduced_formula for formula in table["formula"]]
    repeated = table.assign(formula=reduced).duplicated(["formula", "phase", "state"])

    @cache
    def hull(elements: frozenset[str]) -> PhaseDiagram:
        return PhaseDiagram(_entries(table, elements))

    complaints = []
    for row in table.itertuples():
        where = f"thermochemistry/{level}.csv, line {row.Index + 2} ({row.formula} {row.phase})"
        if repeated[row.Index]:
            complaints.append(f"{where}: the same phase is there twice")
        if row.state == "crystal" and not row.note:
            above_ev_atom = hull(_elements(row.formula)).get_e_above_hull(_entry(row))
            if above_ev_atom > FARTHEST_ABOVE_HULL_EV_ATOM:
                complaints.append(
                    f"{where}: {above_ev_atom:.3f} eV/atom above the hull; say why in the note"
                )
    return complaints


def _fault(row: tuple, sources: Collection[str]) -> str | None:
    try:
        parse_formula(row.formula)
    except ValueError as error:
        return str(error)
    if row.state not in STATES:
        return f"state {row.state!r} is none of {', '.join(STATES)}"
    if row.read_in not in sources:
        return f"unknown source {row.read_in!r}"
    return None if row.reference else "no reference"
