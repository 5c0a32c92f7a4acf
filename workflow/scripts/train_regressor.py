"""Fit, validate and apply one regressor."""

import json
from pathlib import Path

import pandas as pd

from ionscout.config import RegressionSettings
from ionscout.job import start_job
from ionscout.models import dump_regressor, train_regressor

regressor = snakemake.wildcards.regressor
stage = snakemake.params.stage
logger = start_job(snakemake.log[0], f"train_regressor {regressor}")

trained = train_regressor(
    regressor,
    pd.read_parquet(snakemake.input.features),
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.manifest),
    RegressionSettings(**stage["regression"]),
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
    seed=stage["seed"],
)
logger.info("%d predictions", trained.predictions["value"].notna().sum())
Path(snakemake.output.model).write_text(json.dumps(dump_regressor(trained)))
trained.metrics.to_csv(snakemake.output.metrics, index=False)
trained.predictions.to_csv(snakemake.output.table, index=False)
trained.predictions.to_parquet(snakemake.output.predictions)
