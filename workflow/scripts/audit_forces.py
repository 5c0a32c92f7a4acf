"""Check the engine's forces on a snapshot against GPAW."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.audit import audit_forces
from ionscout.job import start_job

logger = start_job(snakemake.log[0], f"audit_forces {snakemake.wildcards.material}")

audit = audit_forces(
    json.loads(Path(snakemake.input.cell).read_text()),
    json.loads(Path(snakemake.input.run).read_text()),
    store_dir=Path("results") / "store",
    settings=DynamicsSettings(**snakemake.params.stage["dynamics"]),
)
logger.info(f"{audit['status']} {audit['reason']}".strip())
Path(snakemake.output.audit).write_text(json.dumps(audit, indent=2))
