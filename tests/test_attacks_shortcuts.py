"""Shortcuts: what each may change, what it saves, and that it depends on a sample's own history alone."""

import numpy as np
import pytest
import torch
from attacks_support import Small, held_out, trained
from test_attacks_engine import Counting

from tradeoff.attacks.base import Samples
from tradeoff.attacks.engine import ROBUST, sweep
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.shortcuts import Outlook, Recall, as_hints
from tradeoff.attacks.threat import threat

TURNS = 16
EPSILON = 0.1


def accepted_at(margins: list[float], safety: float = 1.0) -> int | None:
    """Return the turn at which a sample with these margins is accepted; the other class's logit is 0."""
    label = torch.tensor([0])
    samples = Samples(torch.zeros(1, 3, 2, 2), label, label, torch.zeros(1, 2), label)
    outlook = Outlook(samples, TURNS, safety)
    for turn, value in enumerate(margins):
        if outlook.stays_robust(turn, label, torch.tensor([[value, 0.0]]), label).item():
            return turn
    return None


@pytest.mark.parametrize(
    ("margins", "safety", "turn"),
    [
        # 20 − t against what is lost in the 15 − t turns left: t at least 5, the first turn that is judged.
        ([20.0 - t for t in range(TURNS)], 1.0, 5),
        # Twice as fast: 20 − t > 2 (15 − t) from t = 11.
        ([20.0 - t for t in range(TURNS)], 2.0, 11),
        ([14.9 - t for t in range(TURNS)], 1.0, None),
        # A margin that swings between 12 and 8 moves 4 a turn, and falls short of it only with one turn left.
        ([10.0 + 2 * (-1) ** t for t in range(TURNS)], 1.0, 14),
        # One that pauses for fewer turns than are looked at is no safer than before.
        ([30.0, 24, 18, 12, 12, 12, 12, 6, 0, -6], 1.0, None),
        ([3.0] * TURNS, 1.0, 5),
        ([-1.0] * TURNS, 1.0, None),
    ],
)
def test_a_sample_is_accepted_when_its_margin_cannot_fall_to_zero_in_time(margins, safety, turn):
    assert accepted_at(margins, safety) == turn


@pytest.mark.parametrize("spec", [{"attack": "pgd"}, {"attack": "apgd", "steps": 15}])
def test_early_acceptance_saves_work_and_can_only_miss(spec):
    images, labels, ids = held_out(200)
    searched = threat(spec, EPSILON)
    exact, short = Counting(trained()), Counting(trained())
    exactly = sweep(exact, images, labels, ids, searched, [EPSILON], 0).first_failure
    shortly = sweep(short, images, labels, ids, searched, [EPSILON], 0, safety=1.0).first_failure
    assert 0.2 < (exactly == ROBUST).mean() < 0.8
    missed = shortly != exactly
    assert (shortly[missed] == ROBUST).all()
    assert missed.mean() <= 0.01
    assert short.with_gradient < 0.85 * exact.with_gradient


def test_a_targeted_round_is_not_cut_short():
    images, labels, ids = held_out(60)
    searched = threat({"attack": "pgd", "targets": 2}, EPSILON)
    exactly = sweep(trained(), images, labels, ids, searched, [EPSILON], 0)
    # With next to no safety every sample would be accepted at once.
    shortly = sweep(trained(), images, labels, ids, searched, [EPSILON], 0, safety=1e-9)
    assert (exactly.first_failure == shortly.first_failure).all()


def test_shortcuts_depend_neither_on_batches_nor_on_other_samples():
    model = Small().eval()
    model.load_state_dict(trained().state_dict())
    model.double()
    images, labels, ids = held_out(90)
    hints = np.random.default_rng(0).integers(-127, 128, images.shape).astype(np.int8)
    hints[::3] = 0
    searched = threat({"attack": "pgd"}, EPSILON)

    def outcome(rows, batch_size):
        result = sweep(
            model,
            images[rows],
            labels[rows],
            ids[rows],
            searched,
            [0.05, 0.12],
            0,
            Compute(batch_size),
            0.3,
            hints[rows],
        )
        return result.first_failure, result.hints

    whole, left = outcome(slice(None), 90)
    assert {1, 2, ROBUST} <= set(whole)
    for rows, batch_size in ((slice(None), 7), (slice(None), 64), (slice(1, None, 2), 16)):
        failure, hinted = outcome(rows, batch_size)
        assert (failure == whole[rows]).all()
        assert np.abs(hinted.astype(int) - left[rows]).max() <= 1


def test_a_warm_start_fools_again_at_once_what_was_fooled_before():
    images, labels, ids = held_out(200)
    searched, unknown = threat({"attack": "pgd"}, 0.1), np.zeros(images.shape, np.int8)
    cold, again = Counting(trained()), Counting(trained())
    first = sweep(cold, images, labels, ids, searched, [0.1], 0, hints=unknown)
    plain = sweep(trained(), images, labels, ids, searched, [0.1], 0)
    assert (first.first_failure == plain.first_failure).all()  # nothing was known yet
    fooled = first.first_failure == 1
    assert 0.4 < fooled.mean() < 0.8
    assert (first.hints.any(axis=(1, 2, 3)) == fooled).all()
    second = sweep(again, images, labels, ids, searched, [0.1], 0, hints=first.hints)
    assert (second.first_failure[fooled] == 1).all()
    assert (second.first_failure == plain.first_failure).all()
    robust = (first.first_failure == ROBUST).sum()
    assert (
        again.with_gradient - 15 * robust < 0.2 * fooled.sum()
    )  # a look without gradient is enough for nearly all
    assert cold.with_gradient - 15 * robust > 2 * fooled.sum()


def test_a_warm_start_can_only_find_more():
    images, labels, ids = held_out(100)
    unknown = np.zeros(images.shape, np.int8)
    strong, weak = (
        threat({"attack": "pgd"}, 1),
        threat({"attack": "pgd", "steps": 1, "relative_step": 0.1}, 1),
    )
    hints = sweep(trained(), images, labels, ids, strong, [0.1], 0, hints=unknown).hints
    plain = sweep(trained(), images, labels, ids, weak, [0.05, 0.1], 0).first_failure
    helped = sweep(trained(), images, labels, ids, weak, [0.05, 0.1], 0, hints=hints).first_failure
    assert (helped <= plain).all()
    assert (helped < plain).mean() > 0.2


def test_hints_of_samples_that_resist_are_kept():
    images, labels, ids = held_out(30)
    hints = np.random.default_rng(0).integers(-127, 128, images.shape).astype(np.int8)
    result = sweep(trained(), images, labels, ids, threat({"attack": "pgd"}, 1), [1e-6], 0, hints=hints)
    assert (result.first_failure != 1).all()
    assert (result.hints == hints).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_what_is_recalled_lies_on_the_border_of_the_ball_and_in_the_box(norm):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 3, 6, 6, generator=generator, dtype=torch.float64) * 0.5 + 0.25
    images[:2] = images[:2].round()
    delta = torch.randn(8, 3, 6, 6, generator=generator, dtype=torch.float64)
    delta[-1] = 0
    index = torch.arange(8)
    samples = Samples(images, index, index, torch.zeros(8, 2), index, as_hints(delta))
    points = Recall(norm, 0.2).start(samples, Noise(0)).x
    size = (points - images).flatten(1).norm(torch.inf if norm == "linf" else 2, dim=1)
    assert torch.allclose(size[2:7], torch.tensor(0.2, dtype=torch.float64))
    assert size[:2].max() <= 0.2 + 1e-12
    assert points.min() >= 0
    assert points.max() <= 1
    assert torch.equal(points[-1], images[-1])  # nothing known
    cosine = torch.cosine_similarity((points - images)[2:7].flatten(1), delta[2:7].flatten(1))
    assert cosine.min() > 0.9999
