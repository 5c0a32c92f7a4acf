"""Relax a material and build its cell for molecular dynamics."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.prepare import prepare_cell
from ionscout.job import start_job
from ionscout.structures.records import read_structures

material = snakemake.wildcards.material
logger = start_job(snakemake.log[0], f"prepare_cell {material}")

cell = prepare_cell(
    read_structures([snakemake.input.shard])[material],
    material_id=material,
    engine=snakemake.params.engine,
    settings=DynamicsSettings(**snakemake.params.stage["dynamics"]),
)
logger.info(f"{cell['status']} {cell['reason']}".strip())
Path(snakemake.output.cell).write_text(json.dumps(cell))
