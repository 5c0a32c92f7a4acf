"""Predict the energies of candidates that the level of the phase diagrams lacks."""

from pathlib import Path

import pandas as pd

from ionscout.config import DynamicsSettings, GateSettings, StabilitySettings
from ionscout.job import start_job
from ionscout.screening.gates import judge_materials
from ionscout.screening.levels import open_level
from ionscout.screening.predicted import choose_to_predict, predict_formation_energies
from ionscout.store import OutcomeStore
from ionscout.structures.records import read_structures

STORE = Path("results/store/relaxed.sqlite")

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], "predict_energies")

manifest = pd.read_parquet(snakemake.input.manifest)
structures = read_structures(snakemake.input.shards)
predictions = dict(
    zip(stage["models"], map(pd.read_parquet, snakemake.input.predictions), strict=True)
)
settings = StabilitySettings(**stage["stability"])
gates, dynamics = GateSettings(**stage["gates"]), DynamicsSettings(**stage["dynamics"])
nothing_known = pd.DataFrame(columns=["material_id"])
chosen = choose_to_predict(
    manifest,
    judge_materials(manifest, structures, predictions, nothing_known, gates, dynamics),
    gates,
    open_level(settings, snakemake.input.level[0]),
    max_predicted=settings.max_predicted,
)
predicted = predict_formation_energies(
    {material_id: structures[material_id] for material_id in chosen},
    dynamics,
    OutcomeStore(STORE),
)
for row in predicted.itertuples():
    logger.info(
        "%s: %s",
        row.material_id,
        row.reason or f"{row.formation_energy_ev_atom:.3f} +- {row.error_ev_atom:.3f} eV/atom",
    )
predicted.to_parquet(snakemake.output.predicted)
predicted.to_csv(snakemake.output.table, index=False)
