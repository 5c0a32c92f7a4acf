rule estimate_diffusivity:
    input:
        shortlist=ancient("results/{campaign}/screening/shortlist.csv"),
        cell="results/{campaign}/dynamics/{material}/cell.json",
        runs=runs,
    output:
        diffusivity="results/{campaign}/transport/{material}/diffusivity.csv",
        msd="results/{campaign}/transport/{material}/msd.parquet",
        density="results/{campaign}/transport/{material}/density.parquet",
    log:
        "results/{campaign}/logs/estimate_diffusivity/{material}.log",
    benchmark:
        "results/{campaign}/benchmarks/estimate_diffusivity/{material}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        stage=stage("transport", transport=dump(CAMPAIGN.transport)),
    script:
        "../scripts/estimate_diffusivity.py"


rule extrapolate_conductivity:
    input:
        shortlist="results/{campaign}/screening/shortlist.csv",
        diffusivities=shortlisted_files(
            "results/{campaign}/transport/{material}/diffusivity.csv"
        ),
        audits=shortlisted_files("results/{campaign}/dynamics/{material}/audit.json"),
    output:
        conductivity="results/{campaign}/transport/conductivity.csv",
        arrhenius="results/{campaign}/transport/arrhenius.json",
    log:
        "results/{campaign}/logs/extrapolate_conductivity.log",
    benchmark:
        "results/{campaign}/benchmarks/extrapolate_conductivity.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        stage=stage("transport", transport=dump(CAMPAIGN.transport)),
    script:
        "../scripts/extrapolate_conductivity.py"


# The user's own trajectories alone, without the rest of the campaign: `make trajectories`.
rule trajectories:
    input:
        expand("results/{campaign}/trajectories/index.html", campaign=CAMPAIGN.campaign),


rule analyse_trajectories:
    input:
        trajectory_files,
    output:
        diffusivity="results/{campaign}/trajectories/diffusivity.csv",
        msd="results/{campaign}/trajectories/msd.parquet",
        density="results/{campaign}/trajectories/density.parquet",
        conductivity="results/{campaign}/trajectories/conductivity.csv",
        arrhenius="results/{campaign}/trajectories/arrhenius.json",
        page="results/{campaign}/trajectories/index.html",
    log:
        "results/{campaign}/logs/analyse_trajectories.log",
    benchmark:
        "results/{campaign}/benchmarks/analyse_trajectories.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        stage=stage("transport", transport=dump(CAMPAIGN.transport)),
        folder=CAMPAIGN.trajectories,
    script:
        "../scripts/analyse_trajectories.py"
