"""Evaluate every snapshot of a run with one probe, continuing where a killed job stopped.

    python -m workflow_scripts.probe --probe '<json>' --digest <sha256> --code <fingerprint> --run results/q/runs/<run>
        --weights results/q/backbones/<backbone>/weights.safetensors --data=digits=data/packed/digits@16-squash
        --output X.parquet --outcomes X.outcomes.safetensors --cost X.cost.json [--shard 1/4]

Shards may run at the same time, on a shared file system, and leave their parts beside the table; once all are
done, the command without --shard writes the results.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.arguments import add_data, folders
from tradeoff.errors import UserError
from tradeoff.script import run_script, set_threads


def main(argv: Sequence[str] | None = None) -> None:
    job = parse(argv)
    set_threads(job.probe["compute"]["threads"])
    run(job)


def run(job: argparse.Namespace, *, join: bool = True) -> None:
    """Do what the arguments say; without `join`, leave the results in parts, as a shard does."""
    from tradeoff.fingerprint import check_code
    from tradeoff.probe_code import probe_code
    from tradeoff.probes.run import Outputs, probe_run
    from tradeoff.seals import read_sealed

    check_code(job.code, probe_code(read_sealed(job.run / "run.json")["spec"], job.probe))
    outputs = Outputs(job.output, job.outcomes, job.cost)
    inputs = (job.run, job.weights, job.data)
    probe_run(job.probe, job.digest, job.code, *inputs, outputs, job.shard, device=job.device, join=join)


def is_done(job: argparse.Namespace) -> bool:
    """Whether the results are there, made of what the arguments say."""
    from tradeoff.probes import run

    outputs = run.Outputs(job.output, job.outcomes, job.cost)
    return run.is_done(job.digest, job.code, job.run, job.data, outputs)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, `data` as a mapping from references to folders."""
    parser = argparse.ArgumentParser(description="Probe every snapshot of a run.")
    parser.add_argument("--probe", type=json.loads, required=True, help="the probe's settings, JSON")
    parser.add_argument(
        "--digest", required=True, help="of the probe's and the run's settings, kept in the table"
    )
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in the table")
    parser.add_argument("--run", type=Path, required=True, help="the run's folder")
    parser.add_argument("--weights", type=Path, required=True, help="backbone, safetensors")
    add_data(parser, "a test set")
    parser.add_argument("--output", type=Path, required=True, help="tidy table, Parquet")
    parser.add_argument("--outcomes", type=Path, required=True, help="per-sample outcomes, safetensors")
    parser.add_argument("--cost", type=Path, required=True, help="seconds and hardware, JSON")
    parser.add_argument("--shard", type=_shard, default=(0, 1), metavar="I/N", help="only each N-th snapshot")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    arguments.data = folders(arguments.data)
    return arguments


def _shard(value: str) -> tuple[int, int]:
    number, _, of = value.partition("/")
    if not (number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of)):
        raise UserError("--shard", repr(value), "I/N with 1 <= I <= N, such as 2/5")
    return int(number) - 1, int(of)


if __name__ == "__main__":
    run_script(main)
