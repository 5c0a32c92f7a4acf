rule train_model:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features="results/{campaign}/features/sendek/features.parquet",
    output:
        model="results/{campaign}/models/{model}/model.json",
        predictions="results/{campaign}/models/{model}/predictions.parquet",
        table="results/{campaign}/models/{model}/predictions.csv",
        metrics="results/{campaign}/models/{model}/metrics.csv",
    log:
        "results/{campaign}/logs/train_model/{model}.log",
    benchmark:
        "results/{campaign}/benchmarks/train_model/{model}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=stage("models", models=dump(CAMPAIGN.models)),
    script:
        "../scripts/train_model.py"


rule cluster_materials:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features="results/{campaign}/features/mxrd/features.parquet",
    output:
        clusters="results/{campaign}/clusters/{clustering}/clusters.parquet",
        table="results/{campaign}/clusters/{clustering}/clusters.csv",
        linkage="results/{campaign}/clusters/{clustering}/linkage.npz",
        enrichment="results/{campaign}/clusters/{clustering}/enrichment.csv",
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
        stage=stage(
            "models",
            clusters=dump(CAMPAIGN.clusters),
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/cluster_materials.py"
