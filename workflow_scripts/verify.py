"""Hash every file of a study and compare it with what the job that made it recorded.        (make verify STUDY=...)

    python -m workflow_scripts.verify params.yaml [studies/NAME.yaml ...]

One line for each file that was cut short or changed, with the command that makes it again, and exit status 1.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.memory import BRING_BACK
from tradeoff.params import load_params
from tradeoff.script import run_script
from tradeoff.study import Study
from tradeoff.verify import MEMORY, Checked, verify


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare every file of a study with its recorded sha256.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    checked = list(verify(Path(study.root), _data(study)))
    if not checked:
        raise UserError(study.root, "nothing that was made", "results to verify", "make them: `make figures`")
    damaged = [each for each in checked if each.error]
    for each in damaged:
        print(_line(each, arguments.files[1:]), flush=True)
    unnamed = [each for each in checked if each.record is None]
    if unnamed:
        print(
            f"no record names {len(unnamed)} files, of jobs that did not end; the first is {unnamed[0].path}"
        )
    whole = len(checked) - len(unnamed) - len(damaged)
    print(f"{study.name}: {whole} of {len(checked) - len(unnamed)} recorded files are as they were made")
    if damaged:
        sys.exit(1)


def _data(study: Study) -> list[Path]:
    """Every dataset of a study as it was fetched, as each backbone sees it, and what DVC versions of its making."""
    backbones = study.params["study"]["backbones"]
    packed = {Path(study.packed(name, backbone)) for name in study.datasets() for backbone in backbones}
    fetched = {Path("data/raw", name) for name in study.datasets()}
    return sorted(packed | fetched | {MEMORY / f"{folder.name}.json" for folder in packed | fetched})


def _line(checked: Checked, overlays: Sequence[Path]) -> str:
    """The error, with the command that makes the file again instead of general advice."""
    error, record = checked.error, checked.record
    assert error is not None
    assert record is not None
    configfile = f"--configfile {shlex.join(map(str, overlays))} " if overlays else ""
    again = f"make it again with: snakemake {configfile}--force {shlex.quote(str(record))}"
    if record.name == "report.record.json":
        again = f"delete {record} and {checked.path}, and run `make figures` again"
    if record.parent.name == "memory":
        again = BRING_BACK
    return f"error: {UserError(error.where, error.found, error.expected, again)}"


if __name__ == "__main__":
    run_script(main)
