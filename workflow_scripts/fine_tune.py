"""Fine-tune one run, continuing from its last snapshot if it was interrupted.

python -m workflow_scripts.fine_tune --spec '<json>' --code <fingerprint> --data data/packed/digits@16-squash
    --weights results/quickstart/backbones/glyph_vit/weights.safetensors
    --output results/quickstart/runs/digits/glyph_vit/lora/standard/seed0
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from tradeoff.locks import sole_worker
from tradeoff.script import run_script, set_threads


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fine-tune one run.")
    parser.add_argument("--spec", type=json.loads, required=True, help="the run's resolved settings, JSON")
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in run.json")
    parser.add_argument("--data", type=Path, required=True, help="packed dataset")
    parser.add_argument("--weights", type=Path, required=True, help="backbone, safetensors")
    parser.add_argument("--output", type=Path, required=True, help="the run's folder")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    set_threads(arguments.spec["compute"]["threads"])
    from tradeoff import team

    is_member = team.enlist()
    from tradeoff.fingerprint import check_code
    from tradeoff.run_code import run_code
    from tradeoff.runs import fine_tune

    check_code(arguments.code, run_code(arguments.spec))
    processes = arguments.spec["compute"]["processes"]
    with nullcontext() if is_member else sole_worker(arguments.output):
        if processes > 1 and not is_member:
            sys.exit(_start(list(argv) if argv is not None else sys.argv[1:], arguments.device, processes))
        fine_tune(
            arguments.spec,
            arguments.code,
            arguments.data,
            arguments.weights,
            arguments.output,
            arguments.device,
        )


def _start(words: list[str], device: str, processes: int) -> int:
    """Do the job in several processes, with a device for each; return their status."""
    from tradeoff import team
    from tradeoff.devices import choose_devices

    devices = choose_devices(device, processes)
    return team.start("workflow_scripts.fine_tune", [[*words, f"--device={each}"] for each in devices])


if __name__ == "__main__":
    run_script(main)
