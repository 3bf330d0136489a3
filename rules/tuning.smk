"""Recipes, searched on validation images: `make tune` asks for them, no other target does."""

from tradeoff.run_code import tuning_code

SEARCHES = STUDY.tuning()


rule tuned:
    """Every search of the study."""
    input:
        [f"{STUDY.root}/tuned/{cell}.json" for cell in SEARCHES],


rule tune:
    """Search the recipe of a dataset, a backbone and a strategy."""
    input:
        data=lambda wildcards: packed_files(
            STUDY.packed(
                SEARCHES[wildcards.cell]["run"]["dataset"],
                SEARCHES[wildcards.cell]["run"]["backbone"],
            )
        ),
        weights=lambda wildcards: f"{STUDY.root}/backbones/{SEARCHES[wildcards.cell]['run']['backbone']}/weights.safetensors",
    output:
        f"{STUDY.root}/tuned/{{cell}}.json",
    log:
        f"logs/{STUDY.name}/tune/{{cell}}.log",
    wildcard_constraints:
        cell=names_only(SEARCHES),
    threads: THREADS
    resources:
        gpu=GPUS,
        device=DEVICE,
    params:
        spec=lambda wildcards: canonical_json(SEARCHES[wildcards.cell]),
        data=subpath(input.data, parent=True),
        code=lambda wildcards: tuning_code(SEARCHES[wildcards.cell]["run"]),
    shell:
        "python -m workflow_scripts.tune --spec {params.spec:q} --code {params.code}"
        " --device {resources.device} --data {params.data:q} --weights {input.weights:q} --output {output:q} &> {log:q}"
