"""Run molecular dynamics of one material at one temperature."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.run import run_dynamics
from ionscout.job import start_job

material, temperature = snakemake.wildcards.material, snakemake.wildcards.temperature
logger = start_job(snakemake.log[0], "run_dynamics")

run = run_dynamics(
    json.loads(Path(snakemake.input.cell).read_text()),
    temperature_k=float(temperature),
    seed=snakemake.params.stage["seed"],
    settings=DynamicsSettings(**snakemake.params.stage["dynamics"]),
    store_dir=Path("results") / "store",
    progress=logger.info,
)
outcome = f"{run['status']} {run['reason']}".strip()
logger.info("%s %s K: %s", material, temperature, outcome)
Path(snakemake.output.run).write_text(json.dumps(run, indent=2))
