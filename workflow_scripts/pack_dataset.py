"""Decode and resize every image of a fetched dataset once, into one array that runs map into memory.

python -m workflow_scripts.pack_dataset --raw data/raw/digits --size 16 --resize squash
    --output data/packed/digits@16-squash
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from tradeoff.locks import sole_worker
from tradeoff.script import run_script


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Decode a fetched dataset into one array.")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the fetched dataset")
    parser.add_argument("--size", type=int, required=True, help="height and width, pixels")
    parser.add_argument(
        "--resize", choices=("squash", "crop"), required=True, help="how images become square"
    )
    parser.add_argument(
        "--interpolation", choices=("bilinear", "bicubic"), default="bilinear", help="between pixels"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that decode; the result is the same"
    )
    parser.add_argument(
        "--up-to",
        type=float,
        default=math.inf,
        help="gigabytes of decoded images; above, training images stream",
    )
    parser.add_argument("--code", help="fingerprint of the code, kept with the data")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args(argv)
    from tradeoff.data.code import pack_code
    from tradeoff.data.decode import Form
    from tradeoff.data.pack import pack
    from tradeoff.fingerprint import check_code

    if arguments.code:
        check_code(arguments.code, pack_code())

    form = Form(arguments.size, arguments.resize, arguments.interpolation)
    with sole_worker(arguments.output):
        pack(arguments.raw, arguments.output, form, arguments.workers, arguments.up_to * 1e9, arguments.code)


if __name__ == "__main__":
    run_script(main)
