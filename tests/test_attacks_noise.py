"""Random numbers are functions of (seed, numbers, sample id), and as random as they claim."""

import numpy as np
import pytest
import torch
from scipy import stats

from tradeoff.attacks.noise import Noise


def test_a_sample_draws_the_same_in_every_batch_and_order():
    ids = torch.tensor([7, 3, 2**40, 0])
    noise = Noise(5, (1, 2))
    together = noise.normal(ids, (3, 4, 4))
    for row, sample in enumerate(ids):
        assert torch.equal(noise.normal(sample[None], (3, 4, 4))[0], together[row])


def test_blocks_of_rows_do_not_change_the_draws(monkeypatch):
    ids = torch.arange(10)
    whole = Noise(0).uniform(ids, (5,))
    monkeypatch.setattr("tradeoff.attacks.noise._BLOCK", 15)
    assert torch.equal(Noise(0).uniform(ids, (5,)), whole)


@pytest.mark.parametrize("other", [Noise(1), Noise(0, (1,)), Noise(0, (0, 0)), Noise(0).child(1, 0)])
def test_seeds_and_purposes_give_independent_draws(other):
    ids = torch.arange(50)
    here, there = Noise(0, (0,)).uniform(ids, (200,)), other.uniform(ids, (200,))
    assert abs(np.corrcoef(here.numpy().ravel(), there.numpy().ravel())[0, 1]) < 0.05


def test_neighbouring_samples_are_independent():
    draws = Noise(0).uniform(torch.arange(400), (400,)).numpy()
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]) < 0.02


def test_distributions_are_what_they_claim():
    ids = torch.arange(100)
    uniform = Noise(3).uniform(ids, (1000,)).numpy().ravel()
    assert 0 <= uniform.min() < uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    assert stats.kstest(Noise(3).normal(ids, (1000,)).numpy().ravel(), "norm").pvalue > 1e-3
    signs = Noise(3).signs(ids, (1000,)).numpy().ravel()
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.02


def test_float64_draws_equal_float32_draws():
    ids = torch.arange(5)
    assert torch.equal(Noise(0).uniform(ids, (9,), torch.float64).float(), Noise(0).uniform(ids, (9,)))
