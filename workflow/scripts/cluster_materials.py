"""Group the materials, and see what the known conductivities say of the groups."""

import numpy as np
import pandas as pd

from ionscout.config import ClusterSettings
from ionscout.job import start_job
from ionscout.models import cluster_materials, enrich_clusters, measure_label_variance

stage = snakemake.params.stage
settings = ClusterSettings(**stage["clusters"])
clustering = snakemake.wildcards.clustering
logger = start_job(snakemake.log[0], f"cluster_materials {clustering}")

clusters, linkage, material_id, numbers = cluster_materials(
    clustering, pd.read_parquet(snakemake.input.features), settings, seed=stage["seed"]
)
labels = pd.read_parquet(snakemake.input.labels)
manifest = pd.read_parquet(snakemake.input.manifest)
enrichment = enrich_clusters(
    clusters,
    labels,
    manifest,
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
    promising=settings.promising,
)
variance = measure_label_variance(clusters, labels, manifest, seed=stage["seed"])
logger.info("%d materials in %d clusters", len(material_id), len(enrichment))
np.savez(snakemake.output.linkage, linkage=linkage, material_id=material_id)
numbers.to_csv(snakemake.output.numbers, index=False)
enrichment.to_csv(snakemake.output.enrichment, index=False)
variance.to_csv(snakemake.output.label_variance, index=False)
clusters.to_csv(snakemake.output.table, index=False)
clusters.to_parquet(snakemake.output.clusters)
