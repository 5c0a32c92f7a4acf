"""See what the known conductivities say of the clusters."""

import pandas as pd

from ionscout.config import PromisingSettings
from ionscout.job import start_job
from ionscout.models import enrich_clusters, measure_label_variance

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], f"enrich_clusters {snakemake.wildcards.clustering}")

clusters = pd.read_parquet(snakemake.input.clusters)
labels = pd.read_parquet(snakemake.input.labels)
manifest = pd.read_parquet(snakemake.input.manifest)
enrichment = enrich_clusters(
    clusters,
    labels,
    manifest,
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
    promising=PromisingSettings(**stage["promising"]),
)
variance = measure_label_variance(clusters, labels, manifest, seed=stage["seed"])
logger.info("%d of %d clusters are promising", enrichment["is_promising"].sum(), len(enrichment))
enrichment.to_csv(snakemake.output.enrichment, index=False)
variance.to_csv(snakemake.output.label_variance, index=False)
