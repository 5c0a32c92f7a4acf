rule describe_structures:
    input:
        shard=ancient(curated_shard),
    output:
        features="results/{campaign}/features/{descriptors}/shards/{shard}.parquet",
    log:
        "results/{campaign}/logs/describe_structures/{descriptors}_{shard}.log",
    benchmark:
        "results/{campaign}/benchmarks/describe_structures/{descriptors}_{shard}.tsv"
    conda:
        described_in
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        stage=described_stage,
        curation=STAGE_VERSIONS["structures"],
        contents=shard_contents,
        n_shards=len(SHARDS),
    script:
        "../scripts/describe_structures.py"


rule gather_features:
    input:
        expand(
            "results/{campaign}/features/{descriptors}/shards/{shard}.parquet",
            shard=SHARDS,
            allow_missing=True,
        ),
    output:
        features="results/{campaign}/features/{descriptors}/features.parquet",
        failures="results/{campaign}/features/{descriptors}/failures.csv",
    log:
        "results/{campaign}/logs/gather_features/{descriptors}.log",
    benchmark:
        "results/{campaign}/benchmarks/gather_features/{descriptors}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        stage=stage("features", max_failure_rate=CAMPAIGN.max_failure_rate),
    script:
        "../scripts/gather_features.py"
