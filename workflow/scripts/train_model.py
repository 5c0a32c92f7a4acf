"""Fit, validate and apply one classifier."""

import json
from pathlib import Path

import pandas as pd

from ionscout.config import ModelSettings
from ionscout.job import start_job
from ionscout.models import train_model

model = snakemake.wildcards.model
logger = start_job(snakemake.log[0], f"train_model {model}")

trained = train_model(
    model,
    {Path(path).parent.name: pd.read_parquet(path) for path in snakemake.input.features},
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.manifest),
    ModelSettings(**snakemake.params.stage["models"]),
    seed=snakemake.params.stage["seed"],
)
logger.info("%d probabilities", trained.predictions["probability"].notna().sum())
Path(snakemake.output.model).write_text(json.dumps(trained.to_json(), indent=2))
for name in ("metrics", "curves", "coefficients", "importance"):
    getattr(trained, name).to_csv(snakemake.output[name], index=False)
trained.predictions.to_csv(snakemake.output.table, index=False)
trained.predictions.to_parquet(snakemake.output.predictions)
