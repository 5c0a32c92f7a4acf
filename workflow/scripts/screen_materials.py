"""Put every material through the gates and count the funnel."""

import pandas as pd

from ionscout.config import DynamicsSettings, GateSettings
from ionscout.job import start_job
from ionscout.screening.funnel import count_funnel
from ionscout.screening.gates import judge_materials
from ionscout.structures.records import read_structures

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "screen_materials")

manifest = pd.read_parquet(snakemake.input.manifest)
predictions = dict(
    zip(stage["models"], map(pd.read_parquet, snakemake.input.predictions), strict=True)
)
gates = GateSettings(**stage["gates"])
answers = judge_materials(
    manifest,
    read_structures(snakemake.input.shards),
    predictions,
    pd.read_parquet(snakemake.input.stability),
    gates,
    DynamicsSettings(**stage["cell"]),
)
funnel = count_funnel(
    answers,
    manifest,
    pd.read_parquet(snakemake.input.labels),
    gates,
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
)
for row in funnel.itertuples():
    logger.info("gate %s: %d -> %d (%d unknown)", row.gate, row.n_in, row.n_out, row.n_unknown)
funnel.to_csv(snakemake.output.funnel, index=False)
answers.to_csv(snakemake.output.table, index=False)
answers.to_parquet(snakemake.output.gates)
