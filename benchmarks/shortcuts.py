"""What the two shortcuts of a probe save, and how often they change a verdict, on a fine-tuned run.

    python -m benchmarks.shortcuts --run results/S/runs/R --weights results/S/backbones/B/weights.safetensors
        --data cifar10=data/packed/cifar10@32-squash --json shortcuts.json [--limit 200] [--epsilons 1/255,2/255]

Counts what the model is asked, a backward pass as two forward ones, so that the numbers repeat exactly: PGD-15 on
every snapshot, exactly, accepting early, starting warm, and both. No audit is run: every sample is compared.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradeoff import snapshots
from tradeoff.attacks.engine import sweep
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat
from tradeoff.files import read_json
from tradeoff.params.epsilon import parse_epsilon
from tradeoff.probes.run import _Subject, _test_sets

SAFETY = 1.0
WAYS = {"exact": (None, False), "early": (SAFETY, False), "warm": (None, True), "both": (SAFETY, True)}


class Counting(nn.Module):
    """A model that counts forward passes, one for a forward and two for a backward pass of an image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.passes = model, 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += len(x) * (3 if x.requires_grad else 1)
        logits: Tensor = self.model(x)
        return logits


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure what shortcuts save and change.")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", required=True, metavar="REFERENCE=FOLDER")
    parser.add_argument("--limit", type=int, default=200, help="test images")
    parser.add_argument("--epsilons", default="1/255,2/255")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    about = read_json(arguments.run / "run.json")
    reference, folder = arguments.data.split("=")
    test = _test_sets({reference: Path(folder)}, about, arguments.limit)[0]
    subject = _Subject(about, arguments.run, arguments.weights, "cpu")
    epsilons = [parse_epsilon(epsilon) for epsilon in arguments.epsilons.split(",")]
    searched = threat({"attack": "pgd"}, epsilons[0])
    hints = {way: np.zeros(test.images.shape, np.int8) for way in WAYS}
    rows: list[dict[str, Any]] = []
    for step in snapshots.steps(arguments.run / "snapshots.safetensors"):
        model = subject.at(step)
        exact = None
        for way in ["exact", *(way for way in arguments.ways.split(",") if way != "exact")]:
            safety, chained = WAYS[way]
            counting = Counting(model)
            result = sweep(
                counting,
                test.images,
                test.labels,
                test.ids,
                searched,
                epsilons,
                0,
                Compute(128),
                safety,
                hints[way] if chained else None,
            )
            if result.hints is not None:
                hints[way] = result.hints
            exact = result.first_failure if exact is None else exact
            verdicts = [(result.first_failure > rank, exact > rank) for rank in range(1, len(epsilons) + 1)]
            rows.append(
                {
                    "step": step,
                    "way": way,
                    "passes": counting.passes,
                    "correct": int((exact > 0).sum()),
                    "robust": [int(ours.sum()) for ours, _ in verdicts],
                    "missed": [int((ours & ~theirs).sum()) for ours, theirs in verdicts],
                    "found": [int((~ours & theirs).sum()) for ours, theirs in verdicts],
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    total = {way: sum(row["passes"] for row in rows if row["way"] == way) for way in WAYS}
    print(json.dumps({way: round(passes / total["exact"], 3) for way, passes in total.items() if passes}))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
