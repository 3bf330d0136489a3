"""Collect how hard each task is into one table; refuse what is not this study's.

python -m workflow_scripts.gather_tasks --results results/small
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--results", type=Path, required=True, help="results/<study>; writes below its tables/"
    )
    arguments = parser.parse_args(argv)

    from tradeoff.analysis.gather_tasks import write_tasks
    from tradeoff.analysis.study_file import read_study
    from tradeoff.fingerprint import fingerprint

    study = read_study(arguments.results / "study.json")
    write_tasks(study, arguments.results, fingerprint("workflow_scripts.gather_tasks"))


if __name__ == "__main__":
    run_script(main)
