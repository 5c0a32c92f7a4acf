"""The crystals that come with Ionscout: read, checked and turned into structures.

The files of `resources/crystals/` say of each crystal its space group, lattice
and symmetry-distinct sites, its measured conductivities, and where each value
was read; `resources/README.md` explains the format.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.symmetry.groups import SpaceGroup

from ionscout.bundled.sources import (
    RESOURCES,
    UNTRACED,
    Source,
    first_fault,
    load_sources,
    read_yaml,
)
from ionscout.errors import BundledDataError

_STRICT = ConfigDict(extra="forbid")
_SAME_SITE = 1e-3  # fractional distance below which two images of a site are one
_COMPOSITION_TOLERANCE = 0.01  # atoms per formula unit


def _number(value: Any) -> Any:
    """Read a number, which may be written as a fraction such as 1/3."""
    return float(Fraction(value)) if isinstance(value, str) else value


Coordinate = Annotated[float, BeforeValidator(_number)]
Occupancy = Annotated[float, BeforeValidator(_number), Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Proof = Literal[
    "symmetry", "neutrality", "distances", "density", "relaxation", "conductivity", "match"
]
Angle = Annotated[float, Field(gt=0, lt=180)]


@dataclass(frozen=True, config=_STRICT)
class Cell:
    """The conventional unit cell: edges in angstrom, angles in degrees."""

    a_ang: Positive
    b_ang: Positive
    c_ang: Positive
    alpha_deg: Angle
    beta_deg: Angle
    gamma_deg: Angle


@dataclass(frozen=True, config=_STRICT)
class Site:
    """A symmetry-distinct site: occupancy by element and fractional coordinates."""

    label: str
    species: dict[str, Occupancy]
    xyz: tuple[Coordinate, Coordinate, Coordinate]


@dataclass(frozen=True, config=_STRICT)
class Origin:
    """Where a crystal, or its computed properties, were read.

    `reference` is the original (a DOI, a database id), `read_in` the key of
    the collection in `sources` where it was read.
    """

    reference: str
    read_in: str
    method: Literal["dft", "x-ray", "neutron", "derived"]
    note: str = ""


@dataclass(frozen=True, config=_STRICT)
class Conductivity:
    """A measured ionic conductivity near room temperature."""

    sigma_s_cm: Positive
    temperature_k: Positive
    kind: Literal["bulk", "total", "unknown"]
    reference: str
    read_in: str
    is_upper_bound: bool = False
    activation_energy_ev: Positive | None = None
    note: str = ""


@dataclass(frozen=True, config=_STRICT)
class Crystal:
    """A known crystal: how it is built and how well it conducts lithium.

    `formula` is one formula unit, of which the conventional cell holds
    `formula_units`. `space_group` is a Hermann-Mauguin symbol with its setting
    where the group has several (`:1`, `:2` for the origin, `:H`, `:R` for the axes).
    `exceptions` says by proof (`ionscout.bundled`) why the crystal need not pass it.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    name: str
    formula: str
    formula_units: Annotated[int, Field(gt=0)]
    family: str
    phase: str
    space_group: str
    space_group_number: Annotated[int, Field(ge=1, le=230)]
    lattice: Cell
    sites: tuple[Site, ...]
    origin: Origin
    conductivities: tuple[Conductivity, ...]
    exceptions: dict[Proof, str] = Field(default_factory=dict)
    band_gap_ev: Annotated[float, Field(ge=0)] | None = None
    energy_above_hull_ev_atom: Annotated[float, Field(ge=0)] | None = None
    properties_reference: str | None = None

    def structure(self) -> Structure:
        """Build the conventional cell.

        Returns
        -------
        Structure
            Disordered where the crystal is; site labels are those of the data.

        Raises
        ------
        BundledDataError
            When the sites do not make the stated formula, or the symbol and
            the number of the space group disagree.
        """
        cell = self.lattice
        lattice = Lattice.from_parameters(
            cell.a_ang, cell.b_ang, cell.c_ang, cell.alpha_deg, cell.beta_deg, cell.gamma_deg
        )
        try:
            number = SpaceGroup(self.space_group).int_number
            structure = Structure.from_spacegroup(
                self.space_group,
                lattice,
                [site.species for site in self.sites],
                [site.xyz for site in self.sites],
                labels=[site.label for site in self.sites],
                tol=_SAME_SITE,
            )
        except ValueError as error:
            raise BundledDataError(f"crystal {self.id!r}: {error}") from None
        if number != self.space_group_number:
            raise BundledDataError(
                f"crystal {self.id!r}: space group {self.space_group} is number {number}, "
                f"not {self.space_group_number}"
            )
        self._check_composition(structure)
        return structure

    def _check_composition(self, structure: Structure) -> None:
        """Refuse a cell that does not hold the stated number of formula units."""
        stated = Composition(self.formula)
        found = structure.composition / self.formula_units
        elements = set(stated) | set(found)
        if any(abs(stated[e] - found[e]) > _COMPOSITION_TOLERANCE for e in elements):
            raise BundledDataError(
                f"crystal {self.id!r}: the sites make {found.formula}, not {stated.formula}"
            )

    def labels(self) -> list[dict[str, Any]]:
        """List the measured conductivities whose source is known.

        Returns
        -------
        list of dict
            Keys sigma_s_cm, is_upper_bound, temperature_k, kind,
            activation_energy_ev and reference; values marked `untraced` are left out.
        """
        return [
            {
                "sigma_s_cm": measured.sigma_s_cm,
                "is_upper_bound": measured.is_upper_bound,
                "temperature_k": measured.temperature_k,
                "kind": measured.kind,
                "activation_energy_ev": measured.activation_energy_ev,
                "reference": f"{measured.reference} (read in {measured.read_in})",
            }
            for measured in self.conductivities
            if measured.reference != UNTRACED
        ]


_CRYSTAL = TypeAdapter(Crystal)


def _parse(entry: Any, sources: dict[str, Source], path: Path) -> Crystal:
    """Check one crystal; its faults are named by its id and their key."""
    name = entry.get("id", "?") if isinstance(entry, dict) else "?"
    try:
        crystal = _CRYSTAL.validate_python(entry)
    except ValidationError as error:
        raise BundledDataError(f"{path}: crystal {name!r}: {first_fault(error)}") from None
    for read_in in (crystal.origin.read_in, *(c.read_in for c in crystal.conductivities)):
        if read_in not in sources:
            raise BundledDataError(f"{path}: crystal {name!r}: unknown source {read_in!r}")
    return crystal


def crystal_files(resources: str | Path = RESOURCES) -> list[str]:
    """List the files that the bundled crystals are read from.

    Parameters
    ----------
    resources : path-like
        The folder that holds `sources.yaml` and `crystals/`.

    Returns
    -------
    list of str
        The list of sources, then the files of crystals in the order of their names.
    """
    resources = Path(resources)
    files = sorted((resources / "crystals").glob("*.yaml"))
    return [str(resources / "sources.yaml"), *map(str, files)]


def load_crystals(resources: str | Path = RESOURCES) -> list[Crystal]:
    """Read crystals in Ionscout's own format.

    Parameters
    ----------
    resources : path-like
        The folder that holds `sources.yaml` and `crystals/`.

    Returns
    -------
    list of Crystal
        In the order of the files' names, and of each file.

    Raises
    ------
    BundledDataError
        When a file is missing or not of the format; the crystal is named.
    """
    sources = load_sources(resources)
    crystals: list[Crystal] = []
    for path in map(Path, crystal_files(resources)[1:]):
        entries = read_yaml(path)
        if not isinstance(entries, list):
            raise BundledDataError(f"{path}: needs a list of crystals")
        crystals += [_parse(entry, sources, path) for entry in entries]
    ids = [crystal.id for crystal in crystals]
    repeated = sorted({i for i in ids if ids.count(i) > 1})
    if repeated:
        raise BundledDataError(f"{resources}: crystal {repeated[0]!r} is there more than once")
    return crystals


def bundled_records(resources: str | Path = RESOURCES) -> list[dict[str, Any]]:
    """Write the crystals up as records of a source file.

    Parameters
    ----------
    resources : path-like
        The folder that holds `sources.yaml` and `crystals/`.

    Returns
    -------
    list of dict
        One a crystal, with the keys of a source file: material_id, source,
        structure, properties, labels, provenance and parent_id.

    Raises
    ------
    BundledDataError
        When a crystal cannot be read or built.
    """
    return [
        {
            "material_id": f"bundled-{crystal.id}",
            "source": "bundled",
            "structure": crystal.structure().as_dict(),
            "properties": {
                "band_gap_ev": crystal.band_gap_ev,
                "energy_above_hull_ev_atom": crystal.energy_above_hull_ev_atom,
            },
            "labels": crystal.labels(),
            "provenance": f"{crystal.origin.reference} (read in {crystal.origin.read_in})",
            "parent_id": None,
        }
        for crystal in load_crystals(resources)
    ]
