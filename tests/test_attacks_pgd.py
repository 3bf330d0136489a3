"""PGD against foolbox, and its own options."""

import pytest
import torch
from attacks_support import as_floats, foolbox_pgd, held_out, trained

from tradeoff.attacks import balls
from tradeoff.attacks.engine import attack
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.06), ("linf", 0.15), ("l2", 0.5)])
def test_final_iterates_and_outcomes_equal_foolbox_from_the_same_start(norm, epsilon):
    model = trained()
    images, labels, ids = held_out(200)
    spec = {"attack": "pgd", "norm": norm, "steps": 15, "relative_step": 0.25, "criterion": "final_iterate"}
    ours = attack(model, images, labels, ids, threat(spec, epsilon), seed=3, keep_examples=True)
    x, y = as_floats(images), torch.from_numpy(labels)
    start = balls.uniform_in_ball(x, torch.from_numpy(ids), epsilon, norm, Noise(3, (0, 0)))
    theirs = foolbox_pgd(model, x, y, start, norm, epsilon, 0.25 * epsilon, 15)
    fooled = (model(theirs).argmax(1) != y).numpy()
    attacked = ours.correct
    assert 10 < fooled[attacked].sum() < attacked.sum()
    assert (ours.fooled == fooled)[attacked].all()
    assert (ours.adversarial - theirs)[attacked & fooled].abs().max() < 1e-5


def test_any_iterate_fools_all_that_final_iterate_fools():
    model = trained()
    images, labels, ids = held_out(200)
    by = {
        criterion: attack(
            model, images, labels, ids, threat({"attack": "pgd", "criterion": criterion}, 0.08), 0
        )
        for criterion in ("any_iterate", "final_iterate")
    }
    assert (by["any_iterate"].fooled >= by["final_iterate"].fooled).all()
    steps = {criterion: set(result.steps_to_fool.tolist()) for criterion, result in by.items()}
    assert steps["final_iterate"] == {-1, 15}
    assert len(steps["any_iterate"]) > 5


def test_more_restarts_and_targets_never_fool_fewer():
    model = trained()
    images, labels, ids = held_out(200)
    specs = [{}, {"restarts": 3}, {"targets": 3}]
    one, restarted, targeted = (
        attack(model, images, labels, ids, threat({"attack": "pgd", "steps": 5, **spec}, 0.08), 0)
        for spec in specs
    )
    assert (restarted.fooled >= one.fooled).all()
    assert restarted.fooled.sum() > one.fooled.sum()
    assert targeted.fooled.sum() >= one.fooled.sum() - 2


def test_fgsm_is_one_step_of_size_epsilon():
    model = trained()
    images, labels, ids = held_out(100)
    ours = attack(model, images, labels, ids, threat({"attack": "fgsm"}, 0.1), 0, keep_examples=True)
    x, y = as_floats(images).requires_grad_(), torch.from_numpy(labels)
    torch.nn.functional.cross_entropy(model(x), y, reduction="sum").backward()
    stepped = (x + 0.1 * x.grad.sign()).clamp(0, 1).detach()
    fooled = (model(stepped).argmax(1) != y).numpy()
    assert (ours.fooled == fooled)[ours.correct].all()
    assert torch.allclose(ours.adversarial[ours.correct & fooled], stepped[ours.correct & fooled], atol=1e-6)


def test_relative_and_absolute_steps_agree():
    model = trained()
    images, labels, ids = held_out(100)
    a, b = (
        attack(model, images, labels, ids, threat({"attack": "pgd", **spec}, 0.08), 0)
        for spec in ({"relative_step": 0.5}, {"step_size": 0.04})
    )
    assert (a.steps_to_fool == b.steps_to_fool).all()
