rule prepare_cell:
    input:
        shard=ancient(shortlisted_shard),
    output:
        cell="results/{campaign}/dynamics/{material}/cell.json",
    log:
        "results/{campaign}/logs/prepare_cell/{material}.log",
    benchmark:
        "results/{campaign}/benchmarks/prepare_cell/{material}.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: CAMPAIGN.dynamics.chgnet.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        stage=stage(
            "dynamics", dynamics={**CELL_SETTINGS, **RELAX_SETTINGS, **ENGINE_SETTINGS}
        ),
        curation=STAGE_VERSIONS["structures"],
        structure_hash=lambda wildcards: shortlisted(wildcards)["structure_hash"],
        engine=lambda wildcards: shortlisted(wildcards)["engine"],
    script:
        "../scripts/prepare_cell.py"


rule run_dynamics:
    input:
        cell="results/{campaign}/dynamics/{material}/cell.json",
    output:
        run="results/{campaign}/dynamics/{material}/{temperature}K/run.json",
    log:
        "results/{campaign}/logs/run_dynamics/{material}_{temperature}K.log",
    benchmark:
        "results/{campaign}/benchmarks/run_dynamics/{material}_{temperature}K.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: CAMPAIGN.dynamics.chgnet.threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(1440),
    params:
        stage=stage("dynamics", dynamics={**RUN_SETTINGS, **ENGINE_SETTINGS}),
    script:
        "../scripts/run_dynamics.py"


rule audit_forces:
    input:
        cell="results/{campaign}/dynamics/{material}/cell.json",
        run=last_run,
    output:
        audit="results/{campaign}/dynamics/{material}/audit.json",
    log:
        "results/{campaign}/logs/audit_forces/{material}.log",
    benchmark:
        "results/{campaign}/benchmarks/audit_forces/{material}.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        stage=stage("dynamics", dynamics={**AUDIT_SETTINGS, **ENGINE_SETTINGS}),
    script:
        "../scripts/audit_forces.py"
