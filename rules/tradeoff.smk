"""From probes to frontiers: collected only when every piece belongs to this study, then scored."""


rule study:
    """The study, resolved: params, runs, and the digest that each result must carry."""
    output:
        f"{STUDY.root}/study.json",
    log:
        f"logs/{STUDY.name}/study.log",
    params:
        digest=digest_of(STUDY.summary()),
        code=fingerprint_of("tradeoff.study"),
    run:
        write_sealed(output[0], STUDY.summary())


rule gather:
    """Collect every run and probe into tidy tables; refuse what is not this study's."""
    input:
        rules.runs.input,
        rules.probes.input,
        study=rules.study.output,
    output:
        probes=f"{STUDY.root}/tables/probes.parquet",
        training=f"{STUDY.root}/tables/training.parquet",
        runs=f"{STUDY.root}/tables/runs.csv",
        flags=f"{STUDY.root}/tables/flags.json",
        record=f"{STUDY.root}/tables/gather.record.json",
    log:
        f"logs/{STUDY.name}/gather.log",
    params:
        results=subpath(output.probes, ancestor=2),
        code=fingerprint("gather"),
    shell:
        "python -m workflow_scripts.gather --study {input.study:q} --results {params.results:q} &> {log:q}"


rule pareto_auc:
    """Each strategy's frontier and the area it dominates, with intervals; how its robustness rose and fell."""
    input:
        rules.gather.output,
        rules.study.output,
    output:
        table=f"{STUDY.root}/tables/pareto_auc.csv",
        frontiers=f"{STUDY.root}/tables/frontiers.csv",
        differences=f"{STUDY.root}/tables/auc_differences.csv",
        variants=f"{STUDY.root}/tables/variants.csv",
        courses=f"{STUDY.root}/tables/courses.csv",
        record=f"{STUDY.root}/tables/pareto_auc.record.json",
    log:
        f"logs/{STUDY.name}/pareto_auc.log",
    params:
        results=subpath(output.table, ancestor=2),
        bootstrap=lookup("tradeoff/bootstrap", within=config),
        seed=lookup("tradeoff/bootstrap_seed", within=config),
        confidence=lookup("tradeoff/confidence", within=config),
        code=fingerprint("pareto_auc"),
    shell:
        "python -m workflow_scripts.pareto_auc --results {params.results:q} --bootstrap {params.bootstrap}"
        " --seed {params.seed} --confidence {params.confidence} &> {log:q}"
