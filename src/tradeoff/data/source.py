"""What is known of a dataset before it is fetched."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Columns:
    """Names of the columns in a source's Parquet files; no domain column unless there are domains.

    offset: the label of the first class (some sources count from 1).
    """

    image: str = "image"
    label: str = "label"
    domain: str = "domain"
    offset: int = 0


@dataclass(frozen=True)
class Hub:
    """Parquet files in a dataset repository of the Hugging Face hub.

    revision: the commit, as 40 hexadecimal digits or, where only that is known, its first seven or more; None
    where none is pinned yet.
    files: split -> pattern of file paths (`*` matches any characters, slashes included).
    sha256: split -> checksum of its files, joined in the order of their names; may be empty.
    test: another repository, for the test images alone; None when this one has them too.
    """

    repository: str
    revision: str | None
    columns: Columns = Columns()
    files: Mapping[str, str] = field(
        default_factory=lambda: {"train": "*train-*.parquet", "test": "*test-*.parquet"}
    )
    sha256: Mapping[str, str] = field(default_factory=dict)
    test: "Hub | None" = None


@dataclass(frozen=True)
class DatasetSource:
    """A dataset as the registry knows it.

    classes: how many; None for a dataset of the user's own, which has as many as are found.
    domains: names of the domains it falls into; empty for most.
    images: how many each split has; megabytes: of the download, about. For plans made before it is fetched.
    generated: its module has a function `generate() -> Generated` (see `tradeoff.data.generated`).
    hub: where it can be downloaded; None for one that only a mirror holds.
    """

    title: str
    classes: int | None
    licence: str
    citation: str
    domains: tuple[str, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    megabytes: int = 0
    generated: bool = False
    hub: Hub | None = None
