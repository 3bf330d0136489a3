"""Any objective with any strategy: what trains moves, and nothing else does."""

import pytest
import torch

from tests.backbones_support import images, randomise, tiny
from tradeoff import objectives, strategies, training
from tradeoff.data.splits import Split
from tradeoff.strategies import STRATEGIES

PARAMS = {
    "standard": {},
    "rft_fix": {},
    "rft_sched": {"t1": 0, "t2": 0.5},
    "rft_warmup": {"t2": 0.5},
    "rft_switch": {"at": 0.5},
    "rft_uniform": {},
    "rft_auto": {"patience": 1, "tolerance": 1.0},
    "trades": {},
}
RECIPE = {
    "epochs": 4, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.0, "schedule": "constant",
    "warmup": 0.0, "clip_norm": 1.0, "label_smoothing": 0.0, "precision": "fp32", "augmentation": None,
}  # fmt: skip
PAIRS = [
    (strategy, family)
    for strategy, entry in STRATEGIES.items()
    for family in ("vit", "resnet")
    if family in entry.families
]


def test_every_objective_is_in_the_matrix():
    assert set(PARAMS) == set(objectives.OBJECTIVES)


@pytest.mark.parametrize("objective", PARAMS)
@pytest.mark.parametrize(("strategy", "family"), PAIRS)
def test_exactly_what_the_strategy_trains_moves(tmp_path, strategy, family, objective):
    model = tiny(family, classes=3)
    applied = strategies.apply(model, strategy, {}, 0)
    randomise(model.net.parameters(), scale=0.2)  # what starts at zero would hold others still
    pixels = (images(family, 8, seed=1) * 255).to(torch.uint8).numpy()
    labels = torch.arange(8).remainder(3).numpy()
    split = Split(pixels, labels, torch.arange(8).numpy())
    params = PARAMS[objective] | ({} if objective == "standard" else {"epsilon": 0.05, "steps": 1})
    before = {name: value.clone() for name, value in values(model)}
    training.train(
        training.Job(
            model=model,
            applied=applied,
            objective=objectives.load(objective, params),
            train=split,
            validation=split,
            recipe=RECIPE,
            probe_schedule=[{"every": 100}],
            seed=0,
            parts=tmp_path,
            label="test",
        )
    )
    moved = {name for name, value in values(model) if not torch.equal(value, before[name])}
    assert moved == set(model.trained) | set(model.moving)
    assert bool(model.moving) == (applied.strategy.updates_statistics and family == "resnet")


def values(model):
    """Parameters and buffers by name, each once."""
    return [*model.net.named_parameters(), *model.net.named_buffers()]
