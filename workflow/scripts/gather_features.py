"""Put the shards of one descriptor set together."""

import pandas as pd

from ionscout.failures import check_failure_rate
from ionscout.features import read_tables, write_tables
from ionscout.job import start_job

descriptors = snakemake.wildcards.descriptors
logger = start_job(snakemake.log[0], f"gather_features {descriptors}")

write_tables(snakemake.output.features, read_tables(snakemake.input))
reasons = pd.concat(pd.read_parquet(path, columns=["reason"])["reason"] for path in snakemake.input)
failures = reasons[reasons != ""].reset_index()
failures = failures.assign(source="", stage=f"features {descriptors}")
check_failure_rate(
    f"features {descriptors}",
    failures.to_dict("records"),
    n_left=len(reasons) - len(failures),
    limit=snakemake.params.stage["max_failure_rate"],
)
logger.info("%d structures, %d incomplete", len(reasons), len(failures))
failures[["material_id", "source", "stage", "reason"]].to_csv(
    snakemake.output.failures, index=False
)
