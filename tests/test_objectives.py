"""Objectives: the perturbation size of every epoch, and the loss of a step, against formulas written out."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from attacks_support import Small, as_floats, held_out, trained
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from tradeoff import objectives
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat
from tradeoff.attacks.worst import worst_points
from tradeoff.fingerprint import closure
from tradeoff.objectives.base import Moment

EPSILON = 8 / 255
ROBUST = {
    "rft_fix": {},
    "rft_sched": {"t1": 0.25, "t2": 0.75},
    "rft_warmup": {"t2": 0.75},
    "rft_switch": {"at": 0.5},
    "rft_uniform": {},
    "rft_auto": {},
    "trades": {},
}
NOISE = Noise(0, (1, 5))


def load(name, smoothing=0.0, **params):
    given = {} if name == "standard" else {"epsilon": EPSILON} | ROBUST[name] | params
    return objectives.load(name, given, smoothing)


def epsilons(name, epochs, seed=0, accuracies=None, **params):
    accuracies = accuracies or [0.5] * epochs
    objective = load(name, **params)
    return [objective.epsilon(Moment(t, epochs, seed, tuple(accuracies[:t]))) for t in range(epochs)]


def ramp(t, t1, t2):
    """The schedule of the paper, exactly."""
    if t < t1:
        return 0
    return Fraction(t - t1) / Fraction(t2 - t1) if t < t2 else 1


# --- the perturbation size of an epoch


@given(st.integers(1, 60), st.data())
def test_the_schedule_is_the_closed_form_at_every_epoch(epochs, data):
    t2 = data.draw(st.integers(0, epochs).filter(lambda t: t != 1))
    t1 = data.draw(st.integers(0, t2).filter(lambda t: t != 1))  # 1 is the share
    found = epsilons("rft_sched", epochs, t1=t1, t2=t2)
    assert found == pytest.approx([float(ramp(t, t1, t2)) * EPSILON for t in range(epochs)], abs=1e-15)


@given(st.integers(1, 60), st.integers(0, 100), st.integers(0, 100))
def test_shares_are_whole_epochs_rounded_down(epochs, one, other):
    t1, t2 = sorted((one, other))
    found = epsilons("rft_sched", epochs, t1=t1 / 100, t2=t2 / 100)
    expected = [float(ramp(t, t1 * epochs // 100, t2 * epochs // 100)) * EPSILON for t in range(epochs)]
    assert found == pytest.approx(expected, abs=1e-15)


def test_a_quarter_and_three_quarters_of_50_epochs_are_12_and_37_as_published():
    assert epsilons("rft_sched", 50) == epsilons("rft_sched", 50, t1=12, t2=37)
    values = epsilons("rft_sched", 50)
    assert values[11] == values[12] == 0 < values[13]
    assert values[36] < EPSILON == values[37] == values[49]


def test_special_cases_of_the_schedule_are_the_other_objectives():
    assert epsilons("rft_sched", 20, t1=0, t2=0) == epsilons("rft_fix", 20) == [EPSILON] * 20
    assert epsilons("rft_sched", 20, t1=0, t2=0.5) == epsilons("rft_warmup", 20, t2=0.5)
    assert epsilons("rft_sched", 20, t1=5, t2=5) == [0.0] * 5 + [EPSILON] * 15
    assert (
        epsilons("rft_switch", 20, at=0.25) == epsilons("rft_switch", 20, at=5) == [0.0] * 5 + [EPSILON] * 15
    )
    assert epsilons("trades", 20) == [EPSILON] * 20
    assert load("standard").epsilon(Moment(3, 20, 0, ())) == 0


def test_uniform_draws_another_size_every_epoch_from_seed_and_epoch_alone():
    many = np.array([epsilons("rft_uniform", 50, seed) for seed in range(40)]) / EPSILON
    assert (many >= 0).all() and (many < 1).all()
    assert len(np.unique(many)) == many.size
    # Of 2,000 uniform numbers: mean 1/2 ± 4σ, variance 1/12, no correlation of neighbours.
    assert many.mean() == pytest.approx(0.5, abs=4 / math.sqrt(12 * many.size))
    assert many.var() == pytest.approx(1 / 12, rel=0.1)
    assert abs(np.corrcoef(many[:, :-1].ravel(), many[:, 1:].ravel())[0, 1]) < 0.1
    assert load("rft_uniform").epsilon(Moment(7, 9, 3, (0.1,))) == pytest.approx(many[3, 7] * EPSILON)


@pytest.mark.parametrize(
    ("accuracies", "start"),
    [
        ([0.1, 0.3, 0.5, 0.6, 0.605, 0.61, 0.6, 0.61, 0.615, 0.61, 0.61, 0.6], 9),  # 0.6 … 0.615: ends 3 to 8
        ([0.5] * 12, 6),  # the earliest: five epochs need six accuracies
        ([0.05 * t for t in range(12)], None),  # never settles
        ([0.015 * t for t in range(12)], None),  # slow drift is movement too
        ([0.5, 0.51, 0.5, 0.51, 0.5, 0.51, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 6),  # once begun it goes on
        ([0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], 7),
    ],
)
def test_auto_ramps_to_the_end_from_the_epoch_at_which_accuracy_has_settled(accuracies, start):
    found = epsilons("rft_auto", 12, accuracies=accuracies)
    t1 = 12 if start is None else start
    assert found == pytest.approx([float(ramp(t, t1, 12)) * EPSILON for t in range(12)], abs=1e-15)


def test_auto_knows_nothing_of_what_is_still_to_come():
    past = (0.1, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    objective = load("rft_auto")
    assert objective.epsilon(Moment(6, 12, 0, past[:6])) == 0
    assert objective.epsilon(Moment(8, 12, 0, past)) == 0  # the ramp starts here
    assert objective.epsilon(Moment(9, 12, 0, (*past, 0.5))) == pytest.approx(EPSILON / 4)


# --- the loss of a step


def batch(n=40):
    images, labels, ids = held_out(n)
    return as_floats(images), torch.from_numpy(labels), torch.from_numpy(ids)


def fresh():
    """A copy of the trained model, in train mode, that drops nothing, so that forward passes repeat."""
    model = Small()
    model.load_state_dict(trained().state_dict())
    model.net[6].p = 0.0
    return model.train()


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


def adversarial(spec, noise=NOISE, loss=None):
    x, y, ids = batch()
    (made,) = threat(spec, EPSILON).attempts(10)
    return worst_points(fresh(), made, x, y, ids, noise, loss).points


@pytest.mark.parametrize("name", [name for name in ROBUST if name != "trades"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    "spec",
    [
        {"attack": "apgd", "steps": 7, "norm": "linf"},
        {"attack": "pgd", "steps": 3, "norm": "l2", "relative_step": 0.5},
    ],
)
def test_a_robust_loss_is_cross_entropy_at_the_attacks_points_in_train_mode(name, smoothing, spec):
    x, y, ids = batch()
    one, other = fresh(), fresh()
    loss = load(name, smoothing, **spec).loss(one, x, y, ids, EPSILON, NOISE)
    expected = functional.cross_entropy(other(adversarial(spec)), y, label_smoothing=smoothing)
    assert torch.equal(loss, expected)
    for mine, theirs in zip(gradients(one, loss), gradients(other, expected), strict=True):
        assert torch.equal(mine, theirs)
    for (key, mine), theirs in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), (
            key
        )  # BatchNorm's statistics too: one update, by the training forward


def test_the_default_attack_is_apgd_with_seven_steps_in_linf():
    x, y, ids = batch()
    loss = load("rft_fix").loss(fresh(), x, y, ids, EPSILON, NOISE)
    points = adversarial({"attack": "apgd", "steps": 7, "norm": "linf"})
    assert torch.equal(loss, functional.cross_entropy(fresh()(points), y))


@pytest.mark.parametrize("name", ["standard", *ROBUST])
def test_without_a_perturbation_every_objective_is_the_standard_one_at_its_cost(name):
    x, y, ids = batch()
    model, calls = fresh(), []
    model.register_forward_pre_hook(lambda module, args: calls.append(module.training))
    loss = load(name).loss(model, x, y, ids, 0.0, NOISE)
    assert torch.equal(loss, functional.cross_entropy(fresh()(x), y))
    assert calls == [True]


def test_trades_is_clean_cross_entropy_plus_beta_times_the_divergence_it_climbed():
    x, y, ids = batch()
    with torch.no_grad():
        target = fresh().eval()(x).softmax(1)

    def kl(p, q):  # written out
        return (p * (p.log() - q.log())).sum(1)

    one, other, seen = fresh(), fresh(), []
    one.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    loss = load("trades", beta=3.0).loss(one, x, y, ids, EPSILON, NOISE)
    clean, moved = other(x), other(seen[-1])
    expected = functional.cross_entropy(clean, y) + 3.0 * kl(clean.softmax(1), moved.softmax(1)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-6)
    for mine, theirs in zip(gradients(one, loss), gradients(other, expected), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)
    points = adversarial({"attack": "apgd", "steps": 7}, loss=lambda z: kl(target, z.softmax(1)))
    with torch.no_grad():
        reached, wanted = (kl(target, fresh().eval()(z).softmax(1)).mean() for z in (seen[-1], points))
    assert float(reached) == pytest.approx(float(wanted), rel=0.01)


def test_trades_climbs_the_divergence_and_not_the_cross_entropy():
    x, y, ids = batch()
    wrong = (y + 1) % 10  # labels have no part in the climb
    found = []
    for labels in (y, wrong):
        model = fresh()
        model.register_forward_pre_hook(lambda module, args: found.append(args[0].detach().clone()))
        load("trades").loss(model, x, labels, ids, EPSILON, NOISE)
    half = len(found) // 2
    assert half == 1 + 1 + 8 + 1  # clean in train and in eval mode, the climb, the point in train mode
    assert all(torch.equal(a, b) for a, b in zip(found[:half], found[half:], strict=True))


@pytest.mark.parametrize("name", ["rft_fix", "trades"])
def test_under_bf16_every_weight_still_gets_its_gradient(name):
    x, y, ids = batch()
    model = fresh()
    with torch.autocast("cpu", torch.bfloat16):
        loss = load(name).loss(model, x, y, ids, EPSILON, NOISE)
    reduced = gradients(model, loss.float())
    exact_model = fresh()
    exact = gradients(exact_model, load(name).loss(exact_model, x, y, ids, EPSILON, NOISE))
    del reduced[1], exact[1]  # a bias before BatchNorm: its gradient is rounding
    for mine, theirs in zip(reduced, exact, strict=True):
        assert functional.cosine_similarity(mine.flatten(), theirs.flatten(), dim=0) > 0.9


# --- what the workflow has to know


def test_the_code_of_a_run_is_its_objective_and_the_attacks_it_uses():
    def modules(objective, validation=None, **params):
        spec = {"name": objective, "params": {"epsilon": 0.1, **params} if objective != "standard" else {}}
        return objectives.modules({"objective_spec": spec, "robust_validation": validation})

    own = "tradeoff.objectives."
    assert modules("standard") == [f"{own}standard"]
    assert modules("rft_fix") == [f"{own}rft_fix", "tradeoff.attacks.apgd"]
    assert modules("trades", attack="pgd") == [f"{own}trades", "tradeoff.attacks.pgd"]
    assert modules("standard", {"attack": "apgd"}) == [f"{own}standard", "tradeoff.attacks.apgd"]


def test_neither_probes_nor_other_objectives_decide_what_a_run_is():
    """Editing them makes no run again."""

    def code(objective):
        spec = {"name": objective, "params": {} if objective == "standard" else {"epsilon": 0.1}}
        modules = objectives.modules({"objective_spec": spec, "robust_validation": None})
        return {name.removeprefix("tradeoff.") for name in closure(("workflow_scripts.fine_tune", *modules))}

    assert not code("standard") & {
        "attacks.engine",
        "attacks.apgd",
        "objectives.robust",
        "objectives.rft_fix",
    }
    assert {"attacks.apgd", "attacks.worst", "objectives.robust", "objectives.rft_fix"} <= code("rft_fix")
    assert not code("rft_fix") & {"attacks.engine", "objectives.trades", "objectives.rft_sched"}
