"""Each way to break the engine that we could think of is noticed by a comparison with independent code."""

import numpy as np
import pytest
import torch
from attacks_support import Small, as_floats, foolbox_pgd, held_out, trained
from pyautoattack.autopgd_base import APGDAttack
from torch import nn

from tradeoff.attacks import apgd, balls, engine, oracle, pgd
from tradeoff.attacks.engine import attack, sweep
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat

EPSILON, STEPS, SEED = 0.08, 7, 3
EPSILONS = [0.04, 0.08]
APGD_STEPS = 20
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


def noticed_in_apgd() -> list[str]:
    """Run APGD, and return where its last iterates differ from the original implementation's."""
    model = Small()
    model.load_state_dict(trained().state_dict())
    model.train()
    images, labels, ids = held_out(150)
    x, y = as_floats(images), torch.from_numpy(labels)
    drawn = 2 * Noise(SEED, (0, 0)).uniform(torch.from_numpy(ids), (3, 8, 8)) - 1
    start = (x + EPSILON * drawn / drawn.abs().amax(dim=(1, 2, 3), keepdim=True)).clamp(0, 1)
    evaluated = []

    def reference(points):
        evaluated.append(points.detach().clone())
        return trained()(points)

    original = APGDAttack(reference, n_iter=APGD_STEPS, norm="Linf", eps=EPSILON, device="cpu")
    original.init_hyperparam(x)
    original.attack_single_run(x, y, x_init=start)
    theirs = evaluated[-1]
    torch.manual_seed(0)
    spec = {"attack": "apgd", "steps": APGD_STEPS, "criterion": "final_iterate"}
    ours = attack(model, images, labels, ids, threat(spec, EPSILON), SEED, keep_examples=True)
    with torch.no_grad():
        clean = (trained()(x).argmax(1) == y).numpy()
        wrong = (trained()(theirs).argmax(1) != y).numpy()
    fooled = ours.fooled & ours.correct
    failed = {
        "clean accuracy": not np.array_equal(ours.correct, clean),
        "outcomes": not np.array_equal(ours.fooled[clean], wrong[clean]),
        "examples": bool(((ours.adversarial - theirs)[fooled].abs() > 1e-5).any()),
    }
    return [name for name, failure in failed.items() if failure]


def one_step_fewer(monkeypatch):
    for kind in (pgd.Pgd, apgd.Apgd):
        monkeypatch.setattr(kind, "__init__", _one_step_fewer(kind.__init__))


def _one_step_fewer(made):
    def init(self, params, norm, epsilon):
        made(self, params, norm, epsilon)
        self.evaluations -= 1

    return init


def labels_shifted(monkeypatch):
    run = engine._Search.run
    monkeypatch.setattr(
        engine._Search,
        "run",
        lambda self, images, labels, ids, hints=None: run(self, images, (labels + 1) % 10, ids),
    )


def loss_of_a_shifted_label(monkeypatch):
    for kind in (pgd.Pgd, apgd.Apgd):
        monkeypatch.setattr(kind, "loss", _of_a_shifted_label(kind.loss))


def _of_a_shifted_label(loss):
    return lambda self, logits, samples: loss(self, logits.roll(1, dims=1), samples)


def start_at_the_image(monkeypatch):
    for start in ("uniform_in_ball", "random_on_sphere"):
        monkeypatch.setattr(balls, start, lambda center, *_: center.clone())


def half_the_first_step(monkeypatch):
    start = apgd.Apgd.start_at

    def start_at(self, x):
        state = start(self, x)
        state.step_size /= 2
        return state

    monkeypatch.setattr(apgd.Apgd, "start_at", start_at)


def never_back_to_the_best_point(monkeypatch):
    check = apgd.Apgd._check

    def stay(self, window, state, x, gradient):
        check(self, window, state, x, gradient)
        return x, gradient

    monkeypatch.setattr(apgd.Apgd, "_check", stay)


def standing_still_is_no_reason_to_halve(monkeypatch):
    check = apgd.Apgd._check

    def as_if_halved(self, window, state, x, gradient):
        state.halved_at_check.fill_(True)
        return check(self, window, state, x, gradient)

    monkeypatch.setattr(apgd.Apgd, "_check", as_if_halved)


def checks_one_step_late(monkeypatch):
    checks = apgd.checkpoints
    monkeypatch.setattr(
        apgd, "checkpoints", lambda steps: {turn + 1: window for turn, window in checks(steps).items()}
    )


def the_latest_point_counts_as_the_best(monkeypatch):
    update = apgd.Apgd.update

    def forget(self, turn, samples, state, seen, noise):
        state.best_loss.fill_(-torch.inf)
        return update(self, turn, samples, state, seen, noise)

    monkeypatch.setattr(apgd.Apgd, "update", forget)


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
        oracle.Oracle, "to_floats", lambda self, images: torch.from_numpy(images).float()
    ),
    "no random start": start_at_the_image,
}


# What only APGD does.
APGD_MUTATIONS = {
    "momentum left out": lambda m: m.setattr(apgd, "MOMENTUM", 1.0),
    "half the first step": half_the_first_step,
    "step never halved": lambda m: m.setattr(apgd, "checkpoints", lambda steps: {}),
    "checks one step late": checks_one_step_late,
    "halved at half as many rises": lambda m: m.setattr(apgd, "RHO", apgd.RHO / 2),
    "standing still is no reason to halve": standing_still_is_no_reason_to_halve,
    "never back to the best point": never_back_to_the_best_point,
    "the latest point counts as the best": the_latest_point_counts_as_the_best,
}


def test_the_engine_as_it_is_passes_every_comparison():
    assert noticed() == []
    assert noticed_in_a_sweep() == []
    assert noticed_in_apgd() == []


@pytest.mark.parametrize("compare", [noticed, noticed_in_a_sweep, noticed_in_apgd])
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_is_noticed(mutation, compare, monkeypatch):
    trained()  # before anything is broken
    if mutation == "normalisation left out":
        # Break our side only: the reference model keeps its own forward.
        monkeypatch.setattr(trained(), "forward", trained().forward)
    MUTATIONS[mutation](monkeypatch)
    assert compare()


@pytest.mark.parametrize("mutation", APGD_MUTATIONS)
def test_a_mutation_of_apgd_is_noticed(mutation, monkeypatch):
    trained()
    APGD_MUTATIONS[mutation](monkeypatch)
    assert noticed_in_apgd()
