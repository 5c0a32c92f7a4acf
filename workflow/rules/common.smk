# The validated campaign, and the look-ups that the rules share.
import csv
import functools
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from ionscout.config import CLASSIFIER_SETS, load_campaign
from ionscout.dynamics.records import EXTERNAL
from ionscout.errors import ConfigError, TransportError
from ionscout.job import end_with_parent
from ionscout.stages import STAGE_VERSIONS
from ionscout.structures.crystals import crystal_files
from ionscout.structures.files import digest_files, folder_files, obelix_files

if workflow.exec_mode.name == "SUBPROCESS":
    end_with_parent()

try:
    CAMPAIGN = load_campaign(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

SOURCES = CAMPAIGN.structures.sources
ENTRY_SOURCES = [
    name for name, source in SOURCES.items() if source.kind == "materials_project"
]
OWN_SOURCES = [name for name, source in SOURCES.items() if source.kind == "folder"]
SHARDS = range(CAMPAIGN.structures.shards)


wildcard_constraints:
    campaign=CAMPAIGN.campaign,
    source="[A-Za-z0-9_-]+",
    shard=r"\d+",
    descriptors="[a-z_]+",
    model="[a-z0-9_]+",
    clustering="[a-z_]+",
    material="[A-Za-z0-9_.-]+",
    temperature=r"[0-9.]+",
    replica=r"\d+",


def refuse_unwritable(folder):
    """Stop before any job does where the results cannot be written, say on a read-only mount."""
    if folder.exists() and not os.access(folder, os.W_OK):
        raise WorkflowError(
            f"{folder.resolve()} cannot be written: mount it for writing or mend its permissions"
        )


def growing(amount):
    """A resource that grows with each attempt, for jobs that ran out of memory or time."""
    return lambda wildcards, attempt: amount * attempt


def stage(name, **settings):
    """The parameters of a stage's rules: its code version, the seed, and what they are given."""
    return {"version": STAGE_VERSIONS[name], "seed": CAMPAIGN.seed, **settings}


def dump(section):
    """A section of the configuration as plain data, which Snakemake compares between runs."""
    return section.model_dump(mode="json")


def described_stage(wildcards):
    """The parameters of one descriptor set, so that the settings of another rerun nothing."""
    name = wildcards.descriptors
    section = getattr(CAMPAIGN.features, name, None)
    return stage("features", features={name: dump(section)} if section else {})


def described_in(wildcards):
    """The conda environment that has what a descriptor set needs."""
    name = "dynamics" if wildcards.descriptors == "chgnet" else "core"
    return f"../../envs/{name}.yaml"


def feature_tables(models):
    """The descriptor tables that some classifiers read."""
    sets = sorted({name for model in models for name in CLASSIFIER_SETS[model]})
    return [f"results/{{campaign}}/features/{name}/features.parquet" for name in sets]


def split_files(wildcards):
    """The tables of the split: what it learns from, and what it predicts."""
    split = CAMPAIGN.regression.split
    given = {"train": split.train, "test": split.test} if split else {}
    return [
        str(Path(path) / f"{name}.csv") if Path(path).is_dir() else path
        for name, path in given.items()
        if path
    ]


def regression_results(wildcards):
    """What the campaign's regressors leave, and the split where one is given."""
    names = [
        *CAMPAIGN.regression.names,
        *(["split"] if CAMPAIGN.regression.split else []),
    ]
    return [
        f"results/{CAMPAIGN.campaign}/regression/{name}/metrics.csv" for name in names
    ]


def scored_stage(wildcards):
    """The parameters of scored compositions: what decides neutrality alone reruns no others."""
    settings = dict(COMPOSITION_SETTINGS)
    if wildcards.scope == "all":
        del settings["least_share"]
    if wildcards.scope == "all" and not settings["also_all"]:
        del settings["n_top"]
    if wildcards.scope == "neutral":
        del settings["also_all"]
    return stage("compositions", compositions=settings)


def scored_shards(wildcards):
    """All shards of scored compositions, by scope."""
    shards = range(CAMPAIGN.compositions.shards)
    folder = f"results/{wildcards.campaign}/compositions"
    return {
        scope: [f"{folder}/{scope}/{shard}.npz" for shard in shards]
        for scope in ("all", "neutral")
    }


def clustered_features(wildcards):
    """The descriptor set that a clustering reads."""
    name = CAMPAIGN.clusters.feature_set(wildcards.clustering)
    return f"results/{wildcards.campaign}/features/{name}/features.parquet"


def clustered_stage(wildcards):
    """The parameters of a clustering, so that a setting it does not use reruns nothing."""
    return stage("models", clusters=CAMPAIGN.clusters.used_by(wildcards.clustering))


def dump_dynamics(*keys):
    """Some keys of the dynamics section: what one rule depends on, so that no other key reruns it."""
    return CAMPAIGN.dynamics.model_dump(mode="json", include=set(keys))


def dump_stability(*keys):
    """Some keys of the stability section."""
    return CAMPAIGN.screening.stability.model_dump(mode="json", include=set(keys))


# Which models run is left out: another one reruns none of those that are there.
MODEL_SETTINGS = CAMPAIGN.models.model_dump(mode="json", exclude={"names"})
COMPOSITION_SETTINGS = CAMPAIGN.compositions.model_dump(
    mode="json", exclude={"enabled", "threads"}
)
CELL_SETTINGS = dump_dynamics("min_image_distance_ang", "max_atoms")
# What `auto` looks at: the length of the runs only where it may take GPAW.
AUTO_SETTINGS = dump_dynamics(
    "gpaw_max_atoms",
    "potential",
    *(
        [
            "gpaw_max_hours",
            "gpaw",
            "expansion_ps",
            "equilibration_ps",
            "production_ps",
            "timestep_fs",
        ]
        if CAMPAIGN.dynamics.gpaw_max_atoms
        else []
    ),
)
RUN_SETTINGS = dump_dynamics(
    "expansion_ps",
    "equilibration_ps",
    "production_ps",
    "stop_when_settled",
    "timestep_fs",
    "thermostat_time_ps",
    "frame_interval_fs",
    "segment_ps",
)
RELAX_SETTINGS = dump_dynamics("relax")
DEFECT_SETTINGS = dump_dynamics("defects")
AUDIT_SETTINGS = dump_dynamics("audit")
N_REPLICAS = {
    "temperatures_k": CAMPAIGN.dynamics.replicas,
    "second_wave_k": CAMPAIGN.dynamics.second_wave.replicas
    or CAMPAIGN.dynamics.replicas,
}


@functools.lru_cache(maxsize=4)
def _read_table(path, modified):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read_table(path):
    """The rows of a checkpoint's table, read once a version of the file."""
    return _read_table(str(path), Path(path).stat().st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _shard_contents(path, modified):
    contents = {}
    for row in read_table(path):
        contents.setdefault(int(row["shard"]), []).append(
            (row["material_id"], row["structure_hash"])
        )
    return contents


def shard_contents(wildcards):
    """The materials of a shard and the hashes of their crystals."""
    path = checkpoints.curate_structures.get(
        campaign=wildcards.campaign
    ).output.manifest
    contents = _shard_contents(str(path), Path(path).stat().st_mtime_ns)
    return sorted(contents.get(int(wildcards.shard), []))


def curated_shard(wildcards):
    """One shard of curated crystals."""
    output = checkpoints.curate_structures.get(campaign=wildcards.campaign).output
    return output.shards[int(wildcards.shard)]


def curated_shards(wildcards):
    """All shards of curated crystals."""
    return checkpoints.curate_structures.get(campaign=wildcards.campaign).output.shards


def source_files(wildcards):
    """What a source is made from: another source, or the user's files."""
    source = SOURCES[wildcards.source]
    if source.kind == "substitution":
        return [
            f"results/{wildcards.campaign}/structures/sources/{source.parents}.jsonl.gz"
        ]
    if source.kind == "folder":
        labels = (
            [source.labels] if source.labels and Path(source.labels).exists() else []
        )
        return folder_files(source.path) + labels
    if source.kind == "obelix":
        return obelix_files(source.path) if source.path else []
    if source.kind == "bundled":
        return crystal_files(Path(workflow.basedir) / "resources")
    return []


def source_contents(wildcards):
    """The hash of the user's files: copies may keep an age that hides a change."""
    is_made = SOURCES[wildcards.source].kind == "substitution"
    return "" if is_made else digest_files(source_files(wildcards))


def level_files(wildcards):
    """The energies that the phase diagrams stand on."""
    stability = CAMPAIGN.screening.stability
    if stability.level == "source":
        folder = f"results/{wildcards.campaign}/structures/entries"
        return [f"{folder}/{stability.source}.jsonl.gz"]
    if stability.level == "file":
        return [stability.file]
    return [f"{workflow.basedir}/resources/thermochemistry/{stability.level}.csv"]


def shortlist(wildcards):
    """The rows of the shortlist."""
    return read_table(
        checkpoints.select_shortlist.get(campaign=wildcards.campaign).output.shortlist
    )


@functools.lru_cache(maxsize=4)
def _rows_by_material(path, modified):
    return {row["material_id"]: row for row in read_table(path)}


def row_of(path, material_id):
    """The row of one material in a checkpoint's table."""
    return _rows_by_material(str(path), Path(path).stat().st_mtime_ns)[material_id]


def shortlisted(wildcards):
    """The shortlist's row of one material."""
    output = checkpoints.select_shortlist.get(campaign=wildcards.campaign).output
    return row_of(output.shortlist, wildcards.material)


def curated(wildcards):
    """The manifest's row of one material."""
    output = checkpoints.curate_structures.get(campaign=wildcards.campaign).output
    return row_of(output.manifest, wildcards.material)


def engine_stage(**settings):
    """The parameters of a material's dynamics, so that those of another engine rerun nothing."""
    sections = {
        "chgnet": ["chgnet"],
        "gpaw": ["gpaw"],
        "lennard-jones": [],
        EXTERNAL: [],
    }

    def of_material(wildcards):
        engine = shortlisted(wildcards)["engine"]
        used = dump_dynamics(*sections.get(engine, ["potential"]))
        return stage("dynamics", dynamics={**settings, **used})

    return of_material


def engine_threads(wildcards):
    """The processor cores that a material's engine uses."""
    if shortlisted(wildcards)["engine"] == "gpaw":
        return CAMPAIGN.dynamics.gpaw.ranks
    return CAMPAIGN.dynamics.chgnet.threads


def shortlisted_shard(wildcards):
    """The shard of curated crystals that holds a shortlisted material."""
    return curated_shards(wildcards)[int(curated(wildcards)["shard"])]


def shortlisted_files(pattern):
    """A file for each material of the shortlist."""
    return lambda wildcards: [
        pattern.format(campaign=wildcards.campaign, material=row["material_id"])
        for row in shortlist(wildcards)
    ]


def is_second_wave(wildcards):
    """Is a run's temperature one of the second wave?"""
    return wildcards.temperature in shortlisted(wildcards)["second_wave_k"].split(";")


def _runs(wildcards, row, waves=("temperatures_k", "second_wave_k")):
    """The runs of a row of the shortlist, by wave, temperature and replica."""
    folder = f"results/{wildcards.campaign}/dynamics/{row['material_id']}"
    return [
        f"{folder}/{temperature}K/{replica}/run.json"
        for wave in waves
        for temperature in row[wave].split(";")
        if temperature
        for replica in range(N_REPLICAS[wave])
    ]


def runs(wildcards):
    """A material's runs, of both waves."""
    return _runs(wildcards, shortlisted(wildcards))


def all_runs(wildcards):
    """All runs of the campaign."""
    return [run for row in shortlist(wildcards) for run in _runs(wildcards, row)]


def first_wave(wildcards):
    """What a run of the second wave waits for; nothing for one of the first."""
    if not is_second_wave(wildcards):
        return []
    return _runs(wildcards, shortlisted(wildcards), ["temperatures_k"])


def least_diffusive(wildcards):
    """What decides whether a run of the second wave is run."""
    if is_second_wave(wildcards):
        return CAMPAIGN.dynamics.second_wave.least_diffusive


@functools.cache
def _external_runs():
    # here, for it takes longer to import than all of the above, which every job does
    from ionscout.transport.folder import find_runs

    try:
        return find_runs(CAMPAIGN.dynamics.external)
    except TransportError as error:
        raise WorkflowError(f"dynamics.external: {error}") from None


def external_files(wildcards):
    """The user's files of one run, where the dynamics were run elsewhere."""
    if shortlisted(wildcards)["engine"] != EXTERNAL:
        return []
    from ionscout.dynamics.external import runs_at
    from ionscout.transport.folder import files_of

    found = runs_at(_external_runs(), wildcards.material, float(wildcards.temperature))
    return [
        str(path)
        for run in found[int(wildcards.replica) :][:1]
        for path in files_of(run, CAMPAIGN.dynamics.external)
    ]


def external_unused(wildcards):
    """The user's runs of a material that are not on the ladder."""
    if shortlisted(wildcards)["engine"] != EXTERNAL:
        return []
    from ionscout.dynamics.external import unused_runs

    ladder = [
        (float(path.parts[-3].removesuffix("K")), int(path.parts[-2]))
        for path in map(Path, runs(wildcards))
    ]
    return unused_runs(_external_runs(), wildcards.material, ladder)


def trajectory_files(wildcards):
    """The trajectories that the user ran elsewhere, and what is said of them."""
    # here, for it takes longer to import than all of the above, which every job does
    from ionscout.transport.folder import input_files

    folder = CAMPAIGN.trajectories
    if folder is None:
        raise WorkflowError(
            "trajectories: name a folder, with `make trajectories FOLDER=...` or in the configuration"
        )
    try:
        return list(map(str, input_files(folder)))
    except TransportError as error:
        raise WorkflowError(f"trajectories: {error}") from None
