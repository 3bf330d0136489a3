"""Fine-tuning: one run is one job, and leaves its snapshots."""

from tradeoff.run_code import run_code


rule runs:
    """Every run of the study."""
    input:
        expand(f"{STUDY.root}/runs/{{run}}/run.json", run=STUDY.runs),


rule fine_tune:
    """Fine-tune a backbone with one strategy, keeping what it trains at every scheduled step."""
    input:
        data=lambda wildcards: packed_files(
            STUDY.packed(run_of(wildcards).dataset, run_of(wildcards).backbone)
        ),
        weights=lambda wildcards: f"{STUDY.root}/backbones/{run_of(wildcards).backbone}/weights.safetensors",
    output:
        snapshots=f"{STUDY.root}/runs/{{run}}/snapshots.safetensors",
        log=f"{STUDY.root}/runs/{{run}}/training.parquet",
        cost=f"{STUDY.root}/runs/{{run}}/cost.json",
        about=f"{STUDY.root}/runs/{{run}}/run.json",
    log:
        f"logs/{STUDY.name}/fine_tune/{{run}}.log",
    priority: AWAITED
    threads: THREADS * PROCESSES
    resources:
        gpu=GPUS * PROCESSES,
        device=DEVICE,
        mem_mb=lambda wildcards, attempt: REQUESTS.megabytes(
            run_of(wildcards), attempt, PROCESSES
        ),
        runtime=lambda wildcards, attempt: REQUESTS.minutes(
            run_of(wildcards), attempt=attempt
        ),
    params:
        spec=lambda wildcards: canonical_json(run_of(wildcards).spec),
        folder=subpath(output.about, parent=True),
        data=subpath(input.data, parent=True),
        code=lambda wildcards: run_code(run_of(wildcards).spec),
    shell:
        "python -m workflow_scripts.fine_tune --spec {params.spec:q} --code {params.code}"
        " --device {resources.device} --data {params.data:q} --weights {input.weights:q} --output {params.folder:q} &> {log:q}"
