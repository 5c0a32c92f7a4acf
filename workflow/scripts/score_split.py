"""Learn from one table of conductivities alone, and predict another."""

from pathlib import Path

from ionscout.config import RegressionSettings
from ionscout.job import start_job
from ionscout.models import score_split, write_split

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "score_split")

settings = RegressionSettings(**stage["regression"])
result = score_split(
    settings.split.train,
    settings.split.test,
    settings,
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
    seed=stage["seed"],
)
logger.info("%d rows predicted", result.predictions["row"].nunique())
for note in result.notes:
    logger.warning("%s", note)
write_split(result, Path(snakemake.output.metrics).parent)
