"""Write the entries of the chemical systems of one source, for phase diagrams."""

import os
from pathlib import Path

from ionscout.config import STRUCTURE_SOURCE
from ionscout.job import start_job
from ionscout.structures.records import read_records, write_records
from ionscout.structures.sources import pull_entries
from ionscout.structures.sources.cache import REFRESH

name = snakemake.wildcards.source
settings = STRUCTURE_SOURCE.validate_python(snakemake.params.stage["source"])
logger = start_job(snakemake.log[0], f"pull_entries {name}")

records = read_records(snakemake.input.records)
folder = Path("results/store/pulled") / f"{name}-entries"
entries = pull_entries(name, settings, folder, records, refresh=bool(os.environ.get(REFRESH)))
logger.info("%d entries", len(entries))
write_records(snakemake.output.entries, entries)
