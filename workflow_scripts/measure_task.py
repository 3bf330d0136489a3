"""Measure how hard a task is for a backbone, before any fine-tuning: class separability, similarity to upstream data.

python -m workflow_scripts.measure_task --spec '<json>' --code <fingerprint>
    --weights results/q/backbones/<backbone>/weights.safetensors --data=digits=data/packed/digits@16-squash
    --output results/q/tasks/digits/<backbone>/task.json
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.arguments import add_data, folders
from tradeoff.script import run_script, set_threads


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure how hard a task is for a backbone.")
    parser.add_argument("--spec", type=json.loads, required=True, help="the task's settings, JSON")
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in task.json")
    parser.add_argument("--weights", type=Path, required=True, help="backbone, safetensors")
    add_data(parser, "the task's dataset and the upstream one")
    parser.add_argument("--output", type=Path, required=True, help="task.json")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    set_threads(arguments.spec["compute"]["threads"])
    from tradeoff.fingerprint import check_code
    from tradeoff.task_code import task_code
    from tradeoff.tasks import measure_task

    check_code(arguments.code, task_code())
    data = folders(arguments.data)
    measure_task(arguments.spec, arguments.code, arguments.weights, data, arguments.output, arguments.device)


if __name__ == "__main__":
    run_script(main)
