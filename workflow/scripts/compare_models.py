"""Judge the classifiers on the same materials, and the choice among them."""

from pathlib import Path

import pandas as pd

from ionscout.config import ModelSettings
from ionscout.job import start_job
from ionscout.models import compare_models

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "compare_models")

comparison = compare_models(
    {Path(path).parent.name: pd.read_parquet(path) for path in snakemake.input.features},
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.manifest),
    ModelSettings(**stage["models"]),
    seed=stage["seed"],
)
logger.info("%d comparisons", len(comparison))
comparison.to_csv(snakemake.output.comparison, index=False)
