rule cluster_materials:
    input:
        features=clustered_features,
    output:
        clusters="results/{campaign}/clusters/{clustering}/clusters.parquet",
        table="results/{campaign}/clusters/{clustering}/clusters.csv",
        linkage="results/{campaign}/clusters/{clustering}/linkage.npz",
        numbers="results/{campaign}/clusters/{clustering}/numbers.csv",
    log:
        "results/{campaign}/logs/cluster_materials/{clustering}.log",
    benchmark:
        "results/{campaign}/benchmarks/cluster_materials/{clustering}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=growing(120),
    params:
        stage=clustered_stage,
    script:
        "../scripts/cluster_materials.py"


rule enrich_clusters:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        clusters="results/{campaign}/clusters/{clustering}/clusters.parquet",
    output:
        enrichment="results/{campaign}/clusters/{clustering}/enrichment.csv",
        label_variance="results/{campaign}/clusters/{clustering}/label_variance.csv",
    log:
        "results/{campaign}/logs/enrich_clusters/{clustering}.log",
    benchmark:
        "results/{campaign}/benchmarks/enrich_clusters/{clustering}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        stage=stage(
            "models",
            promising=dump(CAMPAIGN.clusters.promising),
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/enrich_clusters.py"


rule compare_clusterings:
    input:
        clusters=expand(
            "results/{campaign}/clusters/{clustering}/clusters.parquet",
            clustering=CAMPAIGN.clusters.names,
            allow_missing=True,
        ),
        enrichments=expand(
            "results/{campaign}/clusters/{clustering}/enrichment.csv",
            clustering=CAMPAIGN.clusters.names,
            allow_missing=True,
        ),
    output:
        agreement="results/{campaign}/clusters/agreement.csv",
        summary="results/{campaign}/clusters/summary.csv",
    log:
        "results/{campaign}/logs/compare_clusterings.log",
    benchmark:
        "results/{campaign}/benchmarks/compare_clusterings.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        stage=stage("models", clusterings=CAMPAIGN.clusters.names),
    script:
        "../scripts/compare_clusterings.py"
