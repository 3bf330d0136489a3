"""Probes: jobs of their own over a run's snapshots, so that a new threat never retrains."""

from tradeoff.code import probe_code


rule probes:
    """Every probe of every run."""
    input:
        [
            f"{STUDY.root}/probes/{run.name}/{probe}.parquet"
            for run in STUDY.runs.values()
            for probe in STUDY.probes_of(run)
        ],


rule probe:
    """Evaluate every snapshot of a run: under attack, or on shifted or corrupted data."""
    input:
        about=f"{STUDY.root}/runs/{{run}}/run.json",
        snapshots=f"{STUDY.root}/runs/{{run}}/snapshots.safetensors",
        weights=lambda wildcards: f"{STUDY.root}/backbones/{run_of(wildcards).backbone}/weights.safetensors",
        data=lambda wildcards: sorted(
            {packed_files(folder) for folder in probe_data(wildcards).values()}
        ),
    output:
        table=f"{STUDY.root}/probes/{{run}}/{{probe}}.parquet",
        outcomes=f"{STUDY.root}/probes/{{run}}/{{probe}}.outcomes.safetensors",
        cost=f"{STUDY.root}/probes/{{run}}/{{probe}}.cost.json",
    log:
        f"logs/{STUDY.name}/probe/{{run}}/{{probe}}.log",
    threads: THREADS
    resources:
        gpu=GPUS,
        device=DEVICE,
    params:
        spec=lambda wildcards: canonical_json(STUDY.probe_spec(wildcards.probe)),
        digest=lambda wildcards: STUDY.probe_digest(run_of(wildcards), wildcards.probe),
        run=subpath(input.about, parent=True),
        data=lambda wildcards: [
            f"--data={name}={folder}" for name, folder in probe_data(wildcards).items()
        ],
        code=lambda wildcards: probe_code(
            run_of(wildcards).spec, config["probes"][wildcards.probe]
        ),
    shell:
        "python -m workflow_scripts.probe --probe {params.spec:q} --digest {params.digest} --code {params.code} --run {params.run:q}"
        " --device {resources.device} --weights {input.weights:q} {params.data:q} --output {output.table:q} --outcomes {output.outcomes:q}"
        " --cost {output.cost:q} &> {log:q}"
