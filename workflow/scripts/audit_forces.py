"""Check the engine's energies and forces on snapshots against GPAW."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.audit import audit_forces
from ionscout.dynamics.snapshots import write_frames
from ionscout.job import start_job

logger = start_job(snakemake.log[0], f"audit_forces {snakemake.wildcards.material}")

audit, frames = audit_forces(
    json.loads(Path(snakemake.input.cell).read_text()),
    [json.loads(Path(path).read_text()) for path in snakemake.input.runs],
    store_dir=Path("results") / "store",
    settings=DynamicsSettings(**snakemake.params.stage["dynamics"]),
    progress=logger.info,
)
remarks = "; ".join(filter(None, (audit["verdict_reason"], audit["reason"])))
logger.info(f"{audit['verdict']}: {remarks}")
write_frames(Path(snakemake.output.frames), frames)
Path(snakemake.output.audit).write_text(json.dumps(audit, indent=2))
