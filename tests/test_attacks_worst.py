"""Attacks in their training form: the original's points, for every sample, and a model left as it was."""

import pytest
import torch
from attacks_support import Small, as_floats, held_out, trained
from pyautoattack.autopgd_base import APGDAttack
from torch.nn import functional

from tradeoff.attacks import balls
from tradeoff.attacks.engine import attack
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat
from tradeoff.attacks.worst import worst_points

SPECS = {
    "apgd": {"attack": "apgd", "steps": 7},
    "pgd": {"attack": "pgd", "steps": 7, "relative_step": 0.25},
    "apgd l2": {"attack": "apgd", "steps": 7, "norm": "l2"},
}


def batch(n=60):
    images, labels, ids = held_out(n)
    return as_floats(images), torch.from_numpy(labels), torch.from_numpy(ids)


def worst(model, spec, x, y, ids, epsilon=0.1, noise=None, loss=None):
    (made,) = threat(spec, epsilon).attempts(10)
    return worst_points(model, made, x, y, ids, noise or Noise(0), loss)


def original(model, steps, norm, epsilon):
    made = APGDAttack(model, n_iter=steps, norm={"linf": "Linf", "l2": "L2"}[norm], eps=epsilon, device="cpu")
    made.init_hyperparam(batch(1)[0])
    return made


def forced_start(monkeypatch, x, ids, norm, epsilon):
    """A start that both sides take: drawn by a generator that is nobody's."""
    generator = torch.Generator().manual_seed(5)
    drawn = torch.rand(x.shape, generator=generator) * 2 - 1
    start = (x + 0.7 * epsilon * balls.normalise(drawn, norm)).clamp(0, 1)
    rows = {int(i): row for row, i in enumerate(ids)}

    def taken(images, ids, epsilon, norm, noise):
        return start[[rows[int(i)] for i in ids]].clone()

    monkeypatch.setattr(balls, "random_on_sphere", taken)
    return start


@pytest.mark.parametrize("steps", [7, 10])
@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 0.8)])
def test_the_training_form_finds_the_originals_points_from_the_same_start(monkeypatch, norm, epsilon, steps):
    x, y, ids = batch()
    start = forced_start(monkeypatch, x, ids, norm, epsilon)
    best, _, loss, _ = original(trained(), steps, norm, epsilon).attack_single_run(x, y, x_init=start.clone())
    found = worst(trained(), {"attack": "apgd", "steps": steps, "norm": norm}, x, y, ids, epsilon)
    assert (found.points - best).abs().max() <= 1e-6
    torch.testing.assert_close(found.loss, loss, rtol=1e-5, atol=1e-6)
    assert (found.points - start).abs().amax(dim=(1, 2, 3)).gt(1e-3).float().mean() > 0.9


@pytest.mark.parametrize("steps", [7, 10])
def test_the_probe_form_finds_the_originals_points_from_the_same_start(monkeypatch, steps):
    """A probe stops at the iterate that fools: the same one of the original's."""
    x, y, ids = batch()
    start = forced_start(monkeypatch, x, ids, "linf", 0.1)
    iterates = []

    def recorded(points):
        iterates.append(points.detach().clone())
        return trained()(points)

    original(recorded, steps, "linf", 0.1).attack_single_run(x, y, x_init=start.clone())
    found = attack(
        trained(), x, y, ids, threat({"attack": "apgd", "steps": steps}, 0.1), 0, keep_examples=True
    )
    fooled_at = torch.from_numpy(found.steps_to_fool).long()
    fooled = torch.from_numpy(found.fooled & found.correct)
    assert fooled.sum() > 20
    assert (fooled_at[fooled] > 0).any()
    theirs = torch.stack(iterates)[fooled_at[fooled], fooled.nonzero()[:, 0]]
    assert (found.adversarial[fooled] - theirs).abs().max() <= 1e-6


@pytest.mark.parametrize("name", SPECS)
def test_every_sample_gets_a_point_of_its_ball_with_a_loss_no_lower_than_at_the_start(name):
    x, y, ids = batch()
    spec = SPECS[name]
    found = worst(trained(), spec, x, y, ids)
    norm = spec.get("norm", "linf")
    assert found.points.shape == x.shape
    assert balls.norm_of(found.points - x, norm).max() <= 0.1 + 1e-6
    assert found.points.min() >= 0 and found.points.max() <= 1
    start = (balls.random_on_sphere if "apgd" in name else balls.uniform_in_ball)(x, ids, 0.1, norm, Noise(0))
    with torch.no_grad():
        first = functional.cross_entropy(trained()(start), y, reduction="none")
        there = functional.cross_entropy(trained()(found.points), y, reduction="none")
    torch.testing.assert_close(found.loss, there, rtol=1e-4, atol=1e-5)
    assert (there >= first - 1e-5).all()
    assert there.mean() > 1.5 * first.mean()
    assert (found.fooled | (trained()(found.points).argmax(1) == y)).all()


def test_a_samples_point_does_not_depend_on_its_place_in_the_batch_or_on_its_neighbours():
    x, y, ids = batch()
    whole = worst(trained(), SPECS["apgd"], x, y, ids).points
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))[:23]
    part = worst(trained(), SPECS["apgd"], x[order], y[order], ids[order]).points
    assert (part - whole[order]).abs().amax(dim=(1, 2, 3)).le(1e-6).float().mean() > 0.9


def test_other_streams_give_other_points_and_the_same_ones_the_same():
    x, y, ids = batch()
    one, same, other = (
        worst(trained(), SPECS["apgd"], x, y, ids, noise=Noise(0, (1, k))).points for k in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_every_point_is_evaluated_in_eval_mode_on_the_whole_batch_and_the_model_is_left_as_it_was():
    x, y, ids = batch()
    model = Small()
    model.load_state_dict(trained().state_dict())
    model.train()
    model.net[0].weight.requires_grad_(False)
    model.net[1].eval()  # as a strategy that freezes statistics leaves it
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = []
    model.register_forward_pre_hook(
        lambda module, args: seen.append(
            (
                len(args[0]),
                any(m.training for m in module.modules()),
                any(p.requires_grad for p in module.parameters()),
            )
        )
    )
    found = worst(model, SPECS["apgd"], x, y, ids)
    assert seen == [(60, False, False)] * 8
    assert torch.equal(found.points, worst(trained(), SPECS["apgd"], x, y, ids).points)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.net] == [True, False, True, True, True, True, True, True]
    assert [p.requires_grad for p in model.parameters()][:2] == [False, True]
    assert all(p.grad is None for p in model.parameters())


def test_the_last_point_needs_no_gradient_and_counts_all_the_same():
    """A step that only the last point can win: from the clean image, one step uphill."""
    x, y, ids = batch()
    spec = {"attack": "pgd", "steps": 1, "relative_step": 1.0, "random_start": False}
    found = worst(trained(), spec, x, y, ids, epsilon=0.02)
    assert (found.points != x).flatten(1).any(1).float().mean() > 0.9


def test_what_is_climbed_can_be_another_function_of_the_logits():
    x, y, ids = batch()
    found = worst(trained(), SPECS["apgd"], x, y, ids, loss=lambda logits: logits[:, 3])
    with torch.no_grad():
        assert (trained()(found.points)[:, 3] > trained()(x)[:, 3]).float().mean() > 0.95
        torch.testing.assert_close(found.loss, trained()(found.points)[:, 3], rtol=1e-4, atol=1e-4)


class Overflowing(torch.nn.Module):
    """Answers NaN to every image that is brighter on average than it may be."""

    def __init__(self, brightest):
        super().__init__()
        self.brightest = brightest

    def forward(self, x):
        broken = x.flatten(1).mean(1, keepdim=True) > self.brightest
        return torch.where(broken, torch.nan, trained()(x))


@pytest.mark.parametrize("name", SPECS)
def test_an_answer_that_is_not_finite_fools_nobody_and_is_no_highest_point(name):
    x, y, ids = batch()
    at_all = worst(Overflowing(-1), SPECS[name], x, y, ids)
    assert not at_all.fooled.any()
    assert at_all.points.isfinite().all()
    beyond = worst(Overflowing(float(x.mean()) + 0.02), SPECS[name], x, y, ids, epsilon=0.3)
    assert beyond.points.isfinite().all()
    reached = beyond.loss.isfinite()
    assert 0.1 < reached.float().mean() < 1
    answers = Overflowing(float(x.mean()) + 0.02)(beyond.points)[reached]
    assert answers.isfinite().all()
