"""Say how stable every material is, on the energies of one level."""

import pandas as pd
from pymatgen.core import Composition

from ionscout.config import StabilitySettings
from ionscout.job import start_job
from ionscout.screening.assess import assess_stability
from ionscout.screening.levels import open_level

logger = start_job(snakemake.log[0], "assess_stability")

settings = StabilitySettings(**snakemake.params.stage["stability"])
level = open_level(settings, snakemake.input.level[0])
logger.info("level %s: %s", level.name, level.what)
stability = assess_stability(
    pd.read_parquet(snakemake.input.manifest),
    level,
    settings,
    pd.read_parquet(snakemake.input.predicted),
    snakemake.threads,
)
for cathode in settings.cathodes:
    if level.entry_of("", Composition(cathode).reduced_formula) is None:
        logger.warning(
            "level %s has no energy of the cathode %s: reactions with cathodes stay unknown; name"
            " others in screening.stability.cathodes, or a level that has it",
            *(level.name, cathode),
        )
for origin, n_materials in stability["hull_origin"].fillna("unknown").value_counts().items():
    logger.info("distance to the hull: %d materials, %s", n_materials, origin)
stability.to_parquet(snakemake.output.stability)
stability.to_csv(snakemake.output.table, index=False)
