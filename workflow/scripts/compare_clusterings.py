"""Compare the clusterings with each other, and what each finds promising."""

import pandas as pd

from ionscout.job import start_job
from ionscout.models import compare_clusterings, summarise_clusterings

logger = start_job(snakemake.log[0], "compare_clusterings")

names = snakemake.params.stage["clusterings"]
clusters = dict(zip(names, map(pd.read_parquet, snakemake.input.clusters), strict=True))
enrichments = dict(zip(names, map(pd.read_csv, snakemake.input.enrichments), strict=True))
agreement = compare_clusterings(clusters, enrichments)
for row in agreement.itertuples():
    logger.info("%s and %s: adjusted Rand %.2f", row.clustering, row.other, row.adjusted_rand)
agreement.to_csv(snakemake.output.agreement, index=False)
summarise_clusterings(enrichments).to_csv(snakemake.output.summary, index=False)
