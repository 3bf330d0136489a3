"""Upstream weights: pre-trained here, or fetched."""

from tradeoff.backbone_code import backbone_code

PRETRAINED = STUDY.pretrained()


rule pretrain_backbone:
    """Train a backbone from scratch on its upstream dataset, and report its accuracy there."""
    input:
        data=lambda wildcards: packed_files(
            STUDY.packed(PRETRAINED[wildcards.backbone], wildcards.backbone)
        ),
    output:
        weights=f"{STUDY.root}/backbones/{{backbone}}/weights.safetensors",
        about=f"{STUDY.root}/backbones/{{backbone}}/backbone.json",
    log:
        f"logs/{STUDY.name}/pretrain_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=names_only(PRETRAINED),
    priority: AWAITED
    threads: THREADS
    resources:
        gpu=GPUS,
        device=DEVICE,
    params:
        spec=lambda wildcards: canonical_json(
            STUDY.pretraining_spec(wildcards.backbone)
        ),
        folder=subpath(output.weights, parent=True),
        data=subpath(input.data, parent=True),
        code=backbone_code(pretrained=True),
    shell:
        "python -m workflow_scripts.pretrain_backbone --spec {params.spec:q} --code {params.code} --data {params.data:q}"
        " --device {resources.device} --output {params.folder:q} &> {log:q}"


rule fetch_backbone:
    """Fetch pretrained weights from the mirror, a file or the hub."""
    output:
        weights=f"{STUDY.root}/backbones/{{backbone}}/weights.safetensors",
        about=f"{STUDY.root}/backbones/{{backbone}}/backbone.json",
    log:
        f"logs/{STUDY.name}/fetch_backbone/{{backbone}}.log",
    wildcard_constraints:
        backbone=names_only(set(config["study"]["backbones"]) - set(PRETRAINED)),
    priority: AWAITED
    params:
        spec=lambda wildcards: canonical_json(config["backbones"][wildcards.backbone]),
        folder=subpath(output.weights, parent=True),
        code=backbone_code(pretrained=False),
    shell:
        "python -m workflow_scripts.fetch_backbone --spec {params.spec:q} --code {params.code} --output {params.folder:q} &> {log:q}"
