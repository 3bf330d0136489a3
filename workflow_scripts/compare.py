"""Compare the results of two commits, as Markdown: params, numbers with intervals, figures that changed.

    python -m workflow_scripts.compare --study quickstart HEAD~1 HEAD > comparison.md

Each of the two is a commit whose results DVC recorded, or a folder like results/quickstart. What this clone does not
have is fetched from the remote.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tradeoff.comparison import comparison
from tradeoff.errors import UserError
from tradeoff.script import run_script

PARTS = ("study.json", "tables", "figures")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare the results of two commits, as Markdown.")
    parser.add_argument("--study", required=True, help="whose results")
    parser.add_argument("before", help="a commit, or a folder of results")
    parser.add_argument("after", help="another")
    arguments = parser.parse_args(argv)
    names = (arguments.before, arguments.after)
    with TemporaryDirectory() as scratch:
        folders = [_results(name, arguments.study, Path(scratch, str(i))) for i, name in enumerate(names)]
        sys.stdout.write(comparison(folders[0], folders[1], names))


def _results(place: str, study: str, scratch: Path) -> Path:
    """The folder with a study's results: `place` itself, or those of the commit `place`, brought to `scratch`."""
    if Path(place).is_dir():
        return Path(place)
    found = ["git", "rev-parse", "--quiet", "--verify", "--end-of-options", f"{place}^{{commit}}"]
    if subprocess.run(found, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        raise UserError(place, "no such commit or folder", "a commit, or a folder of results")
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    scratch.mkdir()
    try:
        files = DVCFileSystem(repo=".", rev=place)
        for part in PARTS:
            files.get(f"results/{study}/{part}", str(scratch / part), recursive=True)
        files.close()
    except (OSError, DvcException) as error:
        raise UserError(
            place,
            f"no results of {study} that this clone or its remote has ({error})",
            "a commit on which `make repro` recorded them",
            "`dvc push` on the clone that made them",
        ) from None
    return scratch


if __name__ == "__main__":
    run_script(main)
