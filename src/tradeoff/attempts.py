"""Finished work that the workflow may not have taken note of: kept until it has, so that none is done twice.

Snakemake deletes what a job made when it was killed before it could record that the job had ended, or when the job
lived longer than the workflow did. A finished job therefore leaves second names of its results, in the folder where
its unfinished work was; they cost no space, and go when a workflow ends well.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tradeoff.files import read_json, remove_leftovers, sha256_of, write_json
from tradeoff.seals import sums

FINISHED = "finished.json"
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def keep(folder: Path, results: Sequence[Path]) -> None:
    """Replace an attempt's unfinished work in `folder` by links to its results, which are all in one folder.

    Where the file system knows no links, the folder is removed.
    """
    names = sums(results[0].parent, [result.name for result in results])
    try:
        for result in results:
            _link(result, folder / f"finished-{result.name}")
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.rmtree(folder)
        return
    write_json(folder / FINISHED, names)
    for file in folder.iterdir():
        if file.name != FINISHED and file.name.removeprefix("finished-") not in names:
            file.unlink()


def take_back(folder: Path, output: Path) -> bool:
    """Put the results kept in `folder` back into `output`; False when there are none, or they are not whole."""
    if not (folder / FINISHED).exists():
        return False
    names = read_json(folder / FINISHED)
    for name, sha256 in names.items():
        kept = folder / f"finished-{name}"
        if not kept.exists() or sha256_of(kept) != sha256:
            shutil.rmtree(folder)
            return False
    for name in names:
        _link(folder / f"finished-{name}", output / name)
    return True


def forget(results: Path) -> None:
    """Remove what finished jobs kept below a study's results: the workflow has taken note of all of them."""
    for folder in results.glob("**/resume-*/"):
        if (folder / FINISHED).exists():
            shutil.rmtree(folder)
    for folder in results.glob("**/*.parts-*/"):  # of probes, which keep the parts themselves: they are small
        table = folder.name.rsplit(".parts-", 1)[0]
        if folder.with_name(table).exists():
            shutil.rmtree(folder)


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, whatever had it before."""
    remove_leftovers(name)
    temporary = name.with_name(f".{name.name}.{os.getpid()}.part")
    os.link(file, temporary)
    os.replace(temporary, name)
    temporary.unlink(missing_ok=True)  # it stays when both are names of one file already
