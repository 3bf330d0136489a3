"""How often an attack asks the model: at most, and as expected when samples that are decided cost nothing more."""

from typing import Any

from tradeoff.plan.sizes import Sizes
from tradeoff.study import Run

# ASSUME: a fine-tuned model is right on this share of its test images, from a tenth of the steps on.
ACCURACY, RISE = 0.6, 0.1
# ASSUME: each step of this radius (l2: on a 32-pixel image) halves how many samples resist; of the size that a
# robust objective trains at, when that is larger.
HALVING = {"linf": 1 / 255, "l2": 0.1}
# ASSUME: a sample that is fooled is fooled after this share of an attack's evaluations.
FOOLED_AFTER = 0.25
# Keys of a probe that do not change how often it asks the model, at most.
OTHERS = ("kind", "name", "epsilons", "seed", "limit", "compute")


def evaluations(
    sizes: Sizes,
    probe: dict[str, Any],
    run: Run,
    classes: int,
    images: int,
    schedule: tuple[list[int], int],
    *,
    bound: bool,
) -> tuple[float, float]:
    """Return (evaluations with gradient, without) of an attack probe of all snapshots of a run.

    probe: its resolved settings; images: tested; schedule: steps of the snapshots, and of the whole training.
    bound: the most there can be, when every sample is right and resists to the end.
    """
    stages = sizes.attack({key: value for key, value in probe.items() if key not in OTHERS}, classes)
    with_gradient = sum(stage.gradients for stage in stages)
    without = sum(stage.queries for stage in stages)
    steps, total = schedule
    if bound:
        rounds = images * len(steps) * len(probe["epsilons"])
        return float(rounds * with_gradient), float(rounds * without)
    halving = HALVING[probe.get("norm", "linf")]
    if probe.get("norm") == "l2":
        halving *= run.spec["backbone_spec"]["image_size"] / 32
    halving = max(halving, run.spec["objective_spec"]["params"].get("epsilon", 0.0))
    dropped_late = FOOLED_AFTER if probe.get("criterion", "any_iterate") == "any_iterate" else 1.0
    first = stages[0]
    gradients = queries = 0.0
    for step in steps:
        right = images * _accuracy(step / total, classes)
        alive = right
        for epsilon in probe["epsilons"]:
            resists = right * 0.5 ** (epsilon / halving)
            gradients += resists * with_gradient
            queries += resists * without
            # ASSUME: what is fooled at all is fooled by the first round.
            fooled = (alive - resists) * dropped_late
            gradients += fooled * first.gradients
            queries += fooled * first.queries
            alive = resists
    return gradients, queries


def _accuracy(progress: float, classes: int) -> float:
    """Expected accuracy after a share of the training: chance at first."""
    chance = 1 / classes
    return chance + (ACCURACY - chance) * min(1.0, progress / RISE)
