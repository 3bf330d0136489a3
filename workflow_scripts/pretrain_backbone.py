"""Train a backbone from scratch on its upstream dataset.

python -m workflow_scripts.pretrain_backbone --spec '<json>' --code <fingerprint> --data data/packed/glyphs@16-squash
    --output results/quickstart/backbones/glyph_vit
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from tradeoff.locks import sole_worker
from tradeoff.script import run_script, set_threads


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train a backbone from scratch.")
    parser.add_argument("--spec", type=json.loads, required=True, help="backbone and recipe, JSON")
    parser.add_argument("--code", required=True, help="fingerprint of the code, kept in backbone.json")
    parser.add_argument("--data", type=Path, required=True, help="packed upstream dataset")
    parser.add_argument("--output", type=Path, required=True, help="the backbone's folder")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    arguments = parser.parse_args(argv)
    set_threads(arguments.spec["compute"]["threads"])
    from tradeoff.backbone_code import backbone_code
    from tradeoff.fingerprint import check_code
    from tradeoff.runs import pretrain

    check_code(arguments.code, backbone_code(pretrained=True))
    with sole_worker(arguments.output):
        pretrain(arguments.spec, arguments.code, arguments.data, arguments.output, arguments.device)


if __name__ == "__main__":
    run_script(main)
