"""Fetch a dataset from the mirror, the hub, a folder or its generator, into Parquet files of one form.

    python -m workflow_scripts.fetch_dataset --dataset digits --output data/raw/digits
    python -m workflow_scripts.fetch_dataset --dataset cifar10 --mirror ../mirror --output data/raw/cifar10

With a mirror (this option, or the environment variable TRADEOFF_MIRROR) nothing touches the network.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.locks import sole_worker
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fetch a dataset into Parquet files of one form.")
    parser.add_argument("--dataset", required=True, help="its name in the registry or in params")
    parser.add_argument("--definition", type=json.loads, default={}, help="what params say of it, JSON")
    parser.add_argument("--mirror", help="folder with datasets/; default: TRADEOFF_MIRROR, if set")
    parser.add_argument("--code", help="fingerprint of the code, kept with the data")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args(argv)
    from tradeoff.data import registry
    from tradeoff.data.code import fetch_code
    from tradeoff.data.fetch import fetch
    from tradeoff.fingerprint import check_code

    if arguments.code:
        check_code(arguments.code, fetch_code(arguments.dataset))

    registry.check(
        arguments.dataset, {arguments.dataset: arguments.definition} if arguments.definition else {}, None
    )
    with sole_worker(arguments.output):
        fetch(
            arguments.dataset,
            arguments.definition,
            mirror_folder(arguments.mirror),
            arguments.output,
            code=arguments.code,
        )


if __name__ == "__main__":
    run_script(main)
