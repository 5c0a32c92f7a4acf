# Compositions, scored by a model of the composition alone: all of them, and the neutral ones.
if CAMPAIGN.compositions.enabled and workflow.exec_mode.name != "SUBPROCESS":
    from ionscout.compositions.campaign import make_rules
    from ionscout.errors import IonscoutError

    try:
        make_rules(CAMPAIGN.compositions)
    except IonscoutError as error:
        raise WorkflowError(f"config: compositions: {error}") from None


rule score_compositions:
    input:
        model=f"results/{{campaign}}/models/{CAMPAIGN.compositions.model}/model.json",
    output:
        found="results/{campaign}/compositions/{scope}/{shard}.npz",
    log:
        "results/{campaign}/logs/score_compositions/{scope}_{shard}.log",
    benchmark:
        "results/{campaign}/benchmarks/score_compositions/{scope}_{shard}.tsv"
    wildcard_constraints:
        scope="all|neutral",
    conda:
        "../../envs/core.yaml"
    threads: CAMPAIGN.compositions.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        stage=scored_stage,
    script:
        "../scripts/score_compositions.py"


rule merge_compositions:
    input:
        unpack(scored_shards),
        model=f"results/{{campaign}}/models/{CAMPAIGN.compositions.model}/model.json",
        manifest="results/{campaign}/structures/manifest.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        measured=[
            f"{workflow.basedir}/resources/conductivities.csv",
            *crystal_files(Path(workflow.basedir) / "resources"),
        ],
    output:
        histogram="results/{campaign}/compositions/histogram.csv",
        top="results/{campaign}/compositions/top.csv",
        top_parquet="results/{campaign}/compositions/top.parquet",
        systems="results/{campaign}/compositions/systems.csv",
        systems_parquet="results/{campaign}/compositions/systems.parquet",
        elements="results/{campaign}/compositions/elements.csv",
        percentiles="results/{campaign}/compositions/percentiles.csv",
        summary="results/{campaign}/compositions/summary.json",
    log:
        "results/{campaign}/logs/merge_compositions.log",
    benchmark:
        "results/{campaign}/benchmarks/merge_compositions.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        stage=stage("compositions", compositions=COMPOSITION_SETTINGS),
    script:
        "../scripts/merge_compositions.py"
