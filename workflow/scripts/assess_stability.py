"""Say how stable every material is, on the energies of one level."""

import pandas as pd

from ionscout.config import StabilitySettings
from ionscout.job import start_job
from ionscout.screening.assess import assess_stability
from ionscout.screening.levels import open_level

logger = start_job(snakemake.log[0], "assess_stability")

settings = StabilitySettings(**snakemake.params.stage["stability"])
level = open_level(settings, snakemake.input.level[0])
logger.info("level %s: %s", level.name, level.what)
stability = assess_stability(
    pd.read_parquet(snakemake.input.manifest),
    level,
    settings,
    pd.read_parquet(snakemake.input.predicted),
    snakemake.threads,
)
for origin, n_materials in stability["hull_origin"].fillna("unknown").value_counts().items():
    logger.info("distance to the hull: %d materials, %s", n_materials, origin)
stability.to_parquet(snakemake.output.stability)
stability.to_csv(snakemake.output.table, index=False)
