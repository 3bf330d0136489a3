"""Several probes of one run in one process: for small ones, whose job is over sooner than torch is imported.

    python -m workflow_scripts.probe_batch --device cpu --jobs '[{"arguments": ["--probe=...", ...], "log": "X.log"}]'

arguments: those of workflow_scripts.probe. What is done already is left as it is. The results are written once all
snapshots of all probes are evaluated, so that a job that fails, of which Snakemake removes every output, loses no part.
"""

import argparse
import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tradeoff.errors import UserError
from tradeoff.script import run_script, set_threads
from workflow_scripts import probe


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Probe a run with several probes.")
    parser.add_argument("--jobs", type=json.loads, required=True, help="[{arguments, log}], JSON")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    jobs = [(probe.parse(job["arguments"]), Path(job["log"])) for job in arguments.jobs]
    set_threads(jobs[0][0].probe["compute"]["threads"])
    todo = []
    for job, log in jobs:
        job.device = arguments.device
        if probe.is_done(job):
            log.write_text("done before\n")
        else:
            todo.append((job, log))
    for join in (False, True):
        for job, log in todo:
            _logged(job, log, join=join)


def _logged(job: Namespace, log: Path, *, join: bool) -> None:
    """Run a job with what it prints, and what goes wrong, in a log of its own, where `make status` looks."""
    with open(log, "a", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            probe.run(job, join=join)
        except UserError as error:
            print(f"error: {error}", flush=True)
            sys.exit(f"error: {job.output}: {error}")


if __name__ == "__main__":
    run_script(main)
