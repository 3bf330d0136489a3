"""APGD against the original implementation, iterate by iterate."""

import pytest
import torch
from attacks_support import as_floats, held_out, trained
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted

from tradeoff.attacks import apgd, losses
from tradeoff.attacks.base import Samples, judged
from tradeoff.attacks.engine import attack
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat


class Recorder(torch.nn.Module):
    """A model that remembers what it was asked."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return self.model(x)


@pytest.mark.parametrize("steps", [1, 7, 10, 40])
@pytest.mark.parametrize("loss", ["ce", "dlr"])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 0.5)])
def test_iterates_equal_the_original_from_the_same_start(norm, epsilon, loss, steps):
    model = trained()
    images, labels, ids = held_out(40)
    x, y = as_floats(images), torch.from_numpy(labels)
    start = (x + 0.5 * epsilon * Noise(0).signs(torch.from_numpy(ids), (3, 8, 8)) / 14).clamp(0, 1)
    recorder = Recorder(model)
    original = APGDAttack(
        recorder, n_iter=steps, norm={"linf": "Linf", "l2": "L2"}[norm], eps=epsilon, loss=loss, device="cpu"
    )
    original.init_hyperparam(x)
    original.attack_single_run(x, y, x_init=start.clone())
    ours = apgd.Apgd(apgd.Params(steps=steps, loss=loss), norm, epsilon)
    samples, state = Samples(x, y, torch.from_numpy(ids), model(x).detach(), y), ours.start_at(start.clone())
    for turn in range(steps + 1):
        assert (state.x - recorder.seen[turn]).abs().max() <= 1e-6, f"iterate {turn}"
        if turn < steps:
            point = state.x.clone().requires_grad_()
            logits = model(point)
            value = ours.loss(logits, samples)
            (gradient,) = torch.autograd.grad(value.sum(), point)
            seen = judged(logits.detach(), y, value.detach(), gradient)
            ours.update(turn, samples, state, seen, Noise(0))


def test_losses_equal_the_original():
    model = trained()
    images, labels, _ = held_out(100)
    logits, y = model(as_floats(images)).detach(), torch.from_numpy(labels)
    targets = logits.argsort(1)[:, -4]
    original = APGDAttack_targeted(model, eps=0.1, device="cpu")
    original.y_target = targets
    assert torch.allclose(losses.dlr(logits, y, y), original.dlr_loss(logits, y), atol=1e-6)
    assert torch.allclose(
        losses.dlr_targeted(logits, y, targets), original.dlr_loss_targeted(logits, y), atol=1e-6
    )


def test_checks_are_where_the_paper_puts_them():
    # Table of the paper for 100 steps: windows of 22, 19, 16, 13, 10, 7, then 6.
    assert list(apgd.checkpoints(100))[:8] == [22, 41, 57, 70, 80, 87, 93, 99]
    assert list(apgd.checkpoints(7)) == [1, 2, 3, 4, 5, 6, 7]
    assert list(apgd.checkpoints(10)) == [2, 3, 4, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("targets", [0, 3])
def test_outcomes_agree_with_the_original(targets):
    model = trained()
    images, labels, ids = held_out(150)
    spec = {"attack": "apgd", "steps": 20, "loss": "dlr" if targets else "ce", "targets": targets}
    ours = attack(model, images, labels, ids, threat(spec, 0.08), seed=0)
    if targets:
        original = APGDAttack_targeted(model, n_iter=20, eps=0.08, device="cpu", n_target_classes=targets)
    else:
        original = APGDAttack(model, n_iter=20, eps=0.08, device="cpu")
    y = torch.from_numpy(labels)
    theirs = (model(original.perturb(as_floats(images), y)).argmax(1) != y).numpy()
    assert 20 < theirs.sum() < 130
    assert (ours.fooled == theirs).mean() >= 0.98
