"""Relax a material and build its cell for molecular dynamics."""

import json
from pathlib import Path

from ionscout.config import DynamicsSettings
from ionscout.dynamics.external import describe_external_cell
from ionscout.dynamics.prepare import prepare_cell
from ionscout.dynamics.records import EXTERNAL
from ionscout.job import start_job
from ionscout.structures.records import read_structures

material, params = snakemake.wildcards.material, snakemake.params
logger = start_job(snakemake.log[0], f"prepare_cell {material}")

structure = read_structures([snakemake.input.shard])[material]
if params.engine == EXTERNAL:
    cell = describe_external_cell(structure, material_id=material, unused=params.unused)
else:
    cell = prepare_cell(
        structure,
        material_id=material,
        engine=params.engine,
        settings=DynamicsSettings(**params.stage["dynamics"]),
        vacancies_per_cell=params.vacancies_per_cell,
        seed=params.stage["seed"],
    )
logger.info(f"{cell['status']} {cell['reason']}".strip())
Path(snakemake.output.cell).write_text(json.dumps(cell))
