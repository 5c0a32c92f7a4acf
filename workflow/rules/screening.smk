rule predict_energies:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        shards=ancient(curated_shards),
        predictions=expand(
            "results/{campaign}/models/{model}/predictions.parquet",
            model=CAMPAIGN.models.names,
            allow_missing=True,
        ),
        level=level_files,
        references=f"{workflow.basedir}/resources/thermochemistry/chgnet_references.csv",
    output:
        predicted="results/{campaign}/screening/predicted.parquet",
        table="results/{campaign}/screening/predicted.csv",
    log:
        "results/{campaign}/logs/predict_energies.log",
    benchmark:
        "results/{campaign}/benchmarks/predict_energies.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: CAMPAIGN.dynamics.chgnet.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        stage=stage(
            "screening",
            stability=dump_stability("level", "source", "file", "max_predicted"),
            gates=dump(CAMPAIGN.screening.gates),
            dynamics={
                **CELL_SETTINGS,
                **RELAX_SETTINGS,
                **dump_dynamics("chgnet"),
            },
            models=CAMPAIGN.models.names,
        ),
    script:
        "../scripts/predict_energies.py"


rule assess_stability:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        predicted="results/{campaign}/screening/predicted.parquet",
        level=level_files,
    output:
        stability="results/{campaign}/screening/stability.parquet",
        table="results/{campaign}/screening/stability.csv",
    log:
        "results/{campaign}/logs/assess_stability.log",
    benchmark:
        "results/{campaign}/benchmarks/assess_stability.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        stage=stage(
            "screening",
            stability=dump_stability(
                "level", "source", "file", "cathodes", "charge_voltage_v"
            ),
        ),
    script:
        "../scripts/assess_stability.py"


rule screen_materials:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        shards=ancient(curated_shards),
        stability="results/{campaign}/screening/stability.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        predictions=expand(
            "results/{campaign}/models/{model}/predictions.parquet",
            model=CAMPAIGN.models.names,
            allow_missing=True,
        ),
    output:
        gates="results/{campaign}/screening/gates.parquet",
        table="results/{campaign}/screening/gates.csv",
        funnel="results/{campaign}/screening/funnel.csv",
    log:
        "results/{campaign}/logs/screen_materials.log",
    benchmark:
        "results/{campaign}/benchmarks/screen_materials.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        stage=stage(
            "screening",
            gates=dump(CAMPAIGN.screening.gates),
            cell=CELL_SETTINGS,
            models=CAMPAIGN.models.names,
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/screen_materials.py"


checkpoint select_shortlist:
    input:
        manifest="results/{campaign}/structures/manifest.parquet",
        shards=ancient(curated_shards),
        gates="results/{campaign}/screening/gates.parquet",
        stability="results/{campaign}/screening/stability.parquet",
        labels="results/{campaign}/labels/labels.parquet",
        choices=CAMPAIGN.screening.choices or [],
        clusters=expand(
            "results/{campaign}/clusters/{clustering}/clusters.parquet",
            clustering=CAMPAIGN.clusters.names,
            allow_missing=True,
        ),
        predictions=expand(
            "results/{campaign}/models/{model}/predictions.parquet",
            model=CAMPAIGN.models.names,
            allow_missing=True,
        ),
    output:
        shortlist="results/{campaign}/screening/shortlist.csv",
    log:
        "results/{campaign}/logs/select_shortlist.log",
    benchmark:
        "results/{campaign}/benchmarks/select_shortlist.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        stage=stage(
            "screening",
            screening=dump(CAMPAIGN.screening),
            dynamics={
                **CELL_SETTINGS,
                **AUTO_SETTINGS,
                "engine": CAMPAIGN.dynamics.engine,
                "external": CAMPAIGN.dynamics.external,
                "temperatures_k": CAMPAIGN.dynamics.temperatures_k,
                "second_wave": {
                    "temperatures_k": CAMPAIGN.dynamics.second_wave.temperatures_k
                },
            },
            models=CAMPAIGN.models.names,
            clusterings=CAMPAIGN.clusters.names,
            fast_threshold_s_cm=CAMPAIGN.models.fast_threshold_s_cm,
        ),
    script:
        "../scripts/select_shortlist.py"
