"""Say how many figures and tables a study has no data for, and where it stands what each takes.    (make figures)

python -m workflow_scripts.left_out results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.analysis.study_file import read_study
from tradeoff.artifacts import FIGURES, TABLES, unavailable
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Say how many figures and tables a study has no data for.")
    parser.add_argument("results", type=Path, help="results/<study>")
    results = parser.parse_args(argv).results
    study = read_study(results / "study.json")
    figures, tables = (len(unavailable(study, registry)) for registry in (FIGURES, TABLES))
    if figures or tables:
        print(
            f"not in this study, for want of data: {figures} of {len(FIGURES)} figures, {tables} of {len(TABLES)}"
            f" tables; what each takes: {results}/explorer.html, below its figures and its tables"
        )


if __name__ == "__main__":
    run_script(main)
