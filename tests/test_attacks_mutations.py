"""Each way to break the engine that we could think of is noticed by a comparison with independent code."""

import numpy as np
import pytest
import torch
from attacks_support import Small, as_floats, foolbox_pgd, held_out, trained
from torch import nn

from tradeoff.attacks import balls, engine, pgd
from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat

EPSILON, STEPS, SEED = 0.08, 7, 3
EPSILONS = [0.04, 0.08]
SPEC = {"attack": "pgd", "steps": STEPS, "relative_step": 0.25, "criterion": "final_iterate"}


def noticed() -> list[str]:
    """Run PGD, and return which comparisons with foolbox and with plain facts fail."""
    model = Small()
    model.load_state_dict(trained().state_dict())
    model.train()
    images, labels, ids = held_out(150)
    x, y = as_floats(images), torch.from_numpy(labels)
    start = (x + EPSILON * (2 * Noise(SEED, (0, 0)).uniform(torch.from_numpy(ids), (3, 8, 8)) - 1)).clamp(
        0, 1
    )
    theirs = foolbox_pgd(trained(), x, y, start, "linf", EPSILON, 0.25 * EPSILON, STEPS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(0)
    ours = attack(model, images, labels, ids, threat(SPEC, EPSILON), SEED, keep_examples=True)
    with torch.no_grad():
        clean = (trained()(x).argmax(1) == y).numpy()
        wrong = (trained()(theirs).argmax(1) != y).numpy()
    fooled = ours.fooled & ours.correct
    failed = {
        "clean accuracy": not np.array_equal(ours.correct, clean),
        "outcomes": not np.array_equal(ours.fooled[clean], wrong[clean]),
        "examples": bool(((ours.adversarial - theirs)[fooled].abs() > 1e-5).any()),
        "box": bool((ours.adversarial < 0).any() or (ours.adversarial > 1).any()),
        "ball": bool((ours.adversarial - x).abs().max() > EPSILON + 1e-6),
        "model unchanged": any(
            not torch.equal(value, before[name]) for name, value in model.state_dict().items()
        ),
    }
    return [name for name, failure in failed.items() if failure]


def noticed_in_a_sweep() -> list[str]:
    """Run PGD that counts any iterate over two epsilons, and return where it differs from foolbox's iterates."""
    model = Small()
    model.load_state_dict(trained().state_dict())
    model.train()
    images, labels, ids = held_out(150)
    x, y = as_floats(images), torch.from_numpy(labels)
    drawn = 2 * Noise(SEED, (0, 0)).uniform(torch.from_numpy(ids), (3, 8, 8)) - 1
    with torch.no_grad():
        expected = np.where((trained()(x).argmax(1) == y).numpy(), engine.ROBUST, 0)
    for rank, epsilon in enumerate(EPSILONS, start=1):
        start = (x + epsilon * drawn).clamp(0, 1)
        iterates = [start] + [
            foolbox_pgd(trained(), x, y, start, "linf", epsilon, 0.25 * epsilon, steps)
            for steps in range(1, STEPS + 1)
        ]
        with torch.no_grad():
            fooled = torch.stack([trained()(each).argmax(1) != y for each in iterates]).any(0).numpy()
        expected[fooled & (expected == engine.ROBUST)] = rank
    torch.manual_seed(0)
    searched = threat(SPEC | {"criterion": "any_iterate"}, EPSILON)
    found = sweep(model, images, labels, ids, searched, EPSILONS, SEED).first_failure
    return [f"outcome {rank}" for rank in (0, 1, 2) if ((found == rank) != (expected == rank)).any()]


def one_step_fewer(monkeypatch):
    made = pgd.Pgd.__init__

    def init(self, params, norm, epsilon):
        made(self, params, norm, epsilon)
        self.evaluations -= 1

    monkeypatch.setattr(pgd.Pgd, "__init__", init)


def labels_shifted(monkeypatch):
    run = engine._Search.run
    monkeypatch.setattr(
        engine._Search,
        "run",
        lambda self, images, labels, ids, hints=None: run(self, images, (labels + 1) % 10, ids),
    )


def loss_of_a_shifted_label(monkeypatch):
    loss = pgd.Pgd.loss
    monkeypatch.setattr(
        pgd.Pgd, "loss", lambda self, logits, samples: loss(self, logits.roll(1, dims=1), samples)
    )


def start_at_the_image(monkeypatch):
    monkeypatch.setattr(balls, "uniform_in_ball", lambda center, *_: center.clone())


MUTATIONS = {
    "sign of the step": lambda m: m.setattr(balls, "direction", lambda gradient, norm: -gradient.sign()),
    "no clamp to the box": lambda m: m.setattr(
        balls, "project", lambda x, center, epsilon, norm: torch.clamp(x, center - epsilon, center + epsilon)
    ),
    "no projection to the ball": lambda m: m.setattr(balls, "project", lambda x, *_: x.clamp(0, 1)),
    "one step fewer": one_step_fewer,
    "labels shifted": labels_shifted,
    "loss of a shifted label": loss_of_a_shifted_label,
    "normalisation left out": lambda m: m.setattr(Small, "forward", lambda self, x: self.net(x)),
    "train mode": lambda m: m.setattr(nn.Module, "eval", lambda self: self),
    "bytes not scaled": lambda m: m.setattr(
        engine._Oracle, "to_floats", lambda self, images: torch.from_numpy(images).float()
    ),
    "no random start": start_at_the_image,
}


def test_the_engine_as_it_is_passes_every_comparison():
    assert noticed() == []
    assert noticed_in_a_sweep() == []


@pytest.mark.parametrize("compare", [noticed, noticed_in_a_sweep])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_noticed(mutation, compare, monkeypatch):
    trained()  # before anything is broken
    if mutation == "normalisation left out":
        # Break our side only: the reference model keeps its own forward.
        monkeypatch.setattr(trained(), "forward", trained().forward)
    MUTATIONS[mutation](monkeypatch)
    assert compare()
