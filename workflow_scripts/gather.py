"""Gather a study's runs and probes into tidy tables, refusing any that today's params did not make.

python -m workflow_scripts.gather --study results/quickstart/study.json --results results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, required=True, help="results/<study>/study.json")
    parser.add_argument(
        "--results", type=Path, required=True, help="results/<study>; writes below its tables/"
    )
    arguments = parser.parse_args(argv)

    from tradeoff.analysis.gather import gather, write_gathered
    from tradeoff.analysis.study_file import read_study
    from tradeoff.fingerprint import fingerprint

    gathered = gather(read_study(arguments.study), arguments.results)
    write_gathered(gathered, arguments.results / "tables", fingerprint("workflow_scripts.gather"))
    for flag in gathered.flags:
        print(f"warning: {flag['run']}, {flag['probe']}: {flag['flag']}")


if __name__ == "__main__":
    run_script(main)
