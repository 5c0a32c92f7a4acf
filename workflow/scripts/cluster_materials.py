"""Group the materials, and test the groups for known fast conductors."""

import numpy as np
import pandas as pd

from ionscout.job import start_job
from ionscout.models.enrichment import test_enrichment
from ionscout.models.ward import cluster_ward

stage = snakemake.params.stage
logger = start_job(snakemake.log[0], f"cluster_materials {snakemake.wildcards.clustering}")

features = pd.read_parquet(snakemake.input.features)
clusters, linkage, material_ids = cluster_ward(features, n_clusters=stage["clusters"]["n_clusters"])
enrichment = test_enrichment(
    clusters,
    pd.read_parquet(snakemake.input.labels),
    fast_threshold_s_cm=stage["fast_threshold_s_cm"],
)
logger.info("%d materials in %d clusters", len(material_ids), enrichment["cluster"].nunique())
np.savez(snakemake.output.linkage, linkage=linkage, material_id=np.array(material_ids, dtype=str))
enrichment.to_csv(snakemake.output.enrichment, index=False)
clusters.to_csv(snakemake.output.table, index=False)
clusters.to_parquet(snakemake.output.clusters)
