"""Random numbers that belong to a sample: functions of (seed, numbers, sample id), nothing else.

Every attack draws from here. What a sample gets depends neither on the batch it is in, nor on the device, nor
on what was drawn before. The generator is SplitMix64.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tradeoff.splitmix import GOLDEN_GAMMA, mix_integer, mix_tensor, signed, unsigned_shift

_GOLDEN = signed(GOLDEN_GAMMA)
# Blocks of rows of this many numbers keep the integers between a draw and its result small.
_BLOCK = 2**22


@dataclass(frozen=True)
class Noise:
    """A family of independent streams, one for each sample.

    seed: any integer below 2**63.
    numbers: what the streams are for (stage, round, ...): different numbers give independent streams.
    """

    seed: int
    numbers: tuple[int, ...] = ()

    def child(self, *numbers: int) -> "Noise":
        """Return the streams for a further purpose."""
        return replace(self, numbers=self.numbers + numbers)

    def uniform(self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return (B, *shape) numbers in [0, 1), multiples of 2**-24, the same in every dtype from float32 up.

        ids: (B,) int64.
        """
        return self._fill(ids, shape, dtype, lambda bits: unsigned_shift(bits, 40).to(dtype).mul_(2.0**-24))

    def signs(self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return (B, *shape) numbers, each -1 or 1."""
        return self._fill(ids, shape, dtype, lambda bits: unsigned_shift(bits, 63).to(dtype).mul_(2).sub_(1))

    def normal(self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return (B, *shape) standard normal numbers (Box and Muller, computed in float64)."""

        def box_muller(bits: Tensor) -> Tensor:
            radius = unsigned_shift(bits, 32).double().add_(1).mul_(2.0**-32).log_().mul_(-2).sqrt_()
            angle = (bits & 0xFFFFFFFF).double().mul_(2 * math.pi * 2.0**-32)
            return (radius * angle.cos_()).to(dtype)

        return self._fill(ids, shape, dtype, box_muller)

    def bits(self, ids: Tensor, count: int) -> Tensor:
        """Return (B, count) int64, every bit random: the first outputs of each sample's SplitMix64."""
        # What all samples share is computed once, on plain integers.
        shared = self.seed
        for number in self.numbers:
            shared = mix_integer(shared + GOLDEN_GAMMA) ^ number
        key = ids ^ signed(mix_integer(shared + GOLDEN_GAMMA))
        counter = torch.arange(1, count + 1, device=ids.device) * _GOLDEN
        return mix_tensor(mix_tensor(key + _GOLDEN)[:, None] + counter)

    def _fill(
        self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype, convert: Callable[[Tensor], Tensor]
    ) -> Tensor:
        count = math.prod(shape)
        out = torch.empty(len(ids), count, dtype=dtype, device=ids.device)
        rows = max(1, _BLOCK // max(count, 1))
        for first in range(0, len(ids), rows):
            block = slice(first, first + rows)
            out[block] = convert(self.bits(ids[block], count))
        return out.view(len(ids), *shape)
