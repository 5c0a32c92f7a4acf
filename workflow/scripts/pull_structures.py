"""Write the records of one source."""

import os
from pathlib import Path

from ionscout.config import STRUCTURE_SOURCE
from ionscout.job import start_job
from ionscout.structures.records import is_failure, read_records, write_records
from ionscout.structures.sources import pull_or_skip
from ionscout.structures.sources.cache import REFRESH

name = snakemake.wildcards.source
settings = STRUCTURE_SOURCE.validate_python(snakemake.params.stage["source"])
logger = start_job(snakemake.log[0], f"pull_structures {name}")

parents = read_records(snakemake.input[0]) if settings.kind == "substitution" else []
folder = Path("results/store/pulled") / name
records = pull_or_skip(name, settings, folder, parents, refresh=bool(os.environ.get(REFRESH)))
failures = [record for record in records if is_failure(record)]
for failure in failures:
    logger.warning("%s: %s", failure["material_id"], failure["reason"])
n_structures = sum("structure" in record for record in records)
n_label_only = len(records) - n_structures - len(failures)
logger.info(
    "%d structures, %d failures, %d with labels alone", n_structures, len(failures), n_label_only
)
write_records(snakemake.output.records, records)
