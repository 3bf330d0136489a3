"""Set the text in docs/paper with a study's figures, tables and numbers, as PDF with its record; needs LaTeX.

python -m workflow_scripts.write_paper --results results/quickstart --sources docs/paper \
    --output results/quickstart/paper.pdf
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    parser.add_argument("--sources", type=Path, required=True, help="the folder of main.tex")
    parser.add_argument("--output", type=Path, required=True, help="the PDF")
    arguments = parser.parse_args(argv)

    from tradeoff.artifacts.paper import shown, typeset
    from tradeoff.artifacts.results import Results
    from tradeoff.fingerprint import fingerprint
    from tradeoff.seals import write_record

    results, output = Results(arguments.results), arguments.output
    typeset(results, arguments.sources, output)
    sources = sorted(path for path in arguments.sources.rglob("*.*") if path.is_file())
    write_record(
        output.with_suffix(".record.json"),
        made=[output],
        read=[results.root / "study.json", *shown(results), *sources],
        code=fingerprint("workflow_scripts.write_paper"),
    )


if __name__ == "__main__":
    run_script(main)
