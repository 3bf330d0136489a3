"""Set one table of a study as CSV, HTML, Markdown and LaTeX, with the record of its making.

python -m workflow_scripts.write_table --table auc --results results/quickstart \
    --output results/quickstart/tables/auc
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.artifacts import TABLES, load
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", required=True, help=f"one of {', '.join(TABLES)}")
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    parser.add_argument("--output", type=Path, required=True, help="path without ending: .csv, .html, ...")
    arguments = parser.parse_args(argv)

    from tradeoff.artifacts.results import Results
    from tradeoff.artifacts.tables import write
    from tradeoff.files import whole_file
    from tradeoff.fingerprint import fingerprint
    from tradeoff.report.html import document
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    module = load(arguments.table, results.study, TABLES)
    entry, output = TABLES[arguments.table], arguments.output
    table = module.make(results)
    write(table, output)
    with whole_file(output.with_name(f"{output.name}.html")) as temporary:
        temporary.write_text(document(table, entry.title), encoding="utf-8")
    write_record(
        output.with_name(f"{output.name}.record.json"),
        made=[output.with_name(f"{output.name}.{kind}") for kind in ("csv", "html", "md", "tex")],
        read=[results.root / file for file in ("study.json", *entry.reads)],
        code=fingerprint("workflow_scripts.write_table", entry.module),
    )


if __name__ == "__main__":
    run_script(main)
