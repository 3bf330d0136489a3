"""How large models are and how much work attacks make: counted once without weights, then read from a cache."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoff import strategies
from tradeoff.errors import UserError
from tradeoff.files import digest_of, read_json, write_json
from tradeoff.fingerprint import fingerprint

CACHE = Path(".cache/sizes.json")
CLASSES = 10  # of the models that are counted; the head grows with the classes


@dataclass(frozen=True)
class Size:
    """A backbone with a strategy.

    forward, train, gradient: FLOPs for one image (two for each multiply-add): a prediction; a training step,
    weights' gradients included; an attack's step, with the gradient of the image alone.
    body: bytes of a snapshot without the head; head: bytes of the head for each class. weights: bytes of
    the backbone. fixed_features: the backbone's features never change, so training computes them once.
    """

    forward: float
    train: float
    gradient: float
    body: int
    head: int
    weights: int
    fixed_features: bool

    def snapshot(self, classes: int) -> int:
        """Bytes of one snapshot."""
        return self.body + self.head * classes


@dataclass(frozen=True)
class Stage:
    """One round of an attack on the samples that still resist: points it evaluates with their gradient, and without."""

    gradients: int
    queries: int


class Uncounted(Exception):  # noqa: N818 (what it says of a size)
    """A size is not in the cache, and was not to be counted."""


class Sizes:
    """Sizes by what they are of; what the cache file lacks is counted (a second or more each) and kept.

    With `count=False` it raises Uncounted instead.
    """

    def __init__(self, cache: Path = CACHE, *, count: bool = True) -> None:
        self.file, self.count = cache, count
        try:
            self.known: dict[str, Any] = read_json(cache)
        except UserError:  # none yet, or broken: it only saves time
            self.known = {}

    def model(self, backbone: dict[str, Any], strategy: dict[str, Any]) -> Size:
        """Return the size of a backbone (its section of params) with a strategy {name, params}."""
        spec = {key: backbone[key] for key in ("model", "arguments", "image_size") if key in backbone}
        code = fingerprint("tradeoff.plan.sizes", *strategies.modules(strategy))
        return Size(**self._cached(["model", spec, strategy, code], lambda: _count(backbone, strategy)))

    def attack(self, threat: dict[str, Any], classes: int) -> list[Stage]:
        """Return the rounds of an attack {attack, norm, its parameters, ...} on so many classes, in order."""
        code = fingerprint("tradeoff.plan.sizes", "tradeoff.attacks.autoattack", "tradeoff.attacks.pgd")
        found = self._cached(["attack", threat, classes, code], lambda: _stages(threat, classes))
        return [Stage(**stage) for stage in found]

    def _cached(self, key: Any, count: Callable[[], Any]) -> Any:
        name = digest_of(key)
        if name not in self.known:
            if not self.count:
                raise Uncounted
            self.known[name] = count()
            write_json(self.file, self.known)
        return self.known[name]


def _count(backbone: dict[str, Any], strategy: dict[str, Any]) -> dict[str, Any]:
    """Count on torch's meta device, where tensors have shapes and no numbers."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from tradeoff import snapshots
    from tradeoff.backbones import build

    with torch.device("meta"):
        model = build(backbone, CLASSES, 0, None)
        weights = sum(t.numel() * t.element_size() for t in model.net.state_dict().values())
        applied = strategies.apply(model, strategy["name"], strategy["params"], 0)
        images = torch.zeros(2, 3, backbone["image_size"], backbone["image_size"])

    def flops(asked: torch.nn.Module, *, backward: bool) -> float:
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(backward):
            logits = asked(images)
            if backward:
                logits.sum().backward()
        return float(counter.get_total_flops()) / len(images)

    state = snapshots.trainable_state(model)
    total = sum(t.numel() * t.element_size() for t in state.values())
    head = 4 * strategies.counts(model)["head"]
    forward = flops(model, backward=False)
    applied.train_mode(model)
    # torch counts the weights' gradients of grouped convolutions as if they had one group.
    train = min(flops(model, backward=True), 3 * forward)
    if applied.frozen_features:
        train = 3 * 2 * head / 4  # of the classifier alone
    probed = strategies.merged(model.eval()).requires_grad_(False)
    images.requires_grad_(True)
    gradient = flops(probed, backward=True)
    return {
        "forward": forward,
        "train": train,
        "gradient": gradient,
        "body": total - head,
        "head": head // CLASSES,
        "weights": weights,
        "fixed_features": applied.frozen_features,
    }


def _stages(threat: dict[str, Any], classes: int) -> list[dict[str, Any]]:
    from tradeoff import attacks
    from tradeoff.attacks.threat import threat as made

    # A probe's other settings (how it computes, where it stops) are none of the attack's.
    known = {"attack", "norm", *attacks.schema(threat["attack"])["properties"]}
    threat = {key: value for key, value in threat.items() if key in known}
    stages = []
    for attack in made(threat, 0.01).attempts(classes):
        turns = range(attack.evaluations - 1)  # the last point is only looked at
        gradients = sum(map(attack.wants_gradient, turns)) if attack.uses_gradient else 0
        stage = {"gradients": gradients, "queries": attack.evaluations - gradients}
        stages += [stage] * len(attack.rounds(classes))
    return stages
