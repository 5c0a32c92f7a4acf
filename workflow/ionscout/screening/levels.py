"""Energies that belong together: a phase diagram stands on one level alone."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition, Element

from ionscout.bundled.thermochemistry import hull_entries, load_levels, load_thermochemistry
from ionscout.config import StabilitySettings
from ionscout.errors import ScreeningError
from ionscout.structures.records import read_records

LITHIUM = "Li"
ANIONS = frozenset({"N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"})
_UNREADABLE = (
    *(OSError, EOFError, zlib.error),
    *(UnicodeDecodeError, json.JSONDecodeError, RecursionError),
)


class Level:
    """Energies of one level of theory or experiment, and the phase diagrams on them.

    Parameters
    ----------
    name : str
        As the config calls it.
    what : str
        One sentence for people.
    entries : sequence of PDEntry
        Energies in eV, all of this level: total energies, or energies of formation with
        the elements at zero. `attribute` is the material's id where an entry carries one.

    Raises
    ------
    ScreeningError
        When an energy is not a number or lithium metal has none.
    """

    def __init__(self, name: str, what: str, entries: Sequence[PDEntry]) -> None:
        self.name = name
        self.what = what
        self.entries = list(entries)
        self._of_id: dict[str, PDEntry] = {}
        self._of_formula: dict[str, PDEntry] = {}
        for entry in self.entries:
            if not math.isfinite(entry.energy):
                raise ScreeningError(
                    f"level {name}: the energy of {_label(entry)} is {entry.energy}, not a number; "
                    "leave it out"
                )
            if entry.attribute is not None:
                _keep_lower(self._of_id, str(entry.attribute), entry)
            _keep_lower(self._of_formula, entry.composition.reduced_formula, entry)
        self._of_elements: dict[frozenset[str], list[PDEntry]] = defaultdict(list)
        for entry in self._of_formula.values():
            self._of_elements[_elements(entry)].append(entry)
        self._lithium_free = {
            elements
            for elements in self._of_elements
            if LITHIUM not in elements and len(elements) > 1
        }
        self._diagrams: dict[frozenset[str], PhaseDiagram] = {}
        if frozenset({LITHIUM}) not in self._of_elements:
            raise ScreeningError(
                f"level {name}: lithium metal has no energy, and every phase diagram needs it; "
                "add its entry"
            )

    def uncovered(self, elements: Collection[str]) -> str | None:
        """Say why a chemical system, with lithium, has no phase diagram on this level.

        Each element needs an energy of its own; and without the competing phases free of
        lithium a hull would call too much stable. So each element besides lithium and the
        most electronegative one has to occur, within the system, in a compound without
        lithium. Of two anions, which need not bind each other (N and Cl), it is enough
        that such compounds are there anywhere on the level.

        Parameters
        ----------
        elements : collection of str
            Symbols, with or without lithium.

        Returns
        -------
        str or None
            What is missing, by name; None where nothing is.
        """
        system = frozenset(elements) | {LITHIUM}
        bare = [one for one in sorted(system) if frozenset({one}) not in self._of_elements]
        if bare:
            return f"level {self.name} has no entry of the element {', '.join(bare)}"
        others = sorted(system - {LITHIUM}, key=_electronegativity)
        competing = [one for one in self._lithium_free if one <= system]
        missing = [
            one
            for one in others[:-1]
            if not any(one in compound for compound in competing)
            and not (one in ANIONS and any(one in some for some in self._lithium_free))
        ]
        if missing:
            return (
                f"level {self.name} has no lithium-free compound of {', '.join(missing)} in "
                f"{'-'.join(sorted(system))}: competing phases are missing"
            )
        return None

    def unlithiated(self, elements: Collection[str]) -> str | None:
        """Say of which elements the level lacks the compounds that lithium metal makes.

        Hydrogen and the elements of the p block all form binary compounds with lithium.
        Without Li3P a phosphate would be reduced to phosphorus at most, at too low a
        potential, and phosphorus itself not at all.

        Parameters
        ----------
        elements : collection of str
            Symbols, with or without lithium.

        Returns
        -------
        str or None
            What is missing, by name; None where nothing is.
        """
        missing = [
            one
            for one in sorted(set(elements) - {LITHIUM})
            if _binds_lithium(one) and frozenset({LITHIUM, one}) not in self._of_elements
        ]
        if missing:
            return (
                f"level {self.name} has no compound of lithium with {', '.join(missing)} alone: "
                "what lithium makes of it is not known"
            )
        return None

    def phase_diagram(self, elements: Collection[str]) -> PhaseDiagram:
        """Make the phase diagram of a chemical system, or give the one made before.

        Of each composition its lowest entry alone is in it.

        Parameters
        ----------
        elements : collection of str
            Symbols; lithium is added.

        Returns
        -------
        PhaseDiagram

        Raises
        ------
        ScreeningError
            As `uncovered` says.
        """
        system = frozenset(elements) | {LITHIUM}
        if system not in self._diagrams:
            fault = self.uncovered(system)
            if fault:
                raise ScreeningError(fault)
            within = [
                entry
                for some, entries in self._of_elements.items()
                if some <= system
                for entry in entries
            ]
            self._diagrams[system] = PhaseDiagram(within)
        return self._diagrams[system]

    def entry_of(
        self, material_id: str, reduced_formula: str, *, is_hypothetical: bool = False
    ) -> PDEntry | None:
        """Find the energy of a material.

        Parameters
        ----------
        material_id : str
        reduced_formula : str
            As pymatgen writes it.
        is_hypothetical : bool
            A made-up crystal: that its formula is known says nothing of its energy.

        Returns
        -------
        PDEntry or None
            The one that carries the material's id, else the lowest of its formula: that is
            the ground state, whichever polymorph the material is. None where there is none.
        """
        of_formula = None if is_hypothetical else self._of_formula.get(reduced_formula)
        return self._of_id.get(material_id) or of_formula


def open_level(settings: StabilitySettings, path: str | Path) -> Level:
    """Open the level that a campaign's settings name.

    Parameters
    ----------
    settings : StabilitySettings
    path : path-like
        What `pull_entries` wrote, or the user's entries; not read for a bundled level.

    Returns
    -------
    Level

    Raises
    ------
    ScreeningError
        As `level_of_source_records` and `read_entries_file`.
    BundledDataError
        As `bundled_level`.
    """
    if settings.level == "source":
        return level_of_source_records(path, settings.source)
    if settings.level == "file":
        return Level("file", f"entries of {path}", read_entries_file(path))
    return bundled_level(settings.level)


def bundled_level(name: str) -> Level:
    """Take a level from the tables that come with Ionscout.

    Parameters
    ----------
    name : str
        `experiment` or `materials_project_2018`.

    Returns
    -------
    Level
        Energies of formation, of which the elements' are zero.

    Raises
    ------
    BundledDataError
        When there is no such level.
    """
    formulas = load_thermochemistry(name)["formula"]
    elements = {element.symbol for formula in formulas for element in Composition(formula)}
    return Level(name, load_levels()[name].what, hull_entries(name, elements))


def read_entries_file(path: str | Path) -> list[PDEntry]:
    """Read a JSON list of pymatgen entries, perhaps gzipped.

    Nothing of the file is run: entries are read as plain data.

    Parameters
    ----------
    path : path-like
        Of `ComputedEntry`, `ComputedStructureEntry` or `PDEntry`, as their `as_dict` writes
        them. The energy is the corrected one: `energy` plus `correction`.

    Returns
    -------
    list of PDEntry
        Energies in eV; `attribute` is the entry's id.

    Raises
    ------
    ScreeningError
        When the file is not such a list, an energy is not a number, runs of several
        functionals are mixed, or lithium metal has no entry.
    """
    where = f"entries file {path}"
    opened = gzip.open if str(path).endswith(".gz") else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            found = json.load(file)
    except _UNREADABLE as error:
        raise ScreeningError(f"{where} cannot be read as JSON ({error})") from None
    if not isinstance(found, list) or not found:
        raise ScreeningError(f"{where}: no list of pymatgen entries; write their as_dict() to it")
    entries = [_read_entry(one, f"{where}: entry {n}") for n, one in enumerate(found, start=1)]
    _refuse_mixture({_functional(one) for one in found}, "functionals", where)
    if all(_elements(entry) != {LITHIUM} for entry in entries):
        raise ScreeningError(
            f"{where}: lithium metal has no entry, and every phase diagram needs it; add it"
        )
    return entries


def level_of_source_records(path: str | Path, source: str) -> Level:
    """Make a level of the entries pulled from the Materials Project.

    Parameters
    ----------
    path : path-like
        What `pull_entries` wrote: JSON lines, gzipped, each a `ComputedEntry`.
    source : str
        Name of the source, with which the ids of its materials begin.

    Returns
    -------
    Level
        With the corrected energies; entries carry the campaign's material ids.

    Raises
    ------
    ScreeningError
        When there is none, an energy is not a number, or thermo types are mixed.
    """
    where = f"entries of source {source}"
    try:
        records = read_records(path)
    except _UNREADABLE as error:
        raise ScreeningError(f"{where} ({path}) cannot be read ({error})") from None
    if not records:
        raise ScreeningError(f"{where}: none were pulled; pull the source again")
    entries = []
    for number, record in enumerate(records, start=1):
        entry = _read_entry(record, f"{where}: entry {number}")
        own_id = (record.get("data") or {}).get("material_id")
        material_id = f"{source}-{own_id}" if own_id else None
        entries.append(PDEntry(entry.composition, entry.energy, entry.name, material_id))
    data = [record.get("data") or {} for record in records]
    _refuse_mixture({str(one.get("thermo_type")) for one in data}, "thermo types", where)
    _refuse_mixture({_functional(record) for record in records}, "functionals", where)
    versions = ", ".join(sorted({str(one.get("database_version")) for one in data}))
    what = (
        f"Materials Project, thermo type {data[0].get('thermo_type')}, database {versions}: "
        "corrected energies"
    )
    return Level(source, what, entries)


def _read_entry(written: Any, where: str) -> PDEntry:
    """Make an entry of plain data; its id becomes the attribute."""
    if not isinstance(written, Mapping) or "composition" not in written:
        raise ScreeningError(f"{where} is no pymatgen entry: it has no composition")
    for key in ("parameters", "data"):
        if not isinstance(written.get(key) or {}, Mapping):
            raise ScreeningError(f"{where} is no pymatgen entry: its {key} are no table")
    own_id = written.get("entry_id")
    label = f"{where} ({own_id})" if own_id else where
    try:
        composition = Composition(written["composition"])
        is_valid = composition.num_atoms > 0 and composition.valid
    except (TypeError, ValueError, KeyError):
        is_valid = False
    if not is_valid:
        raise ScreeningError(f"{label}: {written['composition']!r} is no composition")
    try:
        energy_ev = float(written["energy"]) + float(written.get("correction") or 0.0)
    except (KeyError, TypeError, ValueError):
        energy_ev = math.nan
    if not math.isfinite(energy_ev):
        raise ScreeningError(
            f"{label}: the energy of {composition.reduced_formula} is not a number; leave it out"
        )
    name = f"{composition.reduced_formula} {own_id or ''}".strip()
    return PDEntry(composition, energy_ev, name=name, attribute=own_id)


def _functional(written: Mapping[str, Any]) -> str:
    """Name the functional of a run; with and without U one correction makes them one level."""
    run_type = (written.get("parameters") or {}).get("run_type") or "unstated"
    return str(run_type).replace("_U", "+U").removesuffix("+U")


def _refuse_mixture(found: Collection[str], what: str, where: str) -> None:
    if len(found) > 1:
        raise ScreeningError(
            f"{where}: {what} are mixed ({', '.join(sorted(found))}); one level needs one"
        )


def _keep_lower(kept: dict[str, PDEntry], key: str, entry: PDEntry) -> None:
    if key not in kept or entry.energy_per_atom < kept[key].energy_per_atom:
        kept[key] = entry


def _elements(entry: PDEntry) -> frozenset[str]:
    return frozenset(element.symbol for element in entry.composition)


def _label(entry: PDEntry) -> str:
    return f"{entry.name} ({entry.attribute})" if entry.attribute else entry.name


def _binds_lithium(symbol: str) -> bool:
    element = Element(symbol)
    return symbol == "H" or (element.block == "p" and not element.is_noble_gas)


def _electronegativity(symbol: str) -> float:
    """Pauling's; noble gases without one come first, for they bind nothing."""
    value = Element(symbol).X
    return value if math.isfinite(value) else 0.0
