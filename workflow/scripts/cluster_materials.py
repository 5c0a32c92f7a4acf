"""Group the materials, and test the groups for known fast conductors."""

import numpy as np
import pandas as pd

from ionscout.config import ClusterSettings
from ionscout.job import start_job
from ionscout.models import cluster_materials, enrich_clusters

stage = snakemake.params.stage
clustering = snakemake.wildcards.clustering
logger = start_job(snakemake.log[0], f"cluster_materials {clustering}")

clusters, linkage, material_ids = cluster_materials(
    clustering,
    pd.read_parquet(snakemake.input.features),
    ClusterSettings(**stage["clusters"]),
)
enrichment = enrich_clusters(
    clusters,
    pd.read_parquet(snakemake.input.labels),
    pd.read_parquet(snakemake.input.manifest),
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
)
logger.info("%d materials in %d clusters", len(material_ids), enrichment["cluster"].nunique())
np.savez(snakemake.output.linkage, linkage=linkage, material_id=np.array(material_ids, dtype=str))
enrichment.to_csv(snakemake.output.enrichment, index=False)
clusters.to_csv(snakemake.output.table, index=False)
clusters.to_parquet(snakemake.output.clusters)
