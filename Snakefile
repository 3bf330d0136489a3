# The whole pipeline, as a table of contents:
#   data -> backbone -> runs (snapshots) -> probes -> frontiers -> figures and tables.
#
#   snakemake                                     the default study, params.yaml
#   snakemake --configfile studies/NAME.yaml      another study, an overlay on params.yaml
#   snakemake -n                                  what would run, and why
from snakemake.utils import min_version

min_version("9.27")


# With --sdm apptainer: the locked environment, as container/tradeoff.def builds it.
container: "container/tradeoff.sif"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/backbones.smk"
include: "rules/tuning.smk"
include: "rules/runs.smk"
include: "rules/probes.smk"
include: "rules/tradeoff.smk"
include: "rules/tasks.smk"
include: "rules/artifacts.smk"


report: "report/study.rst"


# One workflow at a time makes a study's results; what a killed one left locked is free (workflow_scripts/at_work.py).
if workflow.is_main_process:
    check_gpus()
    enter_study()


onstart:
    begin_study()
    keep_runtime()
    warn_of_requests()
    show_progress()


# What finished jobs kept in case that nobody noted their end.
onsuccess:
    forget(Path(STUDY.root))


onerror:
    explain(log)


localrules:
    all,
    data,
    tuned,
    runs,
    probes,
    figures,
    tables,
    study,


rule all:
    """Every artifact of the study."""
    default_target: True
    input:
        rules.figures.input,
        rules.tables.input,
        METRICS,
        rules.write_explorer.output,
        rules.write_provenance.output,
