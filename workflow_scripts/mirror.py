"""Gather all that a study needs into one folder, for machines without internet (there: TRADEOFF_MIRROR=<folder>).

    python -m workflow_scripts.mirror --dest FOLDER params.yaml [studies/NAME.yaml ...]       (make mirror)

Continues where it stopped. Ends by checking every file of the folder against its manifest.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.mirror import check_destination, gather, verify
from tradeoff.params import load_params
from tradeoff.script import run_script
from tradeoff.study import Study


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Gather all that a study needs into one folder.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    parser.add_argument("--dest", required=True, help="the folder")
    arguments = parser.parse_args(argv)
    if not arguments.dest:
        raise UserError("DEST", "nothing", "the folder to gather in", "make mirror STUDY=... DEST=<folder>")
    params = load_params(arguments.files)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    destination = Path(arguments.dest)
    check_destination(study, destination)
    study.check_sources()
    for line in gather(study, destination):
        print(line, flush=True)
    if faults := verify(destination):
        raise UserError(str(destination), "; ".join(faults), "the files of its manifest", "run it again")
    Study(params | {"data": params["data"] | {"mirror": str(destination)}}, destination)
    print(f"{destination}: whole; use it with TRADEOFF_MIRROR={destination}")


if __name__ == "__main__":
    run_script(main)
