"""Square: the pattern and the schedule of the original, and outcomes within its own randomness."""

import pytest
import torch
from attacks_support import as_floats, held_out, trained
from pyautoattack.square import SquareAttack

from tradeoff.attacks import losses, square
from tradeoff.attacks.base import Samples
from tradeoff.attacks.engine import attack
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.threat import threat


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 9, 20])
def test_the_l2_pattern_equals_the_original(side):
    original = SquareAttack(None, norm="L2", eps=1.0, device="cpu")
    theirs = original.eta(side)
    ours = square.pattern(side, torch.zeros(1))
    assert torch.allclose(ours, theirs, atol=1e-6) or torch.allclose(ours.T, theirs, atol=1e-6)


@pytest.mark.parametrize("pixels", [64, 1024, 224 * 224])
def test_squares_shrink_as_in_the_original(pixels):
    original = SquareAttack(None, eps=1.0, p_init=0.8, resc_schedule=False)
    ours = square.SquareLinf(square.Params(), 0.1)
    for query in (0, 10, 11, 50, 51, 200, 201, 900, 1500, 3000, 4999, 7000, 9000):
        share = original.p_selection(query)
        assert ours.side(query, pixels, 224) == max(round((share * pixels) ** 0.5), 1)


def test_windows_lie_in_the_image_and_as_in_the_original_never_in_its_last_row_or_column():
    samples = Samples(torch.zeros(500, 3, 9, 6), *[torch.arange(500)] * 4)
    top, left = square.corners(samples, 4, Noise(0))
    assert set(top.ravel().tolist()) == {0, 1, 2, 3, 4}
    assert set(left.ravel().tolist()) == {0, 1}


def test_margins_are_the_labels_lead():
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]])
    assert losses.margins(logits, torch.tensor([0, 2])).tolist() == [1.0, -1.0]


@pytest.mark.parametrize(("norm", "name", "epsilon"), [("linf", "Linf", 0.12), ("l2", "L2", 0.8)])
def test_outcomes_lie_within_the_originals_own_randomness(norm, name, epsilon):
    model = trained()
    images, labels, ids = held_out(200)
    x, y = as_floats(images), torch.from_numpy(labels)
    shares = []
    for seed in range(3):
        original = SquareAttack(
            model,
            norm=name,
            n_queries=60,
            eps=epsilon,
            seed=seed,
            resc_schedule=False,
            device="cpu",
            p_init=0.8,
        )
        with torch.no_grad():
            shares.append(float((model(original.perturb(x, y)).argmax(1) != y).float().mean()))
    ours = [
        attack(
            model,
            images,
            labels,
            ids,
            threat({"attack": "square", "norm": norm, "queries": 60}, epsilon),
            seed,
        )
        for seed in range(3)
    ]
    mean = sum(result.fooled.mean() for result in ours) / 3
    assert 0.1 < mean < 0.9
    assert mean >= min(shares) - 0.02
    assert mean <= max(shares) + 0.05
