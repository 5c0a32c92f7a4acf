"""Estimate a material's diffusivity, with a verdict, at each temperature."""

import json
from pathlib import Path

from ionscout.config import TransportSettings
from ionscout.job import start_job
from ionscout.transport.analysis import analyse_material

logger = start_job(snakemake.log[0], f"estimate_diffusivity {snakemake.wildcards.material}")

diffusivity, msd, density = analyse_material(
    json.loads(Path(snakemake.input.cell).read_text()),
    [json.loads(Path(path).read_text()) for path in snakemake.input.runs],
    store_dir=Path("results") / "store",
    settings=TransportSettings(**snakemake.params.stage["transport"]),
)
for row in diffusivity.itertuples():
    logger.info("%g K: %s; %s", row.temperature_k, row.verdict, row.reason)
msd.to_parquet(snakemake.output.msd)
density.to_parquet(snakemake.output.density)
diffusivity.to_csv(snakemake.output.diffusivity, index=False)
