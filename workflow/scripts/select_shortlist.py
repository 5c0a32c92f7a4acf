"""Choose the candidates for molecular dynamics, and add the controls."""

import pandas as pd

from ionscout.config import DynamicsSettings, ScreeningSettings
from ionscout.job import start_job
from ionscout.screening.choices import no_choices, read_choices
from ionscout.screening.shortlist import select_shortlist
from ionscout.structures.records import read_structures

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "select_shortlist")

manifest = pd.read_parquet(snakemake.input.manifest)
choices = snakemake.input.choices
chosen = select_shortlist(
    manifest,
    pd.read_parquet(snakemake.input.gates),
    dict(zip(stage["models"], map(pd.read_parquet, snakemake.input.predictions), strict=True)),
    dict(zip(stage["clusterings"], map(pd.read_parquet, snakemake.input.clusters), strict=True)),
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.stability),
    read_choices(choices, manifest["material_id"]) if choices else no_choices(),
    read_structures(snakemake.input.shards),
    ScreeningSettings(**stage["screening"]),
    DynamicsSettings(**stage["dynamics"]),
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
)
for row in chosen.itertuples():
    logger.info(
        "%d. %s (%s, %s, %d atoms)", row.rank, row.material_id, row.role, row.engine, row.n_atoms
    )
if "candidate" not in set(chosen["role"]):
    logger.warning("no candidate is left, only the controls will run; see screening/funnel.csv")
chosen.to_csv(snakemake.output.shortlist, index=False)
