"""Compute one slow descriptor set for the best candidates and the controls."""

from pathlib import Path

import pandas as pd

from ionscout.config import FeatureSettings
from ionscout.features import describe_shard, get_set, open_store
from ionscout.job import start_job
from ionscout.screening.promising import most_promising
from ionscout.structures.records import iterate_records

STORE = Path("results/store/described")

name = snakemake.wildcards.descriptors
logger = start_job(snakemake.log[0], f"describe_candidates {name}")

manifest = pd.read_parquet(snakemake.input.manifest)
chosen = most_promising(
    manifest,
    pd.read_parquet(snakemake.input.gates),
    snakemake.params.controls,
    size=snakemake.params.max_after_gates,
)
structures = {
    record["material_id"]: record["structure"]
    for shard in snakemake.input.shards
    for record in iterate_records(shard)
    if record["material_id"] in chosen
}
settings = FeatureSettings(**snakemake.params.stage["features"])
descriptors = get_set(name, settings)
n_materials, n_described = describe_shard(
    descriptors,
    ((material_id, structures[material_id]) for material_id in chosen),
    dict(zip(manifest["material_id"], manifest["structure_hash"], strict=True)),
    snakemake.output.features,
    open_store(STORE, descriptors, settings, shard=0, n_shards=1),
)
logger.info("%d materials, %d of them new", n_materials, n_described)

features = pd.read_parquet(snakemake.output.features)
for material_id, reason in features.loc[features["reason"] != "", "reason"].items():
    logger.info("%s: %s", material_id, reason)
features.insert(0, "formula", manifest.set_index("material_id")["formula"].loc[chosen])
features.to_parquet(snakemake.output.features)
features.to_csv(snakemake.output.table)
