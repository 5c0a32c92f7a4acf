"""Compute one descriptor set for one shard of structures."""

from ionscout.config import FeatureSettings
from ionscout.features import describe_materials
from ionscout.job import start_job
from ionscout.structures.records import read_structures

descriptors = snakemake.wildcards.descriptors
logger = start_job(
    snakemake.log[0], f"describe_structures {descriptors} {snakemake.wildcards.shard}"
)

settings = FeatureSettings(**snakemake.params.stage["features"])
features = describe_materials(
    descriptors, read_structures([snakemake.input.shard]).items(), settings
)
logger.info("%d structures, %d incomplete", len(features), (features["reason"] != "").sum())
features.to_parquet(snakemake.output.features)
