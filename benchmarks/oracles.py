"""Our attacks against pyautoattack's, sample by sample.

    python -m benchmarks.oracles --json oracles.json [--images 500] [--models digits,wide,patches,vit,mobilenet]
        [--queries 1000] [--robust 0.25]

For APGD-CE, APGD-T, FAB-T, Square and AutoAttack: the robust accuracies of both, the share of samples on which they
agree, and how many each fools alone. Random attacks do not agree with themselves under another seed; that share is
printed beside theirs, and is the yardstick for Square. `vit` and `mobilenet` want the mirror (TRADEOFF_MIRROR).
"""

import argparse
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
from tradeoff.attacks.engine import Compute, attack, predict
from tradeoff.attacks.threat import threat

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
    parser.add_argument(
        "--steps", type=int, default=100, help="of APGD and FAB; AutoAttack takes its standard ones"
    )
    parser.add_argument("--queries", type=int, default=1000, help="of Square")
    parser.add_argument("--robust", type=float, default=0.25, help="share that resists PGD; decides epsilon")
    parser.add_argument("--epsilon", type=float, help="of linf, instead of looking for one")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    rows = []
    for name in arguments.models.split(","):
        subject = _subject(name, arguments.images)
        linf = arguments.epsilon or subject.epsilon_for(arguments.robust)
        for norm in arguments.norms.split(","):
            epsilon = linf if norm == "linf" else linf * L2_RADIUS
            for contest in arguments.attacks.split(","):
                row = _compare(subject, contest, norm, epsilon, arguments.steps, arguments.queries)
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
    subject: Subject, contest: str, norm: str, epsilon: float, steps: int, queries: int
) -> dict[str, Any]:
    answers = predict(subject.model, subject.images, Compute(subject.batch)).argmax(1).cpu().numpy()
    clean = float((answers == subject.labels).mean())
    spec, theirs = _contestants(ForPyautoattack(subject.model), contest, norm, epsilon, steps, queries)
    before = time.perf_counter()
    ours = attack(
        subject.model,
        subject.images,
        subject.labels,
        subject.ids,
        threat(spec | {"norm": norm}, epsilon),
        seed=0,
        compute=Compute(subject.batch),
    ).fooled
    middle = time.perf_counter()
    first = _fooled(subject, theirs(0))
    after = time.perf_counter()
    row = {
        "attack": contest,
        "images": len(ours),
        "clean": clean,
        "robust": {"ours": float(1 - ours.mean()), "theirs": float(1 - first.mean())},
        "agreement": float((ours == first).mean()),
        "fooled_by_one": {"ours": int((ours & ~first).sum()), "theirs": int((first & ~ours).sum())},
        "seconds": {"ours": round(middle - before, 1), "theirs": round(after - middle, 1)},
    }
    if contest == "square":
        row["their_agreement_with_themselves"] = float((_fooled(subject, theirs(1)) == first).mean())
    return row


def _fooled(subject: Subject, perturb: Callable[[Tensor, Tensor], Tensor]) -> np.ndarray:
    found = [subject.model(perturb(x, y)).argmax(1) != y for x, y in subject.batches()]
    return torch.cat(found).numpy()


def _contestants(
    model: nn.Module, contest: str, norm: str, epsilon: float, steps: int, queries: int
) -> tuple[dict[str, Any], Callable[[int], Callable[[Tensor, Tensor], Tensor]]]:
    """Our threat, and a function from a seed to pyautoattack's attack."""
    from pyautoattack import AutoAttack
    from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted
    from pyautoattack.fab_pt import FABAttack_PT
    from pyautoattack.square import SquareAttack

    shared: dict[str, Any] = {"norm": NORMS[norm], "eps": epsilon, "device": "cpu"}

    def cascade(seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        evaluation = AutoAttack(model, norm=NORMS[norm], eps=epsilon, seed=seed)
        return lambda x, y: evaluation.run_standard_evaluation(x, y)[0]

    def blind(seed: int) -> Callable[[Tensor, Tensor], Tensor]:
        made = SquareAttack(model, p_init=0.8, n_queries=queries, resc_schedule=False, seed=seed, **shared)
        return torch.no_grad()(made.perturb)  # type: ignore[no-any-return]

    ce = {"attack": "apgd", "steps": steps}
    contests: dict[str, tuple[dict[str, Any], Callable[[int], Callable[[Tensor, Tensor], Tensor]]]] = {
        "apgd-ce": (ce, lambda seed: APGDAttack(model, n_iter=steps, seed=seed, **shared).perturb),
        "apgd-t": (
            ce | {"loss": "dlr", "targets": 9},
            lambda seed: APGDAttack_targeted(model, n_iter=steps, seed=seed, **shared).perturb,
        ),
        "fab-t": (
            {"attack": "fab", "steps": steps},
            lambda seed: FABAttack_PT(model, n_iter=steps, targeted=True, seed=seed, **shared).perturb,
        ),
        "square": ({"attack": "square", "queries": queries}, blind),
        "autoattack": ({"attack": "autoattack"}, cascade),
    }
    return contests[contest]


if __name__ == "__main__":
    main()
