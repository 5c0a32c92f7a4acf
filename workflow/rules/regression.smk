rule train_regressor:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        features="results/{campaign}/features/sendek/features.parquet",
    output:
        model="results/{campaign}/regression/{regressor}/model.json",
        predictions="results/{campaign}/regression/{regressor}/predictions.parquet",
        table="results/{campaign}/regression/{regressor}/predictions.csv",
        metrics="results/{campaign}/regression/{regressor}/metrics.csv",
    log:
        "results/{campaign}/logs/train_regressor/{regressor}.log",
    benchmark:
        "results/{campaign}/benchmarks/train_regressor/{regressor}.tsv"
    wildcard_constraints:
        regressor="|".join(CAMPAIGN.regression.names),
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=stage(
            "models",
            regression=CAMPAIGN.regression.model_dump(
                mode="json", exclude={"names", "split"}
            ),
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/train_regressor.py"


rule score_split:
    input:
        files=split_files,
    output:
        predictions="results/{campaign}/regression/split/predictions.csv",
        metrics="results/{campaign}/regression/split/metrics.csv",
    log:
        "results/{campaign}/logs/score_split.log",
    benchmark:
        "results/{campaign}/benchmarks/score_split.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=stage(
            "models",
            regression=dump(CAMPAIGN.regression),
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/score_split.py"
