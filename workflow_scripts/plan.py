"""What a study will cost, before anything runs; what is done already is subtracted.

    python -m workflow_scripts.plan [--device NAME] [--at-once N] [--disk] params.yaml [studies/NAME.yaml ...]

device: a file of benchmarks/calibrations; without it this machine's, if it was measured (benchmarks/calibrate.py).
--disk prints nothing; either way it exits with one line when the disk is too small for what is left to do.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.identity import hardware
from tradeoff.params import load_params
from tradeoff.plan.calibration import read_calibration
from tradeoff.plan.cost import savings
from tradeoff.plan.disk import check_disk
from tradeoff.plan.jobs import Jobs
from tradeoff.plan.sizes import Sizes
from tradeoff.plan.text import describe
from tradeoff.script import run_script
from tradeoff.study import Study


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Say what a study will cost.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    parser.add_argument("--device", help="a measured device; default: this machine, where it was measured")
    parser.add_argument("--at-once", type=int, help="jobs side by side; default: as many as the device takes")
    parser.add_argument(
        "--disk", action="store_true", help="print nothing; only see whether the disk suffices"
    )
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    here = hardware("") | {"device": params["compute"]["device"]}
    device = read_calibration(arguments.device or None, here)
    at_once = arguments.at_once or (device.at_once if device else 1)
    sizes = Sizes()
    jobs = list(Jobs(study, sizes).all())
    if not arguments.disk:
        for line in describe(study.name, jobs, savings(study, sizes, device), device, at_once):
            print(line)
    check_disk(jobs, at_once)


if __name__ == "__main__":
    run_script(main)
