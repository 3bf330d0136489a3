"""Set the text in docs/paper with a study's figures, tables and numbers, as PDF; needs LaTeX.

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

    from tradeoff.artifacts.paper import typeset
    from tradeoff.artifacts.results import Results

    typeset(Results(arguments.results), arguments.sources, arguments.output)


if __name__ == "__main__":
    run_script(main)
