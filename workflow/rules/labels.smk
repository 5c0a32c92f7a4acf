rule join_labels:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        sources=expand(
            "results/{campaign}/structures/sources/{source}.jsonl.gz",
            source=SOURCES,
            allow_missing=True,
        ),
    output:
        labels="results/{campaign}/labels/labels.parquet",
        table="results/{campaign}/labels/labels.csv",
    log:
        "results/{campaign}/logs/join_labels.log",
    benchmark:
        "results/{campaign}/benchmarks/join_labels.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        stage=stage("labels", own_sources=OWN_SOURCES),
    script:
        "../scripts/join_labels.py"
