"""Say where a study stands: what is done, at work, failed, and how long it will take still. Reads files only.

    python -m workflow_scripts.status params.yaml [studies/NAME.yaml ...]

Works while the study runs, here or on a cluster, from any machine that sees its folder.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.params import load_params
from tradeoff.script import run_script
from tradeoff.status import report
from tradeoff.study import Study


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Say where a study stands.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    params = load_params(parser.parse_args(argv).files)
    print("\n".join(report(Study(params, mirror_folder(params["data"]["mirror"])))))


if __name__ == "__main__":
    run_script(main)
