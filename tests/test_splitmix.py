"""SplitMix64 as published, with NumPy's integers and with torch's."""

import numpy as np
import torch

from tradeoff.splitmix import GOLDEN_GAMMA, mix, mix_integer, mix_tensor, signed, unsigned_shift

# The first outputs for the state 1234567, as published with the algorithm.
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_outputs_are_the_published_ones():
    states = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * np.uint64(GOLDEN_GAMMA)
    assert mix(states).tolist() == PUBLISHED


def test_torch_gives_the_same_bits_as_signed_integers():
    states = torch.tensor([1234567]) + torch.arange(1, 6) * signed(GOLDEN_GAMMA)
    assert [value % 2**64 for value in mix_tensor(states).tolist()] == PUBLISHED


def test_single_integers_give_the_same_and_wrap():
    states = [1234567 + k * GOLDEN_GAMMA for k in range(1, 6)]
    assert [mix_integer(state) for state in states] == PUBLISHED
    assert mix_integer(states[0] - 2**66) == PUBLISHED[0]
    assert signed(5) == 5 and signed(2**64 - 5) == -5


def test_an_unsigned_shift_brings_zeros_in():
    numbers = [-1, -(2**63), 2**63 - 1, 0, -12345]
    for places in (1, 24, 40, 63):
        shifted = unsigned_shift(torch.tensor(numbers), places).tolist()
        assert shifted == [(number % 2**64) >> places for number in numbers]
