"""Write a study's numbers.json and numbers.tex: the numbers that texts quote, by name.

python -m workflow_scripts.write_numbers --results results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.files import whole_file, write_json
from tradeoff.script import run_script

READ = (
    "study.json",
    *(f"tables/{name}" for name in ("probes.parquet", "training.parquet")),
    *(f"tables/{name}.csv" for name in ("pareto_auc", "auc_differences", "courses")),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    arguments = parser.parse_args(argv)

    from tradeoff.artifacts.numbers import as_json, as_latex, numbers
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    found = numbers(results)
    write_json(results.root / "numbers.json", as_json(found))
    with whole_file(results.root / "numbers.tex") as temporary:
        temporary.write_text(as_latex(results.study["study"]["name"], found), encoding="utf-8")
    write_record(
        results.root / "numbers.record.json",
        made=[results.root / "numbers.json", results.root / "numbers.tex"],
        read=[results.root / file for file in READ],
        code=fingerprint("workflow_scripts.write_numbers"),
    )


if __name__ == "__main__":
    run_script(main)
