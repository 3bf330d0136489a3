"""Which code makes data: the fingerprints that rules pass on and that fetched and packed data must carry."""

from tradeoff.data import registry
from tradeoff.fingerprint import fingerprint


def fetch_code(dataset: str) -> str:
    """Return the fingerprint of what fetches a dataset, its own module included. dataset: its name."""
    return fingerprint("workflow_scripts.fetch_dataset", *registry.modules(dataset))


def pack_code() -> str:
    """Return the fingerprint of what packs datasets."""
    return fingerprint("workflow_scripts.pack_dataset")
