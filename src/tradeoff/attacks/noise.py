"""Random numbers that belong to a sample: functions of (seed, numbers, sample id), nothing else.

Every attack draws from here. What a sample gets depends neither on the batch it is in, nor on the device, nor
on what was drawn before. The generator is splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, OOPSLA 2014), computed with torch's wrapping 64-bit integers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

# The constants of splitmix64, as signed 64-bit integers.
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
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
        return self._fill(ids, shape, dtype, lambda bits: _shift(bits, 40).to(dtype).mul_(2.0**-24))

    def signs(self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return (B, *shape) numbers, each -1 or 1."""
        return self._fill(ids, shape, dtype, lambda bits: _shift(bits, 63).to(dtype).mul_(2).sub_(1))

    def normal(self, ids: Tensor, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return (B, *shape) standard normal numbers (Box and Muller, computed in float64)."""

        def box_muller(bits: Tensor) -> Tensor:
            radius = _shift(bits, 32).double().add_(1).mul_(2.0**-32).log_().mul_(-2).sqrt_()
            angle = (bits & 0xFFFFFFFF).double().mul_(2 * math.pi * 2.0**-32)
            return (radius * angle.cos_()).to(dtype)

        return self._fill(ids, shape, dtype, box_muller)

    def bits(self, ids: Tensor, count: int) -> Tensor:
        """Return (B, count) int64, every bit random: the first outputs of each sample's splitmix64."""
        # What all samples share is computed once, on plain integers.
        shared = self.seed
        for number in self.numbers:
            shared = _mix_integer(shared + _GOLDEN) ^ number
        key = ids ^ _signed(_mix_integer(shared + _GOLDEN))
        counter = torch.arange(1, count + 1, device=ids.device) * _GOLDEN
        return _mix(_mix(key + _GOLDEN)[:, None] + counter)

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


def _shift(z: Tensor, places: int) -> Tensor:
    """Shift right as if `z` were unsigned: torch's own shift copies the sign."""
    return (z >> places) & ((1 << (64 - places)) - 1)


def _mix_integer(z: int) -> int:
    """`_mix` of one number, taken and returned modulo 2**64."""
    z %= 2**64
    z = (z ^ (z >> 30)) * _FIRST % 2**64
    z = (z ^ (z >> 27)) * _SECOND % 2**64
    return z ^ (z >> 31)


def _signed(z: int) -> int:
    return z - 2**64 if z >= 2**63 else z


def _mix(z: Tensor) -> Tensor:
    """The output function of splitmix64."""
    z = (z ^ _shift(z, 30)) * _FIRST
    z = (z ^ _shift(z, 27)) * _SECOND
    return z ^ _shift(z, 31)
