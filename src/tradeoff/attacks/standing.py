"""How far a search is, for whoever watches (`tradeoff.progress`).

From what is known to Python anyway, since asking a device for more would hold it up.
"""

import time
from collections.abc import Sequence

import numpy as np

from tradeoff.params.epsilon import format_epsilon
from tradeoff.progress import Watch, duration


class Standing:
    """What of a search over `images` images is done, and how robust the model can still turn out.

    A *pass* is one image, evaluated at one point. What is left is counted as if nobody else were fooled, so the time
    left is the longest that it can take at today's rate.
    """

    def __init__(self, watch: Watch, images: int) -> None:
        self.watch, self.images = watch, images
        self.started = time.monotonic()
        self.passes = 0
        self.finished = np.zeros(0, np.uint8)  # first failures of the waves that are through
        self.wave = 0
        self.plan: Sequence[int] = ()
        self.round, self.rank, self.what = -1, 0, ""
        self.resisting, self.early = 0, False

    def begin_wave(self, images: int, plan: Sequence[int]) -> None:
        """plan: the evaluations of every round that a sample can meet, in order."""
        self.wave, self.plan, self.round = images, plan, -1

    def begin_round(self, name: str, epsilon: float, rank: int, resisting: int, planned: bool) -> None:
        """rank: of the epsilon. resisting: images nothing fooled so far. planned: whether it is one of the plan."""
        self.what = f"{name} at {format_epsilon(epsilon)}"
        self.rank, self.resisting, self.round = rank, resisting, self.round + planned
        self.early = False

    def evaluated(self, turn: int, of: int, passes: int, left: int, early: bool) -> None:
        """Count passes at turn `turn` of `of`, and say how far it is where that is due.

        left: images still in the round. early: whether some may have left it that were not fooled.
        """
        self.passes += passes
        self.early |= early
        if self.watch.due():
            self.watch.say(self._line(turn, of, left))

    def end_wave(self, first_failure: np.ndarray) -> None:
        """first_failure: (n,) uint8 of the wave's images, see `tradeoff.attacks.engine.SweepResult`."""
        self.finished = np.concatenate([self.finished, first_failure])

    def _line(self, turn: int, of: int, left: int) -> str:
        unseen = self.images - len(self.finished) - self.wave
        robust = int((self.finished > self.rank).sum())
        resisting = self.resisting if self.early else left
        most = (robust + resisting + unseen) / self.images
        known = f" ({robust / len(self.finished):.3f} of those through)" if len(self.finished) else ""
        rate = self.passes / max(time.monotonic() - self.started, 1e-9)
        passes = (
            max(of - turn - 1, 0) * left
            + sum(self.plan[self.round + 1 :]) * resisting
            + sum(self.plan) * unseen
        )
        return (
            f"{self.what}, step {turn + 1}/{of}, {resisting + unseen} of {self.images} images left, robust accuracy"
            f" at most {most:.3f}{known}, {rate:.1f} passes/s, at most {duration(passes / rate)} left"
        )
