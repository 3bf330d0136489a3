"""How hard each dataset is for each backbone, before fine-tuning; only for studies of several datasets."""

from tradeoff.task_code import task_code


rule measure_task:
    """Separability of a dataset's classes in a backbone's features, and similarity to its upstream data."""
    input:
        data=lambda wildcards: [
            packed_files(folder) for folder in task_data(wildcards).values()
        ],
        weights=f"{STUDY.root}/backbones/{{backbone}}/weights.safetensors",
    output:
        f"{STUDY.root}/tasks/{{dataset}}/{{backbone}}/task.json",
    log:
        f"logs/{STUDY.name}/measure_task/{{dataset}}/{{backbone}}.log",
    wildcard_constraints:
        dataset=r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?",
    threads: THREADS
    resources:
        gpu=GPUS,
        device=DEVICE,
    params:
        spec=lambda wildcards: canonical_json(
            STUDY.tasks[f"{wildcards.dataset}/{wildcards.backbone}"]
        ),
        data=lambda wildcards: [
            f"--data={reference}={folder}"
            for reference, folder in task_data(wildcards).items()
        ],
        code=task_code(),
    shell:
        "python -m workflow_scripts.measure_task --spec {params.spec:q} --code {params.code} --weights {input.weights:q}"
        " {params.data:q} --output {output:q} --device {resources.device} &> {log:q}"


rule gather_tasks:
    """Collect them into a table; refuse what is not this study's."""
    input:
        expand(f"{STUDY.root}/tasks/{{task}}/task.json", task=STUDY.tasks),
        study=rules.study.output,
    output:
        table=f"{STUDY.root}/tables/tasks.csv",
        record=f"{STUDY.root}/tables/tasks.record.json",
    log:
        f"logs/{STUDY.name}/gather_tasks.log",
    params:
        results=subpath(output.table, ancestor=2),
        code=fingerprint("gather_tasks"),
    shell:
        "python -m workflow_scripts.gather_tasks --results {params.results:q} &> {log:q}"
