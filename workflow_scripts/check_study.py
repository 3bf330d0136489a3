"""Check a study before anything runs: its files, its params, its data's whereabouts. One line if all is well.

    python -m workflow_scripts.check_study [--name NAME] [--to-run] params.yaml [studies/NAME.yaml ...]

Snakemake checks the same when it starts, but it reads the overlays by itself before that, and says less of a
file that is no YAML.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.params import load_params
from tradeoff.script import run_script
from tradeoff.study import Study


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Check a study before anything runs.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    parser.add_argument("--name", help="what the study has to be called")
    parser.add_argument(
        "--to-run", action="store_true", help="also check that everything it needs can be fetched"
    )
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    if arguments.name and study.name != arguments.name:
        raise UserError(
            f"{arguments.files[-1]}: study.name",
            repr(study.name),
            repr(arguments.name),
            "as the file is called",
        )
    if arguments.to_run:
        study.check_sources()
    for folder in (study.root, "data", "logs", ".snakemake"):
        _check_writable(Path(folder))
    print(
        f"{study.name}: {len(study.runs)} runs on {', '.join(study.datasets())}; results go to {study.root}"
    )


def _check_writable(folder: Path) -> None:
    """UserError unless the folder, or the nearest one above it that exists, can be written to."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    if not os.access(existing, os.W_OK):
        raise UserError(
            str(folder), f"no permission to write in {existing}", "a folder of yours", "make it writable"
        )


if __name__ == "__main__":
    run_script(main)
