"""Put the shards of one descriptor set together."""

from ionscout.failures import check_failure_rate
from ionscout.features import list_failures, read_tables, write_tables
from ionscout.job import start_job

descriptors = snakemake.wildcards.descriptors
logger = start_job(snakemake.log[0], f"gather_features {descriptors}")

write_tables(snakemake.output.features, read_tables(snakemake.input))
failures, n_materials = list_failures(snakemake.input)
failures = failures.assign(source="", stage=f"features {descriptors}")
without_values = failures[~failures["has_values"]]
check_failure_rate(
    f"features {descriptors}",
    without_values.to_dict("records"),
    n_left=n_materials - len(without_values),
    limit=snakemake.params.stage["max_failure_rate"],
)
logger.info(
    "%d structures, %d incomplete, %d of them without any value",
    n_materials,
    len(failures),
    len(without_values),
)
failures[["material_id", "source", "stage", "reason"]].to_csv(
    snakemake.output.failures, index=False
)
