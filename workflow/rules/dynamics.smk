# All of these read the material's row of the shortlist. Where that is to be made anew, they have
# to wait for it; Snakemake would plan and run them by the old one.
rule prepare_cell:
    input:
        shortlist=ancient("results/{campaign}/screening/shortlist.csv"),
        shard=ancient(shortlisted_shard),
    output:
        cell="results/{campaign}/dynamics/{material}/cell.json",
    log:
        "results/{campaign}/logs/prepare_cell/{material}.log",
    benchmark:
        "results/{campaign}/benchmarks/prepare_cell/{material}.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: engine_threads
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        stage=engine_stage(**CELL_SETTINGS, **RELAX_SETTINGS, **DEFECT_SETTINGS),
        curation=STAGE_VERSIONS["structures"],
        structure_hash=lambda wildcards: shortlisted(wildcards)["structure_hash"],
        engine=lambda wildcards: shortlisted(wildcards)["engine"],
        vacancies_per_cell=lambda wildcards: int(
            curated(wildcards)["vacancies_per_cell"]
        ),
        unused=external_unused,
    script:
        "../scripts/prepare_cell.py"


rule run_dynamics:
    input:
        shortlist=ancient("results/{campaign}/screening/shortlist.csv"),
        cell="results/{campaign}/dynamics/{material}/cell.json",
        first_wave=first_wave,
        external=external_files,
    output:
        run="results/{campaign}/dynamics/{material}/{temperature}K/{replica}/run.json",
    log:
        "results/{campaign}/logs/run_dynamics/{material}_{temperature}K_{replica}.log",
    benchmark:
        "results/{campaign}/benchmarks/run_dynamics/{material}_{temperature}K_{replica}.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: engine_threads
    resources:
        mem_mb=growing(4000),
        # not growing: a run that is stopped goes on from where it was
        runtime=1440,
    params:
        stage=engine_stage(**RUN_SETTINGS),
        folder=CAMPAIGN.dynamics.external,
        least_diffusive=least_diffusive,
    script:
        "../scripts/run_dynamics.py"


rule audit_forces:
    input:
        shortlist=ancient("results/{campaign}/screening/shortlist.csv"),
        cell="results/{campaign}/dynamics/{material}/cell.json",
        runs=runs,
    output:
        audit="results/{campaign}/dynamics/{material}/audit.json",
        frames="results/{campaign}/dynamics/{material}/audit.extxyz",
    log:
        "results/{campaign}/logs/audit_forces/{material}.log",
    benchmark:
        "results/{campaign}/benchmarks/audit_forces/{material}.tsv"
    conda:
        "../../envs/dynamics.yaml"
    threads: max(CAMPAIGN.dynamics.chgnet.threads, CAMPAIGN.dynamics.gpaw.ranks)
    resources:
        mem_mb=growing(4000),
        runtime=growing(120 + int(CAMPAIGN.dynamics.audit.budget_minutes)),
    params:
        stage=stage(
            "dynamics",
            dynamics={
                **AUDIT_SETTINGS,
                **dump_dynamics("chgnet", "gpaw", "potential"),
            },
        ),
    script:
        "../scripts/audit_forces.py"
