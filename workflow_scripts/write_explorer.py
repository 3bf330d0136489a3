"""Write a study's explorer.html: plots to explore, tables, figures and where they come from, in one file.

python -m workflow_scripts.write_explorer --results results/quickstart
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.files import whole_file
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    arguments = parser.parse_args(argv)

    from tradeoff.artifacts import TABLES, available
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.report.page import page
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    with whole_file(results.root / "explorer.html") as temporary:
        temporary.write_text(page(results), encoding="utf-8")
    modules = [TABLES[table].module for table in available(results.study, TABLES)]
    write_record(
        results.root / "explorer.record.json",
        made=[results.root / "explorer.html"],
        read=[results.root / "study.json", results.root / "tables" / "gather.record.json"],
        code=fingerprint("workflow_scripts.write_explorer", *modules),
    )


if __name__ == "__main__":
    run_script(main)
