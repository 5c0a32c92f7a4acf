from snakemake.utils import min_version

min_version("9.0")

if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/structures.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/labels.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/compositions.smk"
include: "workflow/rules/regression.smk"
include: "workflow/rules/clusters.smk"
include: "workflow/rules/screening.smk"
include: "workflow/rules/candidates.smk"
include: "workflow/rules/dynamics.smk"
include: "workflow/rules/transport.smk"
include: "workflow/rules/report.smk"


onstart:
    refuse_unwritable(Path("results"))


rule all:
    default_target: True
    input:
        expand("results/{campaign}/report/index.html", campaign=CAMPAIGN.campaign),
        regression_results,
        expand("results/{campaign}/models/comparison.csv", campaign=CAMPAIGN.campaign),
        expand(
            "results/{campaign}/models/explanations/attribution.csv",
            campaign=CAMPAIGN.campaign,
        ),
        expand("results/{campaign}/clusters/agreement.csv", campaign=CAMPAIGN.campaign),
        expand(
            "results/{campaign}/transport/conductivity.csv", campaign=CAMPAIGN.campaign
        ),
        expand(
            "results/{campaign}/structures/entries/{source}.jsonl.gz",
            campaign=CAMPAIGN.campaign,
            source=ENTRY_SOURCES,
        ),
