rule pull_structures:
    input:
        source_files,
    output:
        records="results/{campaign}/structures/sources/{source}.jsonl.gz",
    log:
        "results/{campaign}/logs/pull_structures/{source}.log",
    benchmark:
        "results/{campaign}/benchmarks/pull_structures/{source}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        stage=lambda wildcards: stage(
            "structures", source=dump(SOURCES[wildcards.source])
        ),
        contents=source_contents,
    script:
        "../scripts/pull_structures.py"


rule pull_entries:
    input:
        records="results/{campaign}/structures/sources/{source}.jsonl.gz",
    output:
        entries="results/{campaign}/structures/entries/{source}.jsonl.gz",
    log:
        "results/{campaign}/logs/pull_entries/{source}.log",
    benchmark:
        "results/{campaign}/benchmarks/pull_entries/{source}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        stage=lambda wildcards: stage(
            "structures", source=dump(SOURCES[wildcards.source])
        ),
    script:
        "../scripts/pull_entries.py"


checkpoint curate_structures:
    input:
        expand(
            "results/{campaign}/structures/sources/{source}.jsonl.gz",
            source=SOURCES,
            allow_missing=True,
        ),
    output:
        manifest="results/{campaign}/structures/manifest.csv",
        table="results/{campaign}/structures/manifest.parquet",
        failures="results/{campaign}/structures/failures.csv",
        shards=expand(
            "results/{campaign}/structures/shards/{shard}.jsonl.gz",
            shard=SHARDS,
            allow_missing=True,
        ),
    log:
        "results/{campaign}/logs/curate_structures.log",
    benchmark:
        "results/{campaign}/benchmarks/curate_structures.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=stage(
            "structures",
            structures=dump(CAMPAIGN.structures),
            max_failure_rate=CAMPAIGN.max_failure_rate,
        ),
    script:
        "../scripts/curate_structures.py"
