"""Say of each shortlisted material which descriptors speak for it, and what it resembles."""

import json
from pathlib import Path

import pandas as pd

from ionscout.config import ModelSettings
from ionscout.job import start_job
from ionscout.models import explain_predictions, load_model

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "explain_predictions")

predictors = [load_model(json.loads(Path(path).read_text())) for path in snakemake.input.models]
attribution, neighbours = explain_predictions(
    {predictor.name: predictor for predictor in predictors},
    {Path(path).parent.name: pd.read_parquet(path) for path in snakemake.input.features},
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.manifest),
    pd.read_csv(snakemake.input.shortlist)["material_id"].tolist(),
    ModelSettings(**stage["models"]),
    seed=stage["seed"],
)
logger.info("%d materials explained", attribution["material_id"].nunique())
attribution.to_csv(snakemake.output.attribution, index=False)
neighbours.to_csv(snakemake.output.neighbours, index=False)
