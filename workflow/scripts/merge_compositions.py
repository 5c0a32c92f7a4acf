"""Put the shards of the scored compositions together, and make tables of them."""

import json
from pathlib import Path

import pandas as pd

from ionscout.bundled.conductivities import measured_compositions
from ionscout.compositions import ScoredCompositions
from ionscout.compositions.known import list_known
from ionscout.compositions.summary import summarise
from ionscout.config import CompositionSettings
from ionscout.job import start_job
from ionscout.models import load_model

logger = start_job(snakemake.log[0], "merge_compositions")

known = list_known(
    pd.read_parquet(snakemake.input.manifest),
    pd.read_parquet(snakemake.input.labels),
    measured_compositions(),
)
found = summarise(
    {
        scope: [ScoredCompositions.load(Path(path)) for path in snakemake.input[scope]]
        for scope in ("all", "neutral")
    },
    load_model(json.loads(Path(snakemake.input.model).read_text())),
    CompositionSettings(**snakemake.params.stage["compositions"]),
    known,
)
logger.info(
    "%s compositions, %s neutral", *(f"{found.counts[n]:,}" for n in ("n_reduced", "n_neutral"))
)
for name in ("histogram", "top", "systems", "elements", "percentiles"):
    getattr(found, name).to_csv(snakemake.output[name], index=False)
found.top.to_parquet(snakemake.output.top_parquet)
found.systems.to_parquet(snakemake.output.systems_parquet)
Path(snakemake.output.summary).write_text(json.dumps(found.counts, indent=2))
