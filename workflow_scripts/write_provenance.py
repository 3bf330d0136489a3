"""Write a study's provenance.json and provenance.md: from each figure and table back to the data, by hashes.

python -m workflow_scripts.write_provenance --results results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.artifacts import FIGURES, TABLES, available
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write a study's provenance.")
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    results = parser.parse_args(argv).results
    from tradeoff.analysis.study_file import read_study
    from tradeoff.provenance import write_provenance

    study = read_study(results / "study.json")
    figures = [f"figures/{name}" for name in available(study, FIGURES)]
    tables = [f"tables/{name}" for name in available(study, TABLES)]
    scored = ["tables/pareto_auc", "metrics", "numbers"] if "figures/frontiers" in figures else []
    measured = ["tables/tasks"] if study["tasks"] else []
    names = ["tables/gather", *scored, *measured, *tables, *figures]
    write_provenance(results, [results / f"{name}.record.json" for name in names])


if __name__ == "__main__":
    run_script(main)
