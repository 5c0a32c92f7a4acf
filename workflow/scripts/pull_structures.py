"""Write the records of one source."""

from ionscout.config import STRUCTURE_SOURCE
from ionscout.job import start_job
from ionscout.structures.records import is_failure, read_records, write_records
from ionscout.structures.sources import pull

name = snakemake.wildcards.source
settings = STRUCTURE_SOURCE.validate_python(snakemake.params.stage["source"])
logger = start_job(snakemake.log[0], f"pull_structures {name}")

parents = read_records(snakemake.input[0]) if settings.kind == "substitution" else None
records = pull(name, settings, records_of_parent=parents)
failures = [record for record in records if is_failure(record)]
for failure in failures:
    logger.warning("%s: %s", failure["material_id"], failure["reason"])
logger.info("%d structures, %d failures", len(records) - len(failures), len(failures))
write_records(snakemake.output.records, records)
