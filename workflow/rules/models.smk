rule train_model:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features=lambda wildcards: expand(
            feature_tables([wildcards.model]), campaign=wildcards.campaign
        ),
    output:
        model="results/{campaign}/models/{model}/model.json",
        predictions="results/{campaign}/models/{model}/predictions.parquet",
        table="results/{campaign}/models/{model}/predictions.csv",
        metrics="results/{campaign}/models/{model}/metrics.csv",
        curves="results/{campaign}/models/{model}/curves.csv",
        coefficients="results/{campaign}/models/{model}/coefficients.csv",
        importance="results/{campaign}/models/{model}/importance.csv",
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
        stage=stage("models", models=MODEL_SETTINGS),
    script:
        "../scripts/train_model.py"


rule compare_models:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features=feature_tables(CAMPAIGN.models.names),
    output:
        comparison="results/{campaign}/models/comparison.csv",
    log:
        "results/{campaign}/logs/compare_models.log",
    benchmark:
        "results/{campaign}/benchmarks/compare_models.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=stage("models", models=dump(CAMPAIGN.models)),
    script:
        "../scripts/compare_models.py"


rule explain_predictions:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features=feature_tables(CAMPAIGN.models.names),
        models=expand(
            "results/{campaign}/models/{model}/model.json",
            model=CAMPAIGN.models.names,
            allow_missing=True,
        ),
        shortlist="results/{campaign}/screening/shortlist.csv",
    output:
        attribution="results/{campaign}/models/explanations/attribution.csv",
        neighbours="results/{campaign}/models/explanations/neighbours.csv",
    log:
        "results/{campaign}/logs/explain_predictions.log",
    benchmark:
        "results/{campaign}/benchmarks/explain_predictions.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        stage=stage("models", models=dump(CAMPAIGN.models)),
    script:
        "../scripts/explain_predictions.py"
