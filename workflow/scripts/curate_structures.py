"""Curate all sources' structures: the manifest, the failures and the shards."""

from pathlib import Path

from ionscout.config import StructureSettings
from ionscout.job import start_job
from ionscout.structures.curation import curate_all
from ionscout.structures.records import read_records, write_records

CACHE = Path("results/store/curated.sqlite")

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "curate_structures")

sources = stage["structures"]["sources"]
records = {name: read_records(path) for name, path in zip(sources, snakemake.input, strict=True)}
manifest, failures, shards = curate_all(
    records,
    StructureSettings(**stage["structures"]),
    seed=stage["seed"],
    max_failure_rate=stage["max_failure_rate"],
    n_workers=snakemake.threads,
    cache_path=CACHE,
)
for failure in failures.itertuples():
    logger.warning("%s: %s", failure.material_id, failure.reason)
logger.info("%d materials, %d failures", len(manifest), len(failures))
for path, shard in zip(snakemake.output.shards, shards, strict=True):
    write_records(path, shard)
failures.to_csv(snakemake.output.failures, index=False)
manifest.to_parquet(snakemake.output.table)
manifest.to_csv(snakemake.output.manifest, index=False)
