"""Score the compositions of one shard."""

import json
from pathlib import Path

from ionscout.compositions.campaign import log_progress, make_scoring
from ionscout.config import CompositionSettings
from ionscout.job import start_job
from ionscout.models import load_model

scope, shard = snakemake.wildcards.scope, int(snakemake.wildcards.shard)
logger = start_job(snakemake.log[0], f"score_compositions {scope} {shard}")

scoring = make_scoring(
    load_model(json.loads(Path(snakemake.input.model).read_text())),
    CompositionSettings(**snakemake.params.stage["compositions"]),
    scope,
)
found = scoring.score_shard(shard, n_threads=snakemake.threads, progress=log_progress(logger))
logger.info("%s of %s compositions scored", f"{found.n_scored:,}", f"{found.n_reduced:,}")
found.save(Path(snakemake.output.found))
