"""Extrapolate each material's conductivity to room temperature, or say why not."""

import json
from pathlib import Path

import pandas as pd

from ionscout.config import TransportSettings
from ionscout.job import start_job
from ionscout.transport.analysis import conductivity_table

logger = start_job(snakemake.log[0], "extrapolate_conductivity")

conductivity, arrhenius = conductivity_table(
    pd.read_csv(snakemake.input.shortlist),
    [pd.read_csv(path) for path in snakemake.input.diffusivities],
    [json.loads(Path(path).read_text()) for path in snakemake.input.audits],
    TransportSettings(**snakemake.params.stage["transport"]),
)
for row in conductivity.itertuples():
    logger.info("%s: %s; %s", row.material_id, row.verdict, row.reason)
Path(snakemake.output.arrhenius).write_text(json.dumps(arrhenius, indent=2))
conductivity.to_csv(snakemake.output.conductivity, index=False)
