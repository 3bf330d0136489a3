"""Draw one figure of a study as PDF and PNG, with the CSV of what it shows and the record of its making.

python -m workflow_scripts.draw_figure --figure frontiers --results results/quickstart \
    --output results/quickstart/figures/frontiers
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.artifacts import FIGURES, load
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", required=True, help=f"one of {', '.join(FIGURES)}")
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    parser.add_argument("--output", type=Path, required=True, help="path without ending: .pdf, .png and .csv")
    arguments = parser.parse_args(argv)

    from tradeoff.artifacts import pages, style
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.seals import write_record

    results = Results(arguments.results)
    module = load(arguments.figure, results.study, FIGURES)
    with style.styled():
        drawn, data = pages.draw(module, results)
        style.save(drawn, data, arguments.output)
    entry, output = FIGURES[arguments.figure], arguments.output
    write_record(
        output.with_name(f"{output.name}.record.json"),
        made=[output.with_name(f"{output.name}.{kind}") for kind in ("csv", "pdf", "png")],
        read=[results.root / file for file in ("study.json", *entry.reads)],
        code=fingerprint("workflow_scripts.draw_figure", entry.module),
    )


if __name__ == "__main__":
    run_script(main)
