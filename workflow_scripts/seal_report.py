"""Record the sha256 of Snakemake's report, which no rule of this workflow makes.            (make figures)

python -m workflow_scripts.seal_report results/quickstart/report.html
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.script import run_script
from tradeoff.seals import sums, write_sealed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Record the sha256 of Snakemake's report.")
    parser.add_argument("report", type=Path, help="results/<study>/report.html")
    report = parser.parse_args(argv).report
    write_sealed(report.with_name("report.record.json"), {"sha256": sums(report.parent, [report.name])})


if __name__ == "__main__":
    run_script(main)
