"""The campaign's configuration: every key, its type, unit, default and limits.

The YAML file a user writes is validated here once, when Snakemake starts. A key
that does not exist is refused together with the nearest one that does.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from ionscout.elements import check_elements
from ionscout.errors import CompositionError, ConfigError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
MaterialId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Temperature = Annotated[float, Field(gt=0, le=5000)]
OnUnknown = Literal["keep", "drop"]

# A set is a module of the package without a leading underscore; see features/__init__.py.
DESCRIPTOR_SETS = tuple(
    sorted(
        path.stem
        for path in (Path(__file__).parent / "features").glob("*.py")
        if not path.stem.startswith("_")
    )
)
DescriptorSetName = Literal[DESCRIPTOR_SETS]

BUNDLED = "bundled"
DEMONSTRATION_PS = 50.0


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BundledSource(Settings):
    """The crystals that come with Ionscout."""

    kind: Literal["bundled"] = Field(description="What the source is.")
    candidates: bool = Field(False, description="May its materials enter the shortlist?")


class SubstitutionSource(Settings):
    """Hypothetical crystals made from another source's by replacing ions."""

    kind: Literal["substitution"] = Field(description="What the source is.")
    candidates: bool = Field(True, description="May its materials enter the shortlist?")
    parents: Name = Field(BUNDLED, description="Name of the source whose crystals are substituted.")
    max_candidates: int = Field(
        100, ge=1, description="Most crystals made; the most probable substitutions first."
    )
    probability_threshold: float = Field(
        1e-3, gt=0, lt=1, description="Least probability of a substitution (Hautier 2011)."
    )


OnFailure = Literal["stop", "skip"]


class PulledSource(Settings):
    """What all databases have in common."""

    candidates: bool = Field(True, description="May its materials enter the shortlist?")
    snapshot: str = Field(
        "1", description="Any text; the database is pulled again only when it changes."
    )
    max_structures: int | None = Field(
        None, ge=1, description="Most structures pulled; the first that the database gives."
    )
    on_failure: OnFailure = Field(
        "stop",
        description="If the database cannot be pulled: stop, or skip it and go on with the others.",
    )


class OptimadeSource(PulledSource):
    """Any database that speaks OPTIMADE."""

    kind: Literal["optimade"] = Field(description="What the source is.")
    provider: str = Field(
        description="Its name (mp, oqmd, cod, jarvis, alexandria, mcloud.mc3d ...) or address."
    )
    filter: str = Field('elements HAS "Li"', description="OPTIMADE filter of what is pulled.")
    page_size: int = Field(100, ge=1, le=1000, description="Structures asked for at once.")
    concurrency: int = Field(2, ge=1, le=8, description="Most requests under way at once.")
    timeout_s: float = Field(60, gt=0, description="Longest wait for an answer, in seconds.")
    max_retries: int = Field(
        6, ge=0, description="Times that a failed request is tried again, waiting longer each time."
    )


class MaterialsProjectSource(PulledSource):
    """The Materials Project by its own interface; the key is read from MP_API_KEY."""

    kind: Literal["materials_project"] = Field(description="What the source is.")
    chemical_systems: tuple[str, ...] | None = Field(
        None, description="Systems such as Li-P-S, their subsystems included; all with Li if empty."
    )
    max_energy_above_hull_ev_atom: float | None = Field(
        0.1, ge=0, description="Highest energy above the hull of what is pulled, in eV per atom."
    )
    elasticity: bool = Field(False, description="Also pull shear and bulk moduli.")
    address: str | None = Field(None, description="Another address of the interface.")


class ObelixSource(PulledSource):
    """Measured conductivities and crystals of the OBELiX training split."""

    kind: Literal["obelix"] = Field(description="What the source is.")
    path: str | None = Field(
        None, description="A folder with the downloaded data; downloaded if empty."
    )


class FolderSource(Settings):
    """A directory of structure files: CIF, POSCAR, extended XYZ, JSON."""

    kind: Literal["folder"] = Field(description="What the source is.")
    candidates: bool = Field(True, description="May its materials enter the shortlist?")
    path: str = Field(description="The directory; read from where Snakemake is started.")
    labels: str | None = Field(
        None,
        description="CSV of measured conductivities, by file, id, or formula and space group.",
    )


AnySource = (
    BundledSource
    | SubstitutionSource
    | FolderSource
    | OptimadeSource
    | MaterialsProjectSource
    | ObelixSource
)
SOURCE_KINDS = get_args(AnySource)
Source = Annotated[AnySource, Field(discriminator="kind")]
STRUCTURE_SOURCE = TypeAdapter(Source)


class DisorderSettings(Settings):
    """How a disordered cell becomes an ordered representative."""

    max_sites: int = Field(120, ge=1, description="Largest ordered cell made, in atoms.")
    max_supercell: int = Field(8, ge=1, description="Largest number of cells combined.")
    representatives: int = Field(
        3,
        ge=1,
        description="Most ordered representatives of a disordered crystal, lowest energy first.",
    )
    n_trials: int = Field(
        200, ge=1, description="Random decorations tried; the lowest Ewald energy is taken."
    )


class StructureSettings(Settings):
    """Where crystals come from and how they are curated."""

    sources: dict[Name, Source] = Field(min_length=1, description="Sources by name.")
    shards: int = Field(
        2, ge=1, le=10_000, description="Number of pieces the materials are cut into."
    )
    max_sites: int = Field(300, ge=1, description="Largest primitive cell accepted, in atoms.")
    min_distance_ang: float = Field(
        0.5, gt=0, description="Closest approach of two atoms, in angstrom."
    )
    min_density_g_cm3: float = Field(0.3, ge=0, description="Least density, in g/cm3.")
    max_density_g_cm3: float = Field(25.0, gt=0, description="Largest density, in g/cm3.")
    vacancy_variants: int = Field(
        0, ge=0, description="Variants with a lithium vacancy made of each candidate."
    )
    disorder: DisorderSettings = DisorderSettings()


class SendekSettings(Settings):
    """The 20 descriptors of Sendek 2017."""

    convention: Literal["periodic", "published"] = Field(
        "periodic",
        description="All images and population deviations; or the 27 nearest cells and sample"
        " deviations, as in the authors' own table, on the curated primitive cell: on another"
        " cell than the authors' some columns differ for 1 to 4 crystals in a hundred.",
    )


class MxrdSettings(Settings):
    """Modified X-ray diffraction pattern (Zhang 2019)."""

    wavelength_ang: float = Field(1.54184, gt=0, description="X-ray wavelength in angstrom.")
    smearing_deg: float = Field(
        0.2, ge=0.05, description="Standard deviation of the peaks in degrees of 2 theta."
    )


class BondValenceSettings(Settings):
    """Percolation barriers of lithium in a bond-valence landscape (bvlain)."""

    grid_spacing_ang: float = Field(0.2, gt=0, description="Spacing of the grid in angstrom.")
    max_sites: int = Field(120, ge=1, description="Largest cell that is tried, in atoms.")


class FeatureSettings(Settings):
    """Which descriptor sets are computed."""

    sets: list[DescriptorSetName] = Field(
        ["sendek", "mxrd", "elemental", "structural"],
        min_length=1,
        description="Descriptor sets of all materials, by name.",
    )
    sets_after_gates: list[DescriptorSetName] = Field(
        [], description="Slow descriptor sets, of the candidates that passed the gates alone."
    )
    max_after_gates: int = Field(
        20, ge=1, description="Most materials of the latter; the most promising first."
    )
    sendek: SendekSettings = SendekSettings()
    mxrd: MxrdSettings = MxrdSettings()
    bond_valence: BondValenceSettings = BondValenceSettings()


# The descriptor sets that each classifier reads; one line a classifier, as in models/registry.py.
CLASSIFIER_SETS: dict[str, tuple[str, ...]] = {
    "sendek2017": ("sendek",),
    "logistic": ("sendek",),
    "sendek_retrained": ("sendek",),
    "linear_svm": ("elemental",),
    "kernel_svm": ("sendek", "elemental"),
    "forest": ("sendek", "elemental", "structural"),
    "stack": ("sendek", "elemental", "structural"),
    "esml": ("sendek", "elemental"),
}
ClassifierName = Literal[tuple(CLASSIFIER_SETS)]


class ModelSettings(Settings):
    """Which classifiers judge whether a material conducts fast."""

    names: list[ClassifierName] = Field(
        [name for name in CLASSIFIER_SETS if name != "stack"],
        min_length=1,
        description="Classifiers by name.",
    )
    fast_threshold_s_cm: float = Field(
        1e-4,
        gt=0,
        description="Room-temperature conductivity, in S/cm, from which a material is fast.",
    )
    ridge_penalty: float = Field(
        1.0,
        gt=0,
        description="L2 penalty of the logistic regressions, on standardised columns.",
    )
    max_features: int | None = Field(
        2,
        ge=1,
        description="Most descriptors in a subset that sendek_retrained searches; null searches"
        " all 2^20, some minutes a fit and hours to validate.",
    )
    n_trees: int = Field(100, ge=1, description="Trees of the random forest.")
    n_folds: int = Field(5, ge=2, description="Folds of each grouped cross-validation.")
    n_repeats: int = Field(3, ge=1, description="Times that the groups are dealt out anew.")
    n_randomisations: int = Field(
        10, ge=2, description="Shuffles of the descriptors in the X-randomisation."
    )


# The classifiers that are linear in the columns of the composition.
COMPOSITION_CLASSIFIERS = ("linear_svm", "esml")


class CompositionSettings(Settings):
    """All compounds Li-X-Y and Li-X-Y-Z, judged by their composition alone."""

    enabled: bool = Field(False, description="Are compositions scored?")
    model: Literal[COMPOSITION_CLASSIFIERS] = Field(
        "linear_svm",
        description="Which of the models.names scores: one linear in the composition alone.",
    )
    elements: list[str] | None = Field(
        None,
        description="Elements beside lithium, by symbol; null takes the 75 up to bismuth, noble"
        " gases, Tc and Pm left out.",
    )
    max_amount: int = Field(
        24,
        ge=1,
        le=24,
        description="Largest amount of an element in a formula; 24 makes 21 billion compositions"
        " of 75 elements.",
    )
    least_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Least share of an element's ICSD entries that an oxidation state needs to"
        " count for neutrality; 0 for SMACT's states.",
    )
    n_top: int = Field(
        100_000, ge=0, le=10_000_000, description="How many of the best neutral ones are listed."
    )
    also_all: bool = Field(
        False, description="Are the best also listed without regard to neutrality?"
    )
    n_bins: int = Field(1000, ge=1, le=100_000, description="Bins of the histogram of scores.")
    shards: int = Field(
        4, ge=1, le=10_000, description="Jobs that the compositions are divided among, twice."
    )
    threads: int = Field(4, ge=1, description="Most threads of a job.")

    @field_validator("model", mode="before")
    @classmethod
    def _is_linear(cls, value: Any) -> Any:
        names = [name for name in CLASSIFIER_SETS if name not in COMPOSITION_CLASSIFIERS]
        if value in names:
            choice = " or ".join(COMPOSITION_CLASSIFIERS)
            raise ValueError(f"it is not linear in the composition alone; choose {choice}")
        return value

    @field_validator("elements")
    @classmethod
    def _make_compounds(cls, value: list[str] | None) -> list[str] | None:
        if value is not None:
            try:
                check_elements(value)
            except CompositionError as error:
                raise ValueError(str(error)) from None
        return value


# The clusterings and the descriptor set that each reads; see models/clusters/registry.py.
CLUSTERING_SETS = {
    "ward": "mxrd",
    "spectral": "mxrd",
    "bisection": "mxrd",
    "anion_lattice": "structural",
    "kmeans": "mxrd",
    "global_kmeans": "mxrd",
}
# Those that cut a graph of nearest neighbours.
NEIGHBOUR_CLUSTERINGS = ("spectral", "bisection", "anion_lattice")


class PromisingSettings(Settings):
    """Which clusters are promising, by the known conductors in them."""

    rule: Literal["enriched", "fraction"] = Field(
        "enriched",
        description="`enriched`: more fast conductors than chance would put there;"
        " `fraction`: enough of the measured ones are fast.",
    )
    max_p_value: float = Field(
        0.05, gt=0, le=1, description="Largest corrected p-value of an enriched cluster."
    )
    min_fraction_fast: float = Field(
        0.5, gt=0, le=1, description="Least share of fast ones, by the rule `fraction`."
    )
    min_labelled: int = Field(3, ge=1, description="Fewest measured materials, by either rule.")


class ClusterSettings(Settings):
    """Which clusterings group the materials."""

    names: list[Literal[tuple(CLUSTERING_SETS)]] = Field(
        [name for name in CLUSTERING_SETS if name != "kmeans"],
        description="Clusterings by name; the shortlist shows the clusters of the first.",
    )
    n_clusters: int | Literal["auto"] = Field(
        7, description="Number of clusters, from 2; or `auto`, to choose it without labels."
    )
    criterion: Literal["silhouette", "gap", "stability"] = Field(
        "silhouette", description="What `auto` chooses by."
    )
    max_clusters: int = Field(20, ge=2, description="Most clusters that `auto` looks at.")
    n_neighbours: int = Field(
        30, ge=2, description="Neighbours of a material in the graph of the spectral clusterings."
    )
    promising: PromisingSettings = PromisingSettings()

    @field_validator("n_clusters", mode="before")
    @classmethod
    def _is_a_number_of_clusters(cls, value: Any) -> Any:
        if value != "auto" and (type(value) is not int or value < 2):
            raise ValueError("give a whole number from 2, or `auto`")
        return value

    def feature_set(self, clustering: str) -> str:
        """Name the descriptor set that a clustering reads."""
        return CLUSTERING_SETS[clustering]

    def used_by(self, clustering: str) -> dict[str, Any]:
        """Select the settings that a clustering uses, as plain data: no other reruns it."""
        used = {"n_clusters"}
        if self.n_clusters == "auto":
            used |= {"criterion", "max_clusters"}
        if clustering in NEIGHBOUR_CLUSTERINGS:
            used.add("n_neighbours")
        return self.model_dump(mode="json", include=used)


REGRESSOR_NAMES = ("svr", "pls", "gaussian_process", "forest", "average")


class SplitSettings(Settings):
    """A table of measured conductivities to learn from, and another to predict; see score_split."""

    train: str = Field(description="Folder with train.csv, or the CSV, in OBELiX's columns.")
    test: str | None = Field(
        None, description="Folder with test.csv, or the CSV; its conductivities may be missing."
    )


class RegressionSettings(Settings):
    """Which regressors predict the logarithm of the room-temperature conductivity."""

    names: list[Literal[REGRESSOR_NAMES]] = Field(
        list(REGRESSOR_NAMES), min_length=1, description="Regressors by name."
    )
    interval_level: float = Field(
        0.9, gt=0, lt=1, description="Share of new measured values that an interval is to hold."
    )
    n_trees: int = Field(50, ge=1, description="Trees of a forest.")
    n_bootstrap: int = Field(
        25, ge=2, description="Bootstrap samples for the intervals of svr and pls."
    )
    n_inner_folds: int = Field(
        4, ge=2, description="Grouped folds for the intervals of the other regressors."
    )
    n_folds: int = Field(5, ge=2, description="Folds of each cross-validation.")
    n_repeats: int = Field(1, ge=1, description="Times that the groups are dealt out anew.")
    split: SplitSettings | None = Field(
        None, description="A split to be scored beside the campaign; none by default."
    )


class Gate(Settings):
    """A gate of the funnel; each answers pass, fail or unknown."""

    enabled: bool = Field(True, description="Is the gate applied?")
    on_unknown: OnUnknown = Field(
        "keep", description="What becomes of a material without an answer."
    )


class ElementGate(Gate):
    """Refuses materials that contain unwanted elements."""

    transition_metals: bool = Field(
        True, description="Refuse the metals of groups 3 to 12, La to Lu left out?"
    )
    d0_metals: bool = Field(
        False,
        description="Keep transition metals without d electrons (Sc, Y, Ti, Zr, Hf, Nb, Ta, in"
        " their full oxidation state alone)?",
    )
    radioactive: bool = Field(True, description="Refuse elements without a stable isotope?")
    toxic: bool = Field(False, description="Refuse Be, As, Cd, Hg, Tl and Pb?")
    elements: list[str] = Field([], description="Further elements to refuse, by symbol.")


class AbundanceGate(Gate):
    """Refuses materials of rare or dear elements."""

    enabled: bool = Field(False, description="Is the gate applied?")
    min_crust_mg_kg: float = Field(
        0.4, ge=0, description="Least abundance of its rarest element in the crust, in mg/kg."
    )
    max_cost_usd_kg: float | None = Field(
        None, gt=0, description="Highest cost of its elements, in US dollars per kg of compound."
    )


class HullGate(Gate):
    """Refuses unstable materials."""

    max_ev_atom: float = Field(
        0.025, ge=0, description="Largest energy above the hull in eV per atom, without heat."
    )
    temperature_k: float = Field(
        300, ge=0, description="Allowance for entropy: k T per atom at this temperature is added."
    )


class BandGapGate(Gate):
    """Refuses electronic conductors."""

    min_ev: float = Field(
        1.0,
        ge=0,
        description="Least band gap in eV. Those of PBE are 30 to 50 % too small: 1 eV refuses"
        " Li3N, 0.98 there and 2.2 measured.",
    )


class WindowGate(Gate):
    """Refuses what is reduced or oxidised too easily; limits in V against lithium."""

    enabled: bool = Field(False, description="Is the gate applied?")
    max_reduction_v: float | None = Field(
        None, description="Highest reduction limit; null for any."
    )
    min_oxidation_v: float | None = Field(2.0, description="Least oxidation limit; null for any.")
    min_width_v: float = Field(0.0, ge=0, description="Least width of the window.")


class LithiumGate(Gate):
    """Refuses what lithium metal reduces."""

    enabled: bool = Field(False, description="Is the gate applied?")
    max_reaction_ev_atom: float = Field(
        0.1, ge=0, description="Largest energy that the reaction sets free, in eV per atom."
    )


class CathodeGate(LithiumGate):
    """Refuses what reacts with a cathode, at the worst ratio of mixing."""


class MoistureGate(LithiumGate):
    """Refuses what reacts with water."""

    refuse_h2s: bool = Field(True, description="Refuse what gives off H2S, however little?")


class ShearGate(Gate):
    """Refuses what is too soft to hold back dendrites (Monroe and Newman 2005)."""

    enabled: bool = Field(
        False,
        description="Is the gate applied? The limit is for polymers; stiff garnets fail all the"
        " same.",
    )
    min_gpa: float = Field(8.5, gt=0, description="Least shear modulus in GPa.")


class ModelGate(Gate):
    """Refuses what the models judge slow."""

    min_probability: float = Field(
        0.5, ge=0, le=1, description="Least mean probability, over the classifiers, of being fast."
    )


class CellGate(Gate):
    """Refuses materials whose cell for dynamics would exceed `dynamics.max_atoms`."""


class GateSettings(Settings):
    """The gates, in the order in which they are applied."""

    elements: ElementGate = ElementGate()
    abundance: AbundanceGate = AbundanceGate()
    hull: HullGate = HullGate()
    band_gap: BandGapGate = BandGapGate()
    window: WindowGate = WindowGate()
    lithium: LithiumGate = LithiumGate()
    cathodes: CathodeGate = CathodeGate()
    moisture: MoistureGate = MoistureGate()
    shear_modulus: ShearGate = ShearGate()
    models: ModelGate = ModelGate()
    cell: CellGate = CellGate()


BUNDLED_LEVELS = ("experiment", "materials_project_2018")


class StabilitySettings(Settings):
    """Phase diagrams: on which energies they stand, and what is reacted with what."""

    level: Literal[(*BUNDLED_LEVELS, "source", "file")] = Field(
        "materials_project_2018",
        description="Energies of the phase diagrams, all of one level: a bundled table, the"
        " entries of a `materials_project` source, or a file of pymatgen entries.",
    )
    source: Name | None = Field(None, description="With level `source`: its name.")
    file: str | None = Field(
        None, description="With level `file`: a JSON list of pymatgen entries, perhaps gzipped."
    )
    max_predicted: int = Field(
        20,
        ge=0,
        description="Most candidates without an energy that CHGNet relaxes and compares with the"
        " level, the most promising first; for `materials_project_2018` alone.",
    )
    cathodes: list[str] = Field(
        ["LiCoO2", "LiFePO4"], description="Formulas of the cathodes that candidates meet."
    )
    charge_voltage_v: float = Field(
        4.2, gt=0, description="Potential of a charged cathode in V against lithium."
    )

    @model_validator(mode="after")
    def _level_has_its_place(self) -> StabilitySettings:
        for level in ("source", "file"):
            if (self.level == level) != (getattr(self, level) is not None):
                raise ValueError(f"level `{level}` and the key `{level}` go together")
        return self


class RankingSettings(Settings):
    """Weights of what ranks the candidates that passed the gates; each part is from 0 to 1."""

    probability: float = Field(1.0, ge=0, description="Of the mean probability of being fast.")
    enrichment: float = Field(
        0.25, ge=0, description="Of the share of fast conductors in its clusters."
    )
    applicability: float = Field(
        0.25, ge=0, description="Of the share of classifiers in whose domain it is."
    )
    window: float = Field(
        0.25, ge=0, description="Of the width of its window, 3 V and more counting as 1."
    )
    diversity: float = Field(
        0.25,
        ge=0,
        description="Of its distance in composition from those chosen before it.",
    )


class ControlSettings(Settings):
    """A known material that runs beside the candidates."""

    material_id: MaterialId = Field(description="Its id; `bundled-...` is always there.")
    temperatures_k: list[Temperature] = Field(
        min_length=1, description="Its temperatures in kelvin."
    )


class ScreeningSettings(Settings):
    """The funnel and the shortlist."""

    stability: StabilitySettings = StabilitySettings()
    gates: GateSettings = GateSettings()
    ranking: RankingSettings = RankingSettings()
    choices: str | None = Field(
        None,
        description="CSV with the columns material_id, choice (`pin` or `ban`) and reason: what"
        " enters the shortlist, or never does, whatever the gates say.",
    )
    shortlist_size: int = Field(2, ge=0, description="Number of candidates that go on to dynamics.")
    positive_control: ControlSettings = ControlSettings(
        material_id="bundled-li3n", temperatures_k=[700, 850, 1000]
    )
    negative_control: ControlSettings = ControlSettings(
        material_id="bundled-licl", temperatures_k=[600, 700, 800]
    )


class SecondWaveSettings(Settings):
    """Further temperatures, run where the first wave's verdicts call for them."""

    temperatures_k: list[Temperature] = Field(
        [],
        description="Its temperatures in kelvin, of controls too; what a material's first wave has"
        " is left out.",
    )
    replicas: int | None = Field(
        None, ge=1, description="Runs a temperature; as many as in the first wave where empty."
    )
    least_diffusive: int = Field(
        2, ge=0, description="Fewest diffusive temperatures of the first wave for it to run."
    )


class RelaxSettings(Settings):
    """Relaxation of cell and sites by the engine."""

    force_tolerance_ev_ang: float = Field(
        0.05, gt=0, description="Largest force left, in eV per angstrom."
    )
    stress_tolerance_gpa: float = Field(
        0.1, gt=0, description="Largest stress left, in GPa; GPAW keeps the lattice as it is."
    )
    max_steps: int = Field(200, ge=0, description="Most steps; 0 leaves the structure as it is.")


class ChgnetSettings(Settings):
    """The CHGNet potential (Deng 2023)."""

    threads: int = Field(1, ge=1, description="CPU threads of one run.")


class GpawSettings(Settings):
    """Density functional theory with GPAW, plane waves by default."""

    mode: Literal["pw", "lcao"] = Field(
        "pw", description="Plane waves, or atomic orbitals (no stress, slower in small cells)."
    )
    cutoff_ev: float | None = Field(
        None, gt=0, description="Plane-wave cutoff in eV; by the elements where empty."
    )
    basis: str = Field("dzp", description="Atomic orbitals of `lcao`.")
    grid_spacing_ang: float = Field(0.2, gt=0, description="Grid of `lcao`, in angstrom.")
    functional: str = Field("PBE", description="Exchange-correlation functional.")
    kpoint_density_ang: float = Field(
        1.5, ge=0, description="k-points per reciprocal angstrom; 0 is the Gamma point alone."
    )
    smearing_ev: float = Field(0.05, ge=0, description="Fermi-Dirac width in eV.")
    spin: bool | None = Field(
        None, description="Are spins polarised? By the elements where empty: open d and f shells."
    )
    energy_tolerance_ev: float = Field(
        5e-4, gt=0, description="Convergence of the energy, in eV per valence electron."
    )
    density_tolerance: float = Field(
        1e-4, gt=0, description="Convergence of the density, per valence electron."
    )
    eigenstates_tolerance: float = Field(
        1e-5, gt=0, description="Convergence of the eigenstates, in eV^2 per valence electron."
    )
    ranks: int = Field(
        1, ge=1, description="MPI ranks; more than 1 need mpiexec and a GPAW built with MPI."
    )
    python: str | None = Field(
        None,
        description="Interpreter of the GPAW that runs in processes of its own;"
        " this one where empty.",
    )


POTENTIALS = ("mace", "sevennet", "mattersim", "orb")
ENGINES = ("auto", "chgnet", "gpaw", *POTENTIALS, "lennard-jones", "external")


def _is_an_engine(name: str) -> str:
    """Let the known names and `package.module:factory` through."""
    module, _, factory = name.partition(":")
    if name in ENGINES or (factory.isidentifier() and _is_dotted(module)):
        return name
    raise ValueError(f"take one of {', '.join(ENGINES)}, or package.module:factory")


def _is_a_potential(name: str) -> str:
    if name in POTENTIALS or (":" in name and _is_an_engine(name)):
        return name
    raise ValueError(f"take one of {', '.join(POTENTIALS)}, or package.module:factory")


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


class PotentialSettings(Settings):
    """Any other potential with an ASE calculator: mace, sevennet, mattersim, orb or your own."""

    name: Annotated[str, AfterValidator(_is_a_potential)] | None = Field(
        None,
        description="The potential that `engine: auto` takes before CHGNet:"
        f" {', '.join(POTENTIALS)} or `package.module:factory`.",
    )
    model: str | None = Field(
        None, description="A model's name or file; the package's own choice where empty."
    )
    device: str | None = Field(
        None, description="`cpu` or `cuda`; the package's own choice where empty."
    )
    dtype: Literal["float32", "float64"] | None = Field(
        None, description="Precision of mace and orb; the package's own choice where empty."
    )
    arguments: dict[str, Any] = Field(
        {}, description="Further keyword arguments of the calculator."
    )


class AuditSettings(Settings):
    """GPAW checks the energies and forces of a machine-learned potential on snapshots."""

    enabled: bool = Field(True, description="Is the audit run?")
    max_atoms: int = Field(36, ge=1, description="Largest cell audited, in atoms.")
    snapshots: int = Field(
        3, ge=1, description="Snapshots of each run; fewer where it is too short to forget."
    )
    budget_minutes: float = Field(
        60.0,
        ge=0,
        description="Time for the snapshots of one material, in minutes; the first is always"
        " computed.",
    )
    cutoff_ev: float = Field(500.0, gt=0, description="GPAW's plane-wave cutoff in eV.")


class DefectSettings(Settings):
    """Lithium taken out of each cell that runs, or put in, before its sites are relaxed."""

    lithium_vacancies: int = Field(
        0, ge=0, description="Lithium ions taken out, far from each other."
    )
    lithium_interstitials: int = Field(
        0, ge=0, description="Lithium ions put into the widest voids."
    )


class DynamicsSettings(Settings):
    """Molecular dynamics of the shortlist."""

    engine: Annotated[str, AfterValidator(_is_an_engine)] = Field(
        "auto",
        description=f"What computes the forces: {', '.join(ENGINES)} or `package.module:factory`,"
        " which returns an ASE calculator; `auto` takes the best that is installed and fits.",
    )
    temperatures_k: list[Temperature] = Field(
        [800, 1000, 1200], min_length=1, description="The candidates' temperatures in kelvin."
    )
    expansion_ps: float = Field(
        0.0,
        ge=0,
        description="Length in ps of a run at zero pressure before the equilibration, whose mean"
        " volume the rest keeps: thermal expansion. 0 keeps the relaxed lattice.",
    )
    equilibration_ps: float = Field(
        2.0,
        ge=0,
        description="Length of the equilibration in ps. The first half of it heats, or that of the"
        " expansion.",
    )
    replicas: int = Field(
        1, ge=1, description="Runs of each material at each temperature, each with its own seed."
    )
    second_wave: SecondWaveSettings = SecondWaveSettings()
    external: str | None = Field(
        None,
        description="With engine `external`: a folder of trajectories that you ran elsewhere, laid"
        " out as for `make trajectories`, its first folders named by material_id.",
    )
    production_ps: float = Field(
        DEMONSTRATION_PS,
        gt=0,
        description="Length of the production run in ps, at most; below"
        f" {DEMONSTRATION_PS:g} the report calls it a demonstration.",
    )
    stop_when_settled: bool = Field(
        True,
        description="Does a run end before `production_ps` where its verdict is settled? It looks"
        " each 5 ps.",
    )
    timestep_fs: float | None = Field(
        None, gt=0, le=5, description="Time step in fs; by the lightest ion where empty."
    )
    thermostat_time_ps: float = Field(
        0.2, gt=0, description="Relaxation time of the thermostat in ps."
    )
    frame_interval_fs: float = Field(20.0, gt=0, description="Time between stored frames in fs.")
    segment_ps: float = Field(1.0, gt=0, description="Time between restart files in ps.")
    min_image_distance_ang: float = Field(
        10.0, gt=0, description="Least distance of an atom from its own image, in angstrom."
    )
    max_atoms: int = Field(200, ge=1, description="Largest cell run, in atoms.")
    gpaw_max_atoms: int = Field(
        0, ge=0, description="Largest cell for which `auto` takes GPAW, in atoms; 0 means never."
    )
    defects: DefectSettings = DefectSettings()
    gpaw_max_hours: float = Field(
        48.0,
        gt=0,
        description="Longest run for which `auto` takes GPAW, in hours, by a rough estimate.",
    )
    relax: RelaxSettings = RelaxSettings()
    chgnet: ChgnetSettings = ChgnetSettings()
    gpaw: GpawSettings = GpawSettings()
    potential: PotentialSettings = PotentialSettings()
    audit: AuditSettings = AuditSettings()

    @model_validator(mode="after")
    def _external_has_its_folder(self) -> DynamicsSettings:
        if (self.engine == "external") != (self.external is not None):
            raise ValueError(
                "engine `external` and the folder in `external` go together; give both or neither"
            )
        return self


class TransportSettings(Settings):
    """From trajectories to a conductivity."""

    credible_level: float = Field(0.95, gt=0, lt=1, description="Probability inside each interval.")
    min_temperatures: int = Field(
        3, ge=3, description="Fewest diffusive temperatures for an Arrhenius extrapolation."
    )


class Campaign(Settings):
    """A whole campaign, as written in its YAML file."""

    campaign: Name = Field(description="Its name; results go to `results/<campaign>/`.")
    seed: int = Field(2026, ge=0, lt=2**32, description="Seed of everything random.")
    max_failure_rate: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A stage stops the campaign when more than this share of its materials fails.",
    )
    structures: StructureSettings
    features: FeatureSettings = FeatureSettings()
    models: ModelSettings = ModelSettings()
    compositions: CompositionSettings = CompositionSettings()
    regression: RegressionSettings = RegressionSettings()
    clusters: ClusterSettings = ClusterSettings()
    screening: ScreeningSettings = ScreeningSettings()
    dynamics: DynamicsSettings = DynamicsSettings()
    transport: TransportSettings = TransportSettings()
    trajectories: str | None = Field(
        None,
        description="A folder of trajectories that you ran elsewhere, analysed by `make"
        " trajectories` without the rest of the campaign.",
    )

    @model_validator(mode="before")
    @classmethod
    def _always_know_the_bundled_crystals(cls, data: Any) -> Any:
        """Add the bundled source, for labels and controls, where the user left it out."""
        try:
            sources = data["structures"]["sources"]
            if BUNDLED in sources:
                return data
            sources = {**sources, BUNDLED: {"kind": BUNDLED, "candidates": False}}
        except (TypeError, KeyError):
            return data
        return {**data, "structures": {**data["structures"], "sources": sources}}

    @model_validator(mode="after")
    def _classifiers_have_their_descriptors(self) -> Campaign:
        for name in self.models.names:
            for descriptors in CLASSIFIER_SETS[name]:
                if descriptors not in self.features.sets:
                    raise ValueError(
                        f"models.names: {name!r} reads the descriptors {descriptors!r}, which"
                        " features.sets lacks; add them there, or leave the classifier out"
                    )
        return self

    @model_validator(mode="after")
    def _compositions_have_their_model(self) -> Campaign:
        name = self.compositions.model
        if self.compositions.enabled and name not in self.models.names:
            raise ValueError(
                f"compositions.model: {name!r} is not trained; add it to models.names, or choose"
                " one that is there"
            )
        return self

    @model_validator(mode="after")
    def _clusterings_have_their_descriptors(self) -> Campaign:
        for name in self.clusters.names:
            descriptors = CLUSTERING_SETS[name]
            if descriptors not in self.features.sets:
                raise ValueError(
                    f"clusters.names: {name!r} reads the descriptors {descriptors!r}, which"
                    " features.sets lacks; add them there, or leave the clustering out"
                )
        return self

    @model_validator(mode="after")
    def _sources_fit_together(self) -> Campaign:
        sources = self.structures.sources
        for name, source in sources.items():
            key = f"structures.sources.{name}"
            if (name == BUNDLED) != (source.kind == BUNDLED):
                raise ValueError(f"{key}: the name and the kind {BUNDLED!r} go together, once")
            if source.kind == "substitution":
                parent = sources.get(source.parents)
                if parent is None or parent.kind == "substitution":
                    raise ValueError(
                        f"{key}.parents: {source.parents!r} is not a source of real crystals"
                    )
        name = self.screening.stability.source
        if name is not None and getattr(sources.get(name), "kind", None) != "materials_project":
            raise ValueError(
                f"screening.stability.source: {name!r} is no source of kind `materials_project`"
            )
        return self


def load_campaign(config: dict[str, Any]) -> Campaign:
    """Validate a campaign.

    Parameters
    ----------
    config : dict
        The parsed YAML.

    Returns
    -------
    Campaign

    Raises
    ------
    ConfigError
        One line a fault: the key, what is wrong with it and, for an unknown
        key, the nearest known one.
    """
    try:
        return Campaign.model_validate(config)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault) for fault in error.errors())) from None


def _explain(fault: Any) -> str:
    """Say in one line what is wrong with one key."""
    tags = {model.model_fields["kind"].annotation.__args__[0] for model in SOURCE_KINDS}
    path = [str(part) for part in fault["loc"]]
    key = ".".join(
        part
        for i, part in enumerate(path)
        if not (part in tags and path[i - 2 : i - 1] == ["sources"])
    )
    if fault["type"] == "extra_forbidden":
        return f"config: unknown key {key!r}{_nearest(path[-1])}"
    if fault["type"] == "union_tag_invalid":
        kind, known = fault["ctx"]["tag"], fault["ctx"]["expected_tags"]
        return f"config: {key}.kind: {kind!r} is not one of {known}"
    message = fault["msg"].removeprefix("Value error, ")
    if isinstance(fault["input"], str | int | float):
        message += f", not {fault['input']!r}"
    if fault["type"] == "missing":
        return f"config: key {key!r} is missing"
    return f"config: {key + ': ' if key else ''}{message}"


def _nearest(key: str) -> str:
    known = {name for model in Settings.__subclasses__() for name in model.model_fields}
    known |= {name for model in Gate.__subclasses__() for name in model.model_fields}
    match = difflib.get_close_matches(key, sorted(known - {key}), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""
