"""Group the materials by their descriptors; no label enters."""

import numpy as np
import pandas as pd

from ionscout.config import ClusterSettings
from ionscout.job import start_job
from ionscout.models import cluster_materials

stage = snakemake.params.stage
clustering = snakemake.wildcards.clustering
logger = start_job(snakemake.log[0], f"cluster_materials {clustering}")

clusters, linkage, material_id, numbers = cluster_materials(
    clustering,
    pd.read_parquet(snakemake.input.features),
    ClusterSettings(**stage["clusters"]),
    seed=stage["seed"],
)
logger.info("%d materials in %d clusters", len(material_id), clusters["cluster"].nunique())
np.savez(snakemake.output.linkage, linkage=linkage, material_id=material_id)
numbers.to_csv(snakemake.output.numbers, index=False)
clusters.to_csv(snakemake.output.table, index=False)
clusters.to_parquet(snakemake.output.clusters)
