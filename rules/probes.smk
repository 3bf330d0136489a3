"""Probes: jobs of their own over a run's snapshots, so that a new threat never retrains."""

import re
from types import SimpleNamespace

# Small probes of a run that share a job, and so one start of Python and torch (compute.probes_per_job).
BATCHES = STUDY.probe_batches()
ALONE = set(config["study"]["probes"]).difference(*[names for names, _ in BATCHES])


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
        record=f"{STUDY.root}/probes/{{run}}/{{probe}}.record.json",
    log:
        f"logs/{STUDY.name}/probe/{{run}}/{{probe}}.log",
    wildcard_constraints:
        probe=names_only(ALONE),
    priority: lambda wildcards: priority_of_probes([wildcards.probe])
    threads: THREADS
    resources:
        gpu=GPUS,
        device=DEVICE,
        mem_mb=megabytes,
        runtime=lambda wildcards, attempt: REQUESTS.minutes(
            run_of(wildcards), (wildcards.probe,), attempt
        ),
    params:
        spec=lambda wildcards: canonical_json(STUDY.probe_spec(wildcards.probe)),
        digest=lambda wildcards: STUDY.probe_digest(run_of(wildcards), wildcards.probe),
        run=subpath(input.about, parent=True),
        data=lambda wildcards: [
            f"--data={name}={folder}" for name, folder in probe_data(wildcards).items()
        ],
        code=code_of_probe,
    shell:
        "python -m workflow_scripts.probe --probe {params.spec:q} --digest {params.digest} --code {params.code} --run {params.run:q}"
        " --device {resources.device} --weights {input.weights:q} {params.data:q} --output {output.table:q} --outcomes {output.outcomes:q}"
        " --cost {output.cost:q} &> {log:q}"


for number, (names, datasets) in enumerate(BATCHES):

    rule:
        name:
            f"probe_batch_{number}"
        input:
            about=f"{STUDY.root}/runs/{{run}}/run.json",
            snapshots=f"{STUDY.root}/runs/{{run}}/snapshots.safetensors",
            weights=lambda wildcards: f"{STUDY.root}/backbones/{run_of(wildcards).backbone}/weights.safetensors",
            data=lambda wildcards, names=names: sorted(
                {
                    packed_files(folder)
                    for name in names
                    for folder in probe_data(
                        SimpleNamespace(run=wildcards.run, probe=name)
                    ).values()
                }
            ),
        output:
            # Kept until replaced: of a batch, only what is not of today's settings is done again.
            [
                update(f"{STUDY.root}/probes/{{run}}/{name}.{ending}")
                for name in names
                for ending in (
                    "parquet",
                    "outcomes.safetensors",
                    "cost.json",
                    "record.json",
                )
            ],
        log:
            f"logs/{STUDY.name}/probe_batch/{{run}}/{number}.log",
            *[f"logs/{STUDY.name}/probe/{{run}}/{name}.log" for name in names],
        wildcard_constraints:
            run=rf"({names_only(map(re.escape, datasets))})/[^/]+/[^/]+/[^/]+/seed\d+",
        priority: priority_of_probes(names)
        threads: THREADS
        resources:
            gpu=GPUS,
            device=DEVICE,
            mem_mb=megabytes,
            runtime=lambda wildcards, attempt, names=names: REQUESTS.minutes(
                run_of(wildcards), tuple(names), attempt
            ),
        params:
            jobs=lambda wildcards, names=names: canonical_json(
                [probe_job(wildcards.run, name) for name in names]
            ),
        shell:
            "python -m workflow_scripts.probe_batch --device {resources.device} --jobs {params.jobs:q} &> {log[0]:q}"
