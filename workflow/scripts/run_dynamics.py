"""Run molecular dynamics of one material at one temperature, once."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.external import read_external
from ionscout.dynamics.records import EXTERNAL, empty_run
from ionscout.dynamics.run import run_dynamics
from ionscout.dynamics.waves import why_not_run
from ionscout.job import start_job

params, names = snakemake.params, snakemake.wildcards
logger = start_job(snakemake.log[0], "run_dynamics")

cell = json.loads(Path(snakemake.input.cell).read_text())
first_wave = [json.loads(Path(path).read_text()) for path in snakemake.input.first_wave]
which = {"temperature_k": float(names.temperature), "replica": int(names.replica)}
why_not = ""
if first_wave and cell["status"] == "ready":
    why_not = why_not_run(
        which["temperature_k"], first_wave, least_diffusive=params.least_diffusive
    )
if cell["engine"] == EXTERNAL:
    run = read_external(cell, **which, folder=params.folder)
elif why_not:
    run = empty_run(cell, **which, reason=why_not)
else:
    run = run_dynamics(
        cell,
        **which,
        seed=params.stage["seed"],
        settings=DynamicsSettings(**params.stage["dynamics"]),
        store_dir=Path("results") / "store",
        progress=logger.info,
    )
outcome = f"{run['status']} {run['reason']}".strip()
logger.info("%s %s K, replica %s: %s", names.material, names.temperature, names.replica, outcome)
Path(snakemake.output.run).write_text(json.dumps(run, indent=2))
