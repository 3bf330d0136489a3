"""The JSON schema of params.yaml, assembled from the sections below and from the registries.

    python -m tradeoff.params.schema [--check]      (also: make schema)

writes schemas/params.schema.json, and for editors overlay.schema.json (the same with nothing required, for
studies/*.yaml), or says whether the files are today's. Strategies, objectives, attacks and
probe kinds state their own parameters in their own file; this module only puts them together. What runs
afterwards reads the file, so that no start of a workflow has to import torch.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradeoff.files import read_json, write_json
from tradeoff.params.epsilon import SCHEMA
from tradeoff.params.schema_parts import NAME, Schema, choice, integer, mapping, named, names, number, partial

FOLDER = Path(__file__).parents[3] / "schemas"


def assemble() -> Schema:
    """Return the whole schema. Imports every strategy, objective, attack and probe kind."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "robustness-tradeoff: a study",
        **mapping(
            {
                "study": STUDY,
                "data": DATA,
                "datasets": {"type": "object", "description": "datasets of your own", **named(DATASET)},
                "backbones": {"type": "object", "description": "backbones by name", **named(BACKBONE)},
                "pretraining": mapping(RECIPE | {"seed": integer(0, "seed of weights and batches")}),
                "training": mapping(RECIPE),
                "robust_validation": _robust_validation(),
                "probe_schedule": PROBE_SCHEDULE,
                "snapshots": SNAPSHOTS,
                "recipes": CELLS
                | {"description": "recipes of single cells, which win over all other sections"},
                "tuned": CELLS | {"description": "recipes that `make tune` chose; `recipes` win over them"},
                "tuning": TUNING,
                "strategies": partial(_strategies()),
                "objectives": partial(_objectives()),
                "probes": {"type": "object", "description": "probes by name", **named(_probe())},
                "tasks": TASKS,
                "tradeoff": TRADEOFF,
                "compute": COMPUTE,
            }
        ),
    }


# A name, or name.domain.
DATASET_REFERENCE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$"
# What a run is one of each of: in the words of study.leave_out, and the type of its value.
RUN_PARTS = {
    "dataset": "string",
    "backbone": "string",
    "strategy": "string",
    "objective": "string",
    "seed": "integer",
}
STUDY = mapping(
    {
        "name": {"type": "string", "pattern": NAME, "description": "results lie under results/<name>"},
        "title": {"type": "string", "minLength": 1, "description": "one line for figures and the report"},
        "datasets": names("datasets, or dataset.domain", DATASET_REFERENCE),
        "backbones": names("names of the section backbones"),
        "strategies": names("names of the section strategies"),
        "objectives": names("names of the section objectives"),
        "seeds": {
            "type": "array",
            "items": integer(0, "a seed") | {"maximum": 2**31 - 1},
            "minItems": 1,
            "uniqueItems": True,
            "description": "one run for each",
        },
        "leave_out": {
            "type": "array",
            "items": partial(
                {
                    part: {"type": "array", "items": {"type": kind}, "minItems": 1, "uniqueItems": True}
                    for part, kind in RUN_PARTS.items()
                }
            )
            | {"minProperties": 1},
            "description": "runs not to make: those that each list of an entry holds a part of",
        },
        "probes": names("names of the section probes"),
    }
)

DATA = mapping(
    {
        "mirror": {"type": ["string", "null"], "description": "a folder with datasets/ and weights/"},
        "validation_share": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 0.5,
            "description": "share of the training images held out",
        },
        "split_seed": integer(0, "seed of the validation split and of limits"),
        "pack_up_to": number(0, None, "gigabytes of decoded images; training images of more are streamed"),
        "limit": mapping(
            {
                split: integer(1, f"at most so many {split} images, balanced over classes", nullable=True)
                for split in ("train", "validation", "test")
            }
        ),
    }
)

_SPLIT_FILES = mapping({"train": {"type": "string"}, "test": {"type": "string"}})
DATASET = partial(
    {
        "folder": {
            "type": "string",
            "description": "root of {train,test}/<class>/*, or of <domain>/{train,test}/<class>/*",
        },
        "parquet": _SPLIT_FILES | {"description": "Parquet files with an image and a label column"},
        "image": {"type": "string", "description": "name of the image column"},
        "label": {"type": "string", "description": "name of the label column"},
        "revision": {
            "type": "string",
            "pattern": "^[0-9a-f]{7,40}$",
            "description": "commit on the hub, at least its first seven digits",
        },
        "sha256": partial({"train": {"type": "string"}, "test": {"type": "string"}})
        | {"description": "checksums of a split's source files, joined"},
        "title": {"type": "string"},
        "licence": {"type": "string"},
        "citation": {"type": "string"},
    }
)

_CHANNELS = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
BACKBONE = mapping(
    {
        "model": {"type": "string", "pattern": r"^[a-zA-Z0-9_.]+$", "description": "a timm model"},
        "arguments": {"type": "object", "description": "keyword arguments of timm.create_model"},
        "image_size": integer(8, "pixels, height = width"),
        "resize": choice("how images become square", "squash", "crop"),
        "interpolation": choice("between pixels; bilinear unless said", "bilinear", "bicubic"),
        "mean": _CHANNELS | {"description": "normalisation, subtracted"},
        "std": _CHANNELS
        | {"items": {"type": "number", "exclusiveMinimum": 0}, "description": "normalisation, divided by"},
        "weights": {
            "oneOf": [
                mapping({"pretrain": {"type": "string", "pattern": NAME}}),
                partial({"file": {"type": "string"}, "sha256": {"type": "string"}}) | {"required": ["file"]},
                partial(
                    {
                        "hub": {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+$"},
                        "revision": {
                            "type": ["string", "null"],
                            "pattern": "^[0-9a-f]{40}$",
                            "description": "commit on the hub; null where none is known yet, to be stated before a run",
                        },
                        "filename": {"type": "string"},
                        "sha256": {"type": "string"},
                    }
                )
                | {"required": ["hub", "revision"]},
            ],
            "description": "{pretrain: dataset}, {file: name} or {hub: repository, revision: commit}",
        },
    },
    required=("model", "arguments", "image_size", "resize", "mean", "std", "weights"),
)

AUGMENTATION = mapping(
    {
        "flip": number(0, 1, "probability of the mirror image"),
        "brightness": number(0, 1, "x: times a factor between 1 - x and 1 + x"),
        "contrast": number(0, 1, "x: the same, about the image's mean grey"),
        "saturation": number(0, 1, "x: the same, about each pixel's grey"),
        "rotation": number(0, 180, "degrees at most, to either side"),
    }
) | {"type": ["object", "null"], "description": "random changes of training images; null: none"}

RECIPE: Schema = {
    "epochs": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 100_000,
        "description": "passes over the training images; a fraction is allowed",
    },
    "batch_size": integer(1, "images in a step"),
    "learning_rate": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 10,
        "description": "the highest, after the warm-up",
    },
    "weight_decay": number(0, 10, "AdamW's; never on norms, biases and scales"),
    "schedule": choice("of the learning rate after the warm-up", "linear", "cosine", "constant"),
    "warmup": number(0, None, "a share of all steps, or a number of steps when above 1"),
    "clip_norm": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "description": "of the gradient; null: none",
    },
    "label_smoothing": number(0, 0.9, "of the cross-entropy"),
    "precision": choice("of forward and backward passes", "fp32", "bf16"),
    "augmentation": AUGMENTATION,
}

# dataset/backbone/strategy, and perhaps /objective
CELL = r"^[a-z][a-z0-9_.]*/[a-z][a-z0-9_]*/[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)?$"
CELLS = {"type": "object", "patternProperties": {CELL: partial(RECIPE)}, "additionalProperties": False}
_RANGE = {
    "type": ["array", "null"],
    "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 10},
    "minItems": 2,
    "maxItems": 2,
    "description": "lowest and highest, searched logarithmically; null: not searched",
}
TUNING = mapping(
    {
        "trials": integer(1, "of each dataset, backbone and strategy"),
        "epochs": {
            "type": ["number", "null"],
            "exclusiveMinimum": 0,
            "description": "of a trial that is not stopped early; null: the recipe's",
        },
        "objective": {
            "type": ["string", "null"],
            "description": "the one that all others take their values from; null: the first; each: no other",
        },
        "reduction_factor": integer(2, "one trial in so many goes on at each stage of successive halving"),
        "seed": integer(0, "of proposals and of the trials' training"),
        "learning_rate": _RANGE,
        "weight_decay": _RANGE,
    }
)

PROBE_SCHEDULE = {
    "type": "array",
    "minItems": 1,
    "items": partial(
        {
            "until": integer(1, "the last step this rule covers"),
            "every": integer(1, "steps between snapshots"),
        }
    )
    | {"required": ["every"]},
    "description": "snapshots: every so many steps until a step; the last entry needs no `until`",
}

SNAPSHOTS = {
    "anyOf": [
        {"enum": ["all", "last"]},
        mapping(
            {"every": integer(1, "keep each n-th of the scheduled steps, the first and the last with them")}
        ),
    ],
    "description": "which snapshots are kept: all, last, or {every: n}",
}

TASKS = mapping(
    {
        "images": integer(
            1, "training images of a dataset, balanced over classes; two of each class at least"
        ),
        "upstream": {
            "type": "object",
            **named({"type": "string", "pattern": DATASET_REFERENCE}),
            "description": "what backbones were pre-trained on, by backbone: a dataset; others have no similarity",
        },
    }
)

TRADEOFF = mapping(
    {
        "headline": mapping({"probe": {"type": "string", "pattern": NAME}, "epsilon": SCHEMA})
        | {"type": ["object", "null"], "description": "the threat that figures of one threat show"},
        "expected_up_to": {
            "anyOf": [*SCHEMA["anyOf"], {"type": "null"}],
            "description": f"{SCHEMA['description']}, up to which robustness is averaged; null: to the largest",
        },
        "onset_accuracy": number(0, 1, "validation accuracy above which task adaptation has begun"),
        "bootstrap": integer(0, "replicates over test samples; 0: no intervals"),
        "bootstrap_seed": integer(0, "seed of the bootstrap"),
        "confidence": {
            "type": "number",
            "exclusiveMinimum": 0,
            "exclusiveMaximum": 1,
            "description": "of intervals of trade-off AUCs and of rises and falls; those of shares are 95%",
        },
    }
)

COMPUTE = mapping(
    {
        "device": {
            "type": "string",
            "pattern": r"^(auto|cpu|cuda(:\d+)?)$",
            "description": "auto, cpu or cuda",
        },
        "deterministic": {
            "type": "boolean",
            "description": "on a GPU: only algorithms that repeat bit for bit",
        },
        "threads": integer(1, "of every torch job"),
        "processes": integer(1, "that share each batch of a fine-tuning, a GPU for each"),
        "probe_batch": integer(1, "images in a batch of a probe"),
        "calibration": {
            "type": ["string", "null"],
            "pattern": NAME,
            "description": "a file of benchmarks/calibrations by which time limits are planned",
        },
        "probes_per_job": integer(1, "probes of a run that share a process"),
        "precision": choice("of probes", "fp32", "bf16"),
        "channels_last": {"type": "boolean", "description": "memory layout for convolutions"},
        "compile": {"type": "boolean", "description": "torch.compile for probes on a GPU"},
    }
)


def _strategies() -> Schema:
    """One section for each strategy: its own parameters, a sweep over them, and its changes of the recipe."""
    from tradeoff import strategies

    return {name: section(strategies.schema(name)) for name in strategies.STRATEGIES}


def section(parameters: Schema) -> Schema:
    """The section of a strategy or an objective whose own parameters have the schema `parameters`."""
    own = parameters["properties"]
    sweep = {
        key: {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}
        for key, value in own.items()
        if value.get("type") != "object"  # it has no name for a folder
    }
    extra = {
        "training": partial(RECIPE) | {"description": "what differs from the section training"},
        "sweep": partial(sweep) | {"description": "lists of values; every combination is a variant"},
    }
    described = {"description": parameters.get("description", "")}
    return mapping(own | extra, parameters.get("required", ())) | described


def _objectives() -> Schema:
    """The same for each objective."""
    from tradeoff import objectives

    return {name: section(objectives.schema(name)) for name in objectives.OBJECTIVES}


def _robust_validation() -> Schema:
    from tradeoff.attacks.balls import NORMS
    from tradeoff.objectives import INNER_ATTACKS

    epsilon = f"{SCHEMA['description']}; null: the objective's largest, and nothing for standard fine-tuning"
    values = {
        "attack": choice("how the ball is searched", *INNER_ATTACKS),
        "steps": integer(1, "gradient steps"),
        "norm": choice("of the perturbation", *NORMS),
        "epsilon": {"anyOf": [*SCHEMA["anyOf"], {"type": "null"}], "description": epsilon},
        "limit": integer(1, "at most so many validation images, balanced over classes"),
        "every": integer(1, "epochs between measurements; after the last step there always is one"),
    }
    described = "an attack on validation images at the ends of epochs; null: none"
    return mapping(values) | {"type": ["object", "null"], "description": described}


def _probe() -> Schema:
    """Any kind of probe: `kind` says which schema holds."""
    from tradeoff import probes

    kinds = {kind: probes.schema(kind) for kind in probes.KINDS}
    return {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": choice("what the probe measures", *kinds)},
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": schema}
            for kind, schema in kinds.items()
        ],
    }


def overlay(schema: Any) -> Any:
    """Return a schema in which nothing is required, for files that state only what differs."""
    if isinstance(schema, list):
        return [overlay(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key == "if" else overlay(value)
        for key, value in schema.items()
        if key != "required" or not isinstance(value, list)
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write schemas/*.schema.json.")
    parser.add_argument("--check", action="store_true", help="only say whether the files are today's")
    arguments = parser.parse_args(argv)
    schema = assemble()
    for name, content in (("params", schema), ("overlay", overlay(schema))):
        file = FOLDER / f"{name}.schema.json"
        if not arguments.check:
            write_json(file, content)
        elif not file.exists() or read_json(file) != content:
            sys.exit(f"{file.name} is out of date: run `make schema`")


if __name__ == "__main__":
    main()
