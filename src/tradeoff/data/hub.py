"""Download a dataset's Parquet files from the Hugging Face hub, at a pinned revision."""

import fnmatch
import io
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tradeoff.data.source import Hub
from tradeoff.errors import UserError
from tradeoff.progress import Progress

ATTEMPTS = 3
FULL_COMMIT = 40  # hexadecimal digits
PAUSE = 5.0  # seconds before the second attempt; twice as long before the third

T = TypeVar("T")


def download(name: str, hub: Hub, folder: Path) -> tuple[str, dict[str, list[Path]]]:
    """Download the files of every split into `folder`; return the commit, and their paths by split.

    Paths come in the order of their names. An abbreviated revision is looked up among the repository's commits.

    Whatever a call that failed left in `folder` is used: finished files as they are, others from where they
    stopped. UserError without a pinned revision, for a repository, revision or files that do not exist, and
    when the hub cannot be reached.
    """
    if hub.revision is None:
        raise UserError(
            f"datasets.{name}.revision",
            "none",
            f"the commit of {hub.repository} to download, 40 hexadecimal digits",
            f"find it under https://huggingface.co/datasets/{hub.repository}/commits/main",
        )
    # Read when the library is first imported: what it keeps besides the files goes where they go.
    os.environ.setdefault("HF_XET_CACHE", str(folder / "xet"))
    from huggingface_hub import HfApi

    api = HfApi()
    place: dict[str, Any] = {"repo_id": hub.repository, "repo_type": "dataset"}
    commit = place["revision"] = _full_commit(name, hub, api, place)
    names = _insist(name, hub, partial(api.list_repo_files, **place))
    chosen = {split: sorted(fnmatch.filter(names, pattern)) for split, pattern in hub.files.items()}
    for split, found in chosen.items():
        if not found:
            raise UserError(
                f"dataset {name}",
                f"no file {hub.files[split]} in {hub.repository} at {hub.revision}",
                f"Parquet files of the {split} split",
                f"download it by hand and name the files in datasets.{name}.parquet",
            )

    def fetch_file(file: str) -> Path:
        return Path(api.hf_hub_download(filename=file, local_dir=folder, tqdm_class=_bar(file), **place))

    progress = Progress(f"files of {hub.repository}", sum(map(len, chosen.values())))
    paths: dict[str, list[Path]] = {}
    for split, found in chosen.items():
        paths[split] = []
        for file in found:
            paths[split].append(_insist(name, hub, partial(fetch_file, file)))
            progress.update(sum(map(len, paths.values())))
    return commit, paths


def _bar(file: str) -> type:
    """What the hub's client takes for a progress bar, writing lines that a log can hold; megabytes of one file."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Lines(tqdm):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            self.progress: Progress | None = None
            super().__init__(*arguments, **settings | {"file": io.StringIO()})
            if self.total:
                self.progress = Progress(f"{file}, MB", round(self.total / 1e6), round(self.n / 1e6))

        def display(self, *_: Any, **__: Any) -> None:
            if self.progress is not None and self.n < self.total:  # the end is told by file
                self.progress.update(round(self.n / 1e6))

    return Lines


def _full_commit(name: str, hub: Hub, api: Any, place: dict[str, Any]) -> str:
    """Return the commit that the revision names, which the hub only takes in full."""
    revision = str(hub.revision)
    if len(revision) == FULL_COMMIT:
        return revision
    commits = _insist(name, hub, partial(api.list_repo_commits, **place))
    found = [commit.commit_id for commit in commits if commit.commit_id.startswith(revision)]
    if len(found) != 1:
        raise _no_such_commit(name, hub)
    return str(found[0])


def _no_such_commit(name: str, hub: Hub) -> UserError:
    return UserError(
        f"datasets.{name}.revision",
        str(hub.revision),
        f"a commit of {hub.repository}",
        "see its list of commits on the hub",
    )


def _insist(name: str, hub: Hub, call: Callable[[], T]) -> T:
    """Call; again after a pause when the connection failed; UserError for what no repetition mends."""
    # HTTPError is that of the HTTP client which this version of the library uses.
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        RevisionNotFoundError,
    )

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except RevisionNotFoundError:
            raise _no_such_commit(name, hub) from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status < 500 and status != 429:
                raise UserError(
                    f"dataset {name}",
                    f"status {status} from the hub for {hub.repository}",
                    "a repository that you may read",
                    "if it is gated, accept its terms there and log in with `hf auth login`",
                ) from None
            problem: Exception = error
        except (HTTPError, LocalEntryNotFoundError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None and error.filename is not None:
                raise  # the disk's fault, not the network's
            problem = error
        if attempt < ATTEMPTS:
            time.sleep(PAUSE * attempt)
    raise UserError(
        f"dataset {name}",
        f"no answer from the hub ({type(problem).__name__})",
        "a connection to it",
        "run the same command again to continue where it stopped, or set a mirror (data.mirror)",
    ) from None
