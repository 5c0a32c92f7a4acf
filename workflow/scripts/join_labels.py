"""Join the measured conductivities to the materials."""

import itertools

import pandas as pd

from ionscout.job import start_job
from ionscout.labels import join_labels
from ionscout.structures.records import read_records

logger = start_job(snakemake.log[0], "join_labels")

records = list(itertools.chain.from_iterable(map(read_records, snakemake.input.sources)))
labels = join_labels(
    records,
    pd.read_parquet(snakemake.input.manifest),
    own_sources=snakemake.params.stage["own_sources"],
)
logger.info("%d materials have a measured conductivity", len(labels))
labels.to_csv(snakemake.output.table, index=False)
labels.to_parquet(snakemake.output.labels)
