"""Runs attacks on many samples, and spends nothing on those already decided.

Misclassified samples never enter. Fooled ones leave at once. Those left are packed into full batches again
before every step, so that the hardware works on nothing else: all samples of a *wave* (as many as memory
holds) go through step k together, batch by batch. The weights are frozen, so that backward passes compute the
gradient of the images alone; the gradient of step k comes with the logits that test iterate k. In a step of a whole
wave the device is asked for one answer, who stays; for a second in reduced precision, who has to be confirmed. (FAB
asks for more, see there.)
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from tradeoff.attacks.balls import norm_of
from tradeoff.attacks.base import Attack, Evaluation, Round, Samples, State, answers, judged
from tradeoff.attacks.frozen import frozen
from tradeoff.attacks.noise import Noise
from tradeoff.attacks.oracle import Compute, Oracle, tensor
from tradeoff.attacks.shortcuts import Outlook, Recall, as_hints
from tradeoff.attacks.standing import Standing
from tradeoff.attacks.threat import Threat
from tradeoff.errors import UserError
from tradeoff.progress import watching

ROBUST = 255  # first failure of a sample that resisted every epsilon
# An attack keeps a few tensors of a wave's size.
_WAVE_BYTES = 2**28


@dataclass
class Diagnostics:
    """Counts over attacked samples, for sanity flags.

    zero_gradients: with no gradient at the first point, exactly 0 or not finite, of `first_points`.
    risen: whose loss at the end lay above the first point's, of `climbs`.
    fooled_by: how many each attack fooled, by name.
    not_finite: samples with an answer, loss or gradient that was not finite, on the clean image or at any point.
    """

    first_points: int = 0
    zero_gradients: int = 0
    climbs: int = 0
    risen: int = 0
    fooled_by: dict[str, int] = field(default_factory=dict)
    not_finite: int = 0


@dataclass
class AttackResult:
    """correct: (n,) bool, right on the clean image; an answer that is not finite is not. fooled: (n,) bool, not robust
    (not correct included).

    steps_to_fool: (n,) int16, the iterate that fooled the sample (0: the start), −1 where none did or none
    was tried. adversarial: (n, 3, H, W) on the CPU, the clean image where nothing fooled; None unless asked
    for.
    """

    correct: np.ndarray
    fooled: np.ndarray
    steps_to_fool: np.ndarray
    adversarial: Tensor | None
    diagnostics: Diagnostics


@dataclass
class SweepResult:
    """first_failure: (n,) uint8; 0 wrong on the clean image, k first fooled at epsilons[k-1], 255 robust.

    hints: (n, 3, H, W) int8, those given, replaced where something fooled; None when none were given.
    """

    first_failure: np.ndarray
    diagnostics: Diagnostics
    hints: np.ndarray | None = None


def attack(
    model: nn.Module,
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    ids: np.ndarray | Tensor,
    threat: Threat,
    seed: int,
    compute: Compute | None = None,
    keep_examples: bool = False,
) -> AttackResult:
    """Attack every sample that the model gets right.

    images: (n, 3, H, W), uint8, or floats in [0, 1]. labels, ids: (n,) int64; ids decide the random streams.
    """
    search = _Search(model, [threat], seed, compute or Compute(), keep_examples)
    first = search.run(images, labels, ids)
    examples = torch.cat(search.examples) if keep_examples else None
    return AttackResult(
        first != 0, first != ROBUST, np.concatenate(search.steps), examples, search.diagnostics
    )


def sweep(
    model: nn.Module,
    images: np.ndarray | Tensor,
    labels: np.ndarray | Tensor,
    ids: np.ndarray | Tensor,
    threat: Threat,
    epsilons: Sequence[float],
    seed: int,
    compute: Compute | None = None,
    safety: float | None = None,
    hints: np.ndarray | None = None,
) -> SweepResult:
    """Attack every sample at rising epsilons until one fools it; none is attacked again after that.

    epsilons: rising, at most 254; the threat's own is not used. Accuracy over them cannot rise by
    construction. Random streams do not depend on epsilon.

    safety: accept samples as robust early, see `tradeoff.attacks.shortcuts`; None: never. hints:
    (n, 3, H, W) int8, directions of perturbations to try first, zeros where none is known.
    """
    if list(epsilons) != sorted(set(epsilons)) or not 0 < len(epsilons) < ROBUST:
        raise ValueError(f"epsilons must rise, and be 1 to {ROBUST - 1}: {list(epsilons)}")
    threats = [threat.at(epsilon) for epsilon in epsilons]
    search = _Search(model, threats, seed, compute or Compute(), hints is not None, safety)
    first = search.run(images, labels, ids, hints)
    if hints is None:
        return SweepResult(first, search.diagnostics)
    return SweepResult(first, search.diagnostics, np.concatenate(search.hints))


def predict(model: nn.Module, images: np.ndarray | Tensor, compute: Compute | None = None) -> Tensor:
    """Return the logits (n, N) of clean images, in the model's own precision, on the model's device."""
    compute = compute or Compute()
    oracle, watch = Oracle(model, compute), watching()
    with frozen(model):
        logits = []
        for chunk in _chunks(len(images), compute.batch_size):
            logits.append(oracle.logits(oracle.to_floats(images[chunk])))
            if watch is not None and watch.due():
                watch.say(f"{chunk.stop} of {len(images)} images classified")
        return torch.cat(logits)


class _Search:
    """Attacks at one or several epsilons, wave by wave."""

    def __init__(
        self,
        model: nn.Module,
        threats: Sequence[Threat],
        seed: int,
        compute: Compute,
        keep_examples: bool = False,
        safety: float | None = None,
    ) -> None:
        self.model, self.threats, self.seed = model, threats, seed
        self.batch_size = compute.batch_size
        self.keep_examples, self.safety = keep_examples, safety
        self.oracle = Oracle(model, compute)
        self.standing: Standing | None = None
        self.diagnostics = Diagnostics()
        self.examples: list[Tensor] = []
        self.steps: list[np.ndarray] = []
        self.hints: list[np.ndarray] = []

    def run(
        self,
        images: np.ndarray | Tensor,
        labels: np.ndarray | Tensor,
        ids: np.ndarray | Tensor,
        hints: np.ndarray | None = None,
    ) -> np.ndarray:
        if not len(images):
            raise UserError("images", "none", "at least one", "there is nothing to attack")
        if (watch := watching()) is not None:
            self.standing = Standing(watch, len(images))
        size = images[:1].size if isinstance(images, np.ndarray) else images[:1].numel()
        wave = max(self.batch_size, _WAVE_BYTES // (size * self.oracle.dtype.itemsize))
        with frozen(self.model):
            parts = [
                self._wave(
                    images[rows],
                    tensor(labels[rows]),
                    tensor(ids[rows]),
                    None if hints is None else tensor(hints[rows]),
                )
                for rows in (slice(first, first + wave) for first in range(0, len(images), wave))
            ]
        return np.concatenate(parts)

    def _wave(
        self, images: np.ndarray | Tensor, labels: Tensor, ids: Tensor, hints: Tensor | None
    ) -> np.ndarray:
        """Return first_failure of the samples of a wave, (n,) uint8."""
        oracle = self.oracle
        x = oracle.to_floats(images)
        labels, ids = labels.to(oracle.device), ids.to(oracle.device)
        logits = torch.cat([oracle.logits(x[chunk]) for chunk in _chunks(len(x), self.batch_size)])
        first_failure = torch.zeros(len(x), dtype=torch.uint8, device=oracle.device)
        steps = torch.full((len(x),), -1, dtype=torch.int16, device=oracle.device)
        examples = x.clone() if self.keep_examples else None
        # Rows of the wave that are not decided yet.
        answer = answers(logits)
        broken = answer < 0
        rows = (answer == labels).nonzero()[:, 0]
        first_failure[rows] = ROBUST
        hints = None if hints is None else hints.to(oracle.device)
        samples = Samples(x, labels, ids, logits, labels, hints).take(rows)
        recalls = hints is not None and bool(hints.any())
        if self.standing is not None:
            self.standing.begin_wave(len(x), _plan(self.threats, logits.shape[1]))
        for rank, threat in enumerate(self.threats, start=1):
            recall = [Recall(threat.norm, threat.epsilon)] if recalls else []
            attempts = [*recall, *threat.attempts(logits.shape[1])]
            # Whether something is recalled or not, an attack draws the same numbers.
            for stage, made in enumerate(attempts, start=-len(recall)):
                for round_ in made.rounds(logits.shape[1]):
                    if not len(rows):
                        break
                    if round_.rank:
                        samples.targets = _ranked_class(samples, round_.rank)
                    if self.standing is not None:
                        self.standing.begin_round(made.name, threat.epsilon, rank, len(rows), stage >= 0)
                    noise = Noise(self.seed, (stage, round_.number))
                    fooled_at, found, met = self._round(made, round_, samples, noise)
                    broken[rows] |= met
                    # Positions rather than masks: each use of a mask would ask the device how many it holds.
                    fooled, left = (fooled_at >= 0).nonzero()[:, 0], (fooled_at < 0).nonzero()[:, 0]
                    first_failure[rows[fooled]] = rank
                    steps[rows[fooled]] = fooled_at[fooled]
                    if examples is not None and found is not None:
                        examples[rows[fooled]] = found[fooled]
                    by = self.diagnostics.fooled_by
                    by[made.name] = by.get(made.name, 0) + len(fooled)
                    rows, samples = rows[left], samples.take(left)
        self.diagnostics.not_finite += int(broken.sum())
        self.steps.append(steps.cpu().numpy())
        if hints is not None and examples is not None:
            fooled = ((first_failure > 0) & (first_failure < ROBUST)).view(-1, 1, 1, 1)
            self.hints.append(torch.where(fooled, as_hints(examples - x), hints).cpu().numpy())
        elif examples is not None:
            self.examples.append(examples.cpu())
        found_first = first_failure.cpu().numpy()
        if self.standing is not None:
            self.standing.end_wave(found_first)
        return found_first

    def _round(
        self, made: Attack, round_: Round, samples: Samples, noise: Noise
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Run a round. Return the iterate that fooled each sample, (n,) int16, −1 for none; the examples; and who met
        numbers that were not finite, (n,) bool."""
        n, device = len(samples), self.oracle.device
        fooled_at = torch.full((n,), -1, dtype=torch.int16, device=device)
        found = samples.images.clone() if self.keep_examples else None
        broken = torch.zeros(n, dtype=torch.bool, device=device)
        rows = torch.arange(n, device=device)  # of the samples still in the round
        state = made.start(samples, noise)
        climb = _Climb(self.diagnostics, samples) if made.uses_gradient else None
        outlook = self._outlook(made, round_, samples)
        early = outlook is not None  # whether some may leave that were not fooled
        for turn in range(made.evaluations):
            last = turn == made.evaluations - 1
            gradient = made.uses_gradient and not last and made.wants_gradient(turn)
            fooled = torch.zeros(len(rows), dtype=torch.bool, device=device)
            ended = torch.zeros_like(fooled)
            # Updates overwrite the points; what is looked at again after the turn needs them as they were.
            points = state.x.clone() if self.oracle.approximate or self.keep_examples else state.x
            for chunk in _chunks(len(rows), self.batch_size):
                part, view = samples.take(chunk), state.take(chunk)
                seen = self._evaluate(made, part, view, gradient, fast=not last)
                broken[rows[chunk]] |= seen.broken
                if made.any_iterate or last:
                    fooled[chunk] = _inside(made, part, view) & seen.wrong
                if self.standing is not None:
                    passes = chunk.stop - chunk.start
                    self.standing.evaluated(turn, made.evaluations, passes, len(rows), early)
                if climb is not None and seen.loss is not None:
                    climb.see(turn, rows[chunk], seen)
                if last:
                    continue
                done = made.update(turn, part, view, seen, noise.child(turn))
                if done is not None:
                    ended[chunk] = done
                    early = True
                if outlook is not None:
                    ended[chunk] |= outlook.stays_robust(turn, rows[chunk], seen.logits, part.labels)
            if self.oracle.approximate and not last:
                self._confirm(fooled, points, samples.labels)
            staying = (~(fooled | ended)).nonzero()[:, 0]  # the answer asked for
            if last or len(staying) < len(rows):
                fooled_at[rows] = torch.where(fooled, turn, -1).to(fooled_at.dtype)
                if found is not None:
                    found[rows] = torch.where(fooled.view(-1, 1, 1, 1), points, found[rows])
                rows, samples, state = rows[staying], samples.take(staying), state.take(staying)
            if not len(rows):
                break
        if climb is not None:
            climb.close()
        return fooled_at, found, broken

    def _outlook(self, made: Attack, round_: Round, samples: Samples) -> Outlook | None:
        """What foresees the end of a round, if asked for and if it is one climb that lowers the margin."""
        if self.safety is None or round_.rank or not (made.uses_gradient and made.inside):
            return None
        return Outlook(samples, made.evaluations, self.safety)

    def _evaluate(
        self, made: Attack, samples: Samples, state: State, gradient: bool, fast: bool
    ) -> Evaluation:
        if gradient:
            logits, loss, slope = self.oracle.climb(made, samples, state.x)
            return judged(logits, samples.labels, loss, slope)
        logits = self.oracle.logits(state.x, fast)
        return judged(logits, samples.labels, made.loss(logits, samples) if made.uses_gradient else None)

    def _confirm(self, fooled: Tensor, points: Tensor, labels: Tensor) -> None:
        """Clear the flags of points that fool the model in the reduced precision only."""
        suspects = fooled.nonzero()[:, 0]
        for chunk in _chunks(len(suspects), self.batch_size):
            rows = suspects[chunk]
            fooled[rows] = judged(self.oracle.logits(points[rows]), labels[rows]).wrong


class _Climb:
    """Counts zero gradients and rising losses of a round, on the device, and reads them once at its end."""

    def __init__(self, diagnostics: Diagnostics, samples: Samples) -> None:
        self.diagnostics = diagnostics
        self.first = samples.images.new_zeros(len(samples))
        self.latest = torch.zeros_like(self.first)
        self.moved = torch.zeros_like(self.first, dtype=torch.bool)
        self.zero_gradients = torch.zeros((), dtype=torch.int64, device=samples.labels.device)

    def see(self, turn: int, rows: Tensor, seen: Evaluation) -> None:
        assert seen.loss is not None
        self.latest[rows] = seen.loss
        if turn == 0:
            self.first[rows] = seen.loss
            if seen.gradient is not None:
                self.zero_gradients += (~(seen.gradient.abs().amax(dim=(1, 2, 3)) > 0)).sum()
        else:
            self.moved[rows] = True

    def close(self) -> None:
        self.diagnostics.first_points += len(self.first)
        self.diagnostics.zero_gradients += int(self.zero_gradients)
        self.diagnostics.climbs += int(self.moved.sum())
        self.diagnostics.risen += int((self.moved & (self.latest > self.first)).sum())


def _plan(threats: Sequence[Threat], classes: int) -> list[int]:
    """The evaluations of each round that the most robust sample meets."""
    return [
        made.evaluations
        for threat in threats
        for made in threat.attempts(classes)
        for _ in made.rounds(classes)
    ]


def _inside(made: Attack, samples: Samples, state: State) -> Tensor:
    """The samples whose point lies in the ball, as a mask that broadcasts to (B,)."""
    if made.inside:
        return torch.ones((), dtype=torch.bool, device=state.x.device)
    return norm_of(state.x - samples.images, made.norm).view(-1) <= made.epsilon


def _ranked_class(samples: Samples, rank: int) -> Tensor:
    """The wrong class with the rank-th largest clean logit; the label itself leads, as it was predicted."""
    return samples.clean_logits.argsort(dim=1, descending=True)[:, rank]


def _chunks(n: int, batch_size: int) -> Iterator[slice]:
    """Cut n rows into the fewest batches, all of nearly the same size: no small last one."""
    count = math.ceil(n / batch_size)
    edges = [round(n * k / count) for k in range(count + 1)] if count else [0]
    return (slice(first, end) for first, end in itertools.pairwise(edges))
