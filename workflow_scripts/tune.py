"""Search the recipe of one dataset, backbone and strategy, continuing where a killed search stopped.

python -m workflow_scripts.tune --spec '<json>' --code <fingerprint> --data data/packed/digits@16-squash
    --weights results/quickstart/backbones/glyph_vit/weights.safetensors
    --output results/quickstart/tuned/digits/glyph_vit/lora.json
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.locks import sole_worker
from tradeoff.script import run_script, set_threads


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Search a recipe.")
    parser.add_argument("--spec", type=json.loads, required=True, help="the search, JSON (Study.tuning)")
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in the result")
    parser.add_argument("--data", type=Path, required=True, help="packed dataset")
    parser.add_argument("--weights", type=Path, required=True, help="backbone, safetensors")
    parser.add_argument("--output", type=Path, required=True, help="what was found, JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    set_threads(arguments.spec["run"]["compute"]["threads"])
    from tradeoff.fingerprint import check_code
    from tradeoff.run_code import tuning_code
    from tradeoff.tuning import tune

    check_code(arguments.code, tuning_code(arguments.spec["run"]))
    with sole_worker(arguments.output):
        tune(
            arguments.spec,
            arguments.code,
            arguments.data,
            arguments.weights,
            arguments.output,
            arguments.device,
        )


if __name__ == "__main__":
    run_script(main)
