"""Compute one descriptor set for one shard of structures."""

from pathlib import Path

from ionscout.config import FeatureSettings
from ionscout.features import describe_shard, get_set, open_store
from ionscout.job import start_job
from ionscout.structures.records import iterate_records

STORE = Path("results/store/described")

name, shard = snakemake.wildcards.descriptors, int(snakemake.wildcards.shard)
logger = start_job(snakemake.log[0], f"describe_structures {name} {shard}")

settings = FeatureSettings(**snakemake.params.stage["features"])
descriptors = get_set(name, settings)
records = iterate_records(snakemake.input.shard)
n_materials, n_described = describe_shard(
    descriptors,
    ((record["material_id"], record["structure"]) for record in records),
    dict(snakemake.params.contents),
    snakemake.output.features,
    open_store(STORE, descriptors, settings, shard=shard, n_shards=snakemake.params.n_shards),
)
logger.info("%d structures, %d of them new", n_materials, n_described)
