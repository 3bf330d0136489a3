"""Our attacks against pyautoattack's, sample by sample.

    python -m benchmarks.oracles --json oracles.json [--images 500] [--models digits,wide,patches,vit,mobilenet]
        [--attacks apgd-ce,square] [--steps 100] [--queries 5000] [--seeds 2] [--robust 0.25] [--dtype float64]

For APGD-CE, APGD-T, FAB-T, Square and AutoAttack: the robust accuracies of both, the share of samples on which they
agree, and how many each fools alone. Random attacks do not agree with themselves under another seed; with several
seeds that share is printed beside theirs, and is the yardstick for Square. In `apgd-ce-from-our-start` theirs climbs
from the points where ours starts, so that nothing is random; in float64 (for this contest alone, as they round their
starts to float32) rounding decides nothing either. `vit` and `mobilenet` want the mirror (TRADEOFF_MIRROR).
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import ForPyautoattack
from benchmarks.subjects import (
    Subject,
    load_mobilenet,
    load_subject,
    small_convolutional,
    small_digits,
)
from tradeoff.attacks import balls
from tradeoff.attacks.engine import attack
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.threat import threat

# From images (B, 3, H, W), labels (B,) and ids (B,) to adversarial examples.
Perturb = Callable[[Tensor, Tensor, Tensor], Tensor]
NORMS = {"linf": "Linf", "l2": "L2"}
# An l2 ball that is about as hard as an linf ball has this many times its radius.
L2_RADIUS = 12.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare our attacks with pyautoattack's.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--models", default="digits,wide,patches")
    parser.add_argument("--norms", default="linf")
    parser.add_argument("--attacks", default="apgd-ce,apgd-t,fab-t,square,autoattack")
    parser.add_argument("--steps", type=int, default=100, help="of APGD and FAB, in AutoAttack too")
    parser.add_argument("--queries", type=int, default=5000, help="of Square, in AutoAttack too")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--robust", type=float, default=0.25, help="share that resists PGD; decides epsilon")
    parser.add_argument("--epsilon", type=float, help="of linf, instead of looking for one")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    rows = []
    for name in arguments.models.split(","):
        torch.set_default_dtype(torch.float32)
        subject = _subject(name, arguments.images)
        linf = arguments.epsilon or subject.epsilon_for(arguments.robust)
        torch.set_default_dtype(getattr(torch, arguments.dtype))
        subject.model.to(torch.get_default_dtype())
        for norm in arguments.norms.split(","):
            epsilon = linf if norm == "linf" else linf * L2_RADIUS
            for contest in arguments.attacks.split(","):
                row = _compare(
                    subject, contest, norm, epsilon, arguments.steps, arguments.queries, arguments.seeds
                )
                rows.append({"model": subject.name, "norm": norm, "epsilon": round(epsilon, 5), **row})
                print(json.dumps(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def _subject(name: str, images: int) -> Subject:
    torch.manual_seed(1 if name == "wide" else 0)
    device = torch.device("cpu")
    if name == "vit":
        return load_subject(device, images, 250, clean=None)
    if name == "mobilenet":
        return load_mobilenet(device, images, 250)
    if name == "patches":
        return small_digits(device, images, 250, _small_transformer(), epochs=25, clean=None)
    return small_digits(device, images, 250, small_convolutional(64 if name == "wide" else 32), clean=None)


def _small_transformer() -> nn.Module:
    from timm.models import VisionTransformer

    return VisionTransformer(img_size=32, patch_size=8, embed_dim=64, depth=3, num_heads=4, num_classes=10)


def _compare(
    subject: Subject, contest: str, norm: str, epsilon: float, steps: int, queries: int, seeds: int
) -> dict[str, Any]:
    spec, perturb = _contestants(subject, contest, norm, epsilon, steps, queries)
    searched = threat(spec | {"norm": norm}, epsilon)

    def attack_ours(seed: int) -> np.ndarray:
        compute = Compute(subject.batch)
        return attack(
            subject.model, subject.images, subject.labels, subject.ids, searched, seed, compute
        ).fooled

    before = time.process_time()
    ours = [attack_ours(seed) for seed in range(seeds)]
    middle = time.process_time()
    theirs = [_fooled(subject, perturb(seed)) for seed in range(seeds)]
    after = time.process_time()
    mean = {"ours": 1 - np.mean(ours), "theirs": 1 - np.mean(theirs)}
    return {
        "attack": contest,
        "images": len(ours[0]),
        "clean": subject.accuracy(),
        "robust": {"ours": _robust(ours), "theirs": _robust(theirs)},
        "ours_weaker_by": round(float(mean["ours"] - mean["theirs"]), 5),
        "agreement": [float((a == b).mean()) for a, b in zip(ours, theirs, strict=True)],
        "agreement_of_other_seeds": {"ours": _among(ours), "theirs": _among(theirs)},
        "fooled_by_one": {
            "ours": int((ours[0] & ~theirs[0]).sum()),
            "theirs": int((theirs[0] & ~ours[0]).sum()),
        },
        "seconds": {"ours": round(middle - before, 1), "theirs": round(after - middle, 1)},
    }


def _robust(runs: list[np.ndarray]) -> list[float]:
    return [float(1 - fooled.mean()) for fooled in runs]


def _among(runs: list[np.ndarray]) -> list[float]:
    """The agreement of every two runs of one implementation."""
    return [float((a == b).mean()) for a, b in itertools.combinations(runs, 2)]


def _fooled(subject: Subject, perturb: Perturb) -> np.ndarray:
    ids = torch.from_numpy(subject.ids).split(subject.batch)
    found = [
        subject.model(perturb(x, y, rows)).argmax(1) != y
        for (x, y), rows in zip(subject.batches(), ids, strict=True)
    ]
    return torch.cat(found).numpy()


def _contestants(
    subject: Subject, contest: str, norm: str, epsilon: float, steps: int, queries: int
) -> tuple[dict[str, Any], Callable[[int], Perturb]]:
    """Our threat, and a function from a seed to pyautoattack's attack."""
    from pyautoattack import AutoAttack
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack

    model = ForPyautoattack(subject.model)
    shared: dict[str, Any] = {"norm": NORMS[norm], "eps": epsilon, "device": "cpu"}

    def climb(seed: int) -> Any:
        return APGDAttack(model, n_iter=steps, seed=seed, **shared)

    def climb_targeted(seed: int) -> Any:
        return APGDAttack_targeted(model, n_iter=steps, seed=seed, **shared)

    def boundary(seed: int) -> Any:
        return FABAttack_PT(model, n_iter=steps, targeted=True, seed=seed, **shared)

    def blind(seed: int) -> Any:
        return SquareAttack(model, p_init=0.8, n_queries=queries, resc_schedule=False, seed=seed, **shared)

    def cascade(seed: int) -> Perturb:
        evaluation = AutoAttack(model, norm=NORMS[norm], eps=epsilon, seed=seed, device="cpu")
        evaluation.apgd, evaluation.apgd_targeted = climb(seed), climb_targeted(seed)
        evaluation.fab, evaluation.square = boundary(seed), blind(seed)
        return lambda x, y, ids: evaluation.run_standard_evaluation(x, y)[0]

    def from_our_start(seed: int) -> Perturb:
        def perturb(x: Tensor, y: Tensor, ids: Tensor) -> Tensor:
            made = climb(seed)
            made.init_hyperparam(x)
            start = balls.random_on_sphere(x, ids, epsilon, norm, Noise(seed, (0, 0)))
            found = made.attack_single_run(x, y, x_init=start)[3]
            # A sample that is wrong on the clean image counts as fooled wherever the attack ends.
            wrong = subject.model(x).argmax(1) != y
            return torch.where(wrong.view(-1, 1, 1, 1), x, found)

        return perturb

    ce = {"attack": "apgd", "steps": steps}
    contests: dict[str, tuple[dict[str, Any], Callable[[int], Perturb]]] = {
        "apgd-ce": (ce, lambda seed: _without_ids(climb(seed).perturb)),
        "apgd-ce-from-our-start": (ce, from_our_start),
        "apgd-t": (
            ce | {"loss": "dlr", "targets": 9},
            lambda seed: _without_ids(climb_targeted(seed).perturb),
        ),
        "fab-t": ({"attack": "fab", "steps": steps}, lambda seed: _without_ids(boundary(seed).perturb)),
        "square": (
            {"attack": "square", "queries": queries},
            lambda seed: _without_ids(torch.no_grad()(blind(seed).perturb)),
        ),
        "autoattack": ({"attack": "autoattack", "steps": steps, "queries": queries}, cascade),
    }
    return contests[contest]


def _without_ids(perturb: Callable[[Tensor, Tensor], Tensor]) -> Perturb:
    return lambda x, y, ids: perturb(x, y)


if __name__ == "__main__":
    main()
