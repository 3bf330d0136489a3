"""How long a study was planned to take, and how long it took, rule by rule.

    make figures STUDY=cifar10_small && python -m benchmarks.planned params.yaml studies/cifar10_small.yaml
        [--device NAME]

Both are sums over jobs of their time by the clock; the measured ones are what Snakemake recorded of the last time that
each result was made here, so run it after a whole study made in one go. device: a file of benchmarks/calibrations;
without it this machine's. A job slowed down by others beside it counts in full, and probes that share a process count
as one job of what ran. Prints a Markdown table.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.overhead import finished
from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.identity import hardware
from tradeoff.params import load_params
from tradeoff.plan.calibration import Calibration, read_calibration
from tradeoff.plan.jobs import Jobs
from tradeoff.plan.sizes import Sizes
from tradeoff.script import run_script
from tradeoff.study import Study

# Rules of the workflow that a plan has under one name, by how theirs begin.
TOGETHER = {"figure_": "figures", "table_": "tables", "probe": "probe"}
Sums = dict[str, tuple[int, float]]
NONE = (0, 0.0)
METADATA = Path(".snakemake/metadata")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare a study's plan with what it took.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    parser.add_argument("--device", help="a measured device; default: this machine")
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    here = hardware("") | {"device": params["compute"]["device"]}
    device = read_calibration(arguments.device, here)
    if device is None:
        raise UserError(
            "device", "a machine that was never measured", "a calibration", "make calibrate STUDY=..."
        )
    found = measured(study)
    if not found:
        raise UserError(
            f"results/{study.name}", "no record of a job", "a finished study", "make figures STUDY=..."
        )
    print("\n".join(table(planned(study, Sizes(), device), found)))


def planned(study: Study, sizes: Sizes, device: Calibration) -> Sums:
    """Return {rule: (jobs, seconds)} as `make plan` has them before anything is done."""
    return _sums((job.rule, job.seconds(device)) for job in Jobs(study, sizes, ignore_done=True).all())


def measured(study: Study) -> Sums:
    """Return {rule: (jobs, seconds)} of what ran, under the plan's names of rules."""
    return _sums(
        (_name(job.rule), job.end - job.start)
        for job in finished(METADATA, study.name)
        if job.rule != "study"
    )


def table(plan: Sums, found: Sums) -> list[str]:
    """Return the lines of a Markdown table: difference is planned over measured, less one."""
    lines = [
        "| rule | jobs planned | jobs run | planned, s | measured, s | difference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    rows = {rule: (plan.get(rule, NONE), found.get(rule, NONE)) for rule in dict.fromkeys([*plan, *found])}
    rows["total"] = (_total(plan), _total(found))
    for rule, ((jobs, seconds), (run, took)) in rows.items():
        off = f"{seconds / took - 1:+.0%}" if seconds and took else ""
        lines.append(f"| {rule} | {jobs} | {run} | {seconds:,.1f} | {took:,.1f} | {off} |")
    return lines


def _name(rule: str) -> str:
    return next((name for start, name in TOGETHER.items() if rule.startswith(start)), rule)


def _sums(jobs: Iterable[tuple[str, float]]) -> Sums:
    found: Sums = {}
    for rule, seconds in jobs:
        number, before = found.get(rule, NONE)
        found[rule] = (number + 1, before + seconds)
    return found


def _total(sums: Sums) -> tuple[int, float]:
    return sum(number for number, _ in sums.values()), sum(seconds for _, seconds in sums.values())


if __name__ == "__main__":
    run_script(main)
