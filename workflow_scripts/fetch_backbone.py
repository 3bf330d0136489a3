"""Fetch a backbone's pretrained weights from the mirror, a file or the hub.

    python -m workflow_scripts.fetch_backbone --spec '<json>' --code <fingerprint>
        --output results/cifar10_small/backbones/vit_tiny32

With a mirror (the environment variable TRADEOFF_MIRROR) nothing touches the network.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.data.registry import mirror_folder
from tradeoff.files import digest_of
from tradeoff.identity import versions
from tradeoff.locks import sole_worker
from tradeoff.script import run_script
from tradeoff.seals import sums, write_sealed


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fetch a backbone's pretrained weights.")
    parser.add_argument(
        "--spec", type=json.loads, required=True, help="the backbone's section of params, JSON"
    )
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in backbone.json")
    parser.add_argument("--output", type=Path, required=True, help="the backbone's folder")
    arguments = parser.parse_args(argv)
    from tradeoff.backbone_code import backbone_code
    from tradeoff.backbones import fetch_weights
    from tradeoff.fingerprint import check_code

    check_code(arguments.code, backbone_code(pretrained=False))
    with sole_worker(arguments.output):
        weights = arguments.output / "weights.safetensors"
        about = fetch_weights(arguments.spec["weights"], mirror_folder(None), weights, arguments.spec)
        print(f"weights from {about['source']}; names: {about['names']}")
        write_sealed(
            arguments.output / "backbone.json",
            about
            | {
                "spec": arguments.spec,
                "digest": digest_of(arguments.spec),
                "code": arguments.code,
                "versions": versions(),
                "sha256": sums(arguments.output, ["weights.safetensors"]),
            },
        )


if __name__ == "__main__":
    run_script(main)
