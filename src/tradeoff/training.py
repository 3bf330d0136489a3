"""The training loop: one flat loop for fine-tuning and pre-training, resumable bit for bit.

All randomness is a function of (seed, step), never of what ran before: the order of batches of its epoch,
dropout's masks of their step. A run that was killed and continues from its last snapshot therefore ends with
the same bits as one that was not, on the same machine and number of threads.
"""

import io
import math
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tradeoff import snapshots, strategies
from tradeoff.attacks.noise import Noise
from tradeoff.augmentation import augmented
from tradeoff.backbones import Classifier
from tradeoff.batches import to_device
from tradeoff.data.splits import Split
from tradeoff.errors import UserError
from tradeoff.files import sha256_of
from tradeoff.objectives.base import Moment, Objective
from tradeoff.progress import Progress
from tradeoff.robust_validation import RobustValidation
from tradeoff.schedules import kept_steps, learning_rate, probe_steps, total_steps
from tradeoff.seals import check, read_sealed_bytes, write_sealed_bytes
from tradeoff.splitmix import FIRST, GOLDEN_GAMMA, SECOND, mix
from tradeoff.strategies.applied import Applied
from tradeoff.team import ALONE, Team
from tradeoff.termination import asked_to_stop
from tradeoff.validated import Validated, validated

EVALUATION_BATCH = 512
BETAS = (0.9, 0.999)
# What the log says of the validation images, without attack and under one.
VALIDATED = ("validation_accuracy", "validation_loss", "validation_loss_error", "validation_n")
ROBUSTLY_VALIDATED = (
    *("validation_robust_accuracy", "validation_robust_loss", "validation_robust_loss_error"),
    *("validation_robust_n", "validation_epsilon"),
)
# ASSUME: a loss of this many nats never comes back. A cross-entropy of 1,000 gives the label a chance of e^-1000.
DIVERGED = 1000.0
ATTACK_STREAM = 1  # of the inner attack's starts; robust validation draws from 2
AUGMENTATION_STREAM = 3


@dataclass
class Job:
    """What one training needs.

    model: on its device, strategy applied; train, validation: images uint8, labels, ids.
    recipe: the section `training` of params, resolved; probe_schedule: see `schedules.probe_steps`.
    robust_validation: what is attacked at the ends of epochs, if anything.
    keep: which of the scheduled snapshots remain, see `schedules.kept_steps`.
    parts: the folder of resume files and snapshots; it belongs to this job alone.
    team: the processes that train the model together, this one's place among them.
    """

    model: Classifier
    applied: Applied
    objective: Objective
    train: Split
    validation: Split
    recipe: dict[str, Any]
    probe_schedule: list[dict[str, int]]
    seed: int
    parts: Path
    label: str
    robust_validation: RobustValidation | None = None
    keep: str | dict[str, int] = "all"
    team: Team = ALONE

    @property
    def device(self) -> torch.device:
        return self.model.mean.device


@dataclass
class State:
    """Where a training stands, beside the model and the optimizer. sums: sha256 of its snapshots' files, by name."""

    step: int
    rows: list[dict[str, Any]]
    seconds: float
    sums: dict[str, str]


def train(job: Job, watch: Callable[[float], None] | None = None) -> State:
    """Train to the end, leaving a snapshot file in `job.parts` for every step that is kept; return the log.

    Log rows: step (updates done), epoch, loss (of that step's batch), learning_rate, epsilon (of the step's
    epoch), and at the end of each epoch and at the last step VALIDATED, and where robust validation is due
    ROBUSTLY_VALIDATED, else None. An accuracy is a share in [0, 1] and a loss a mean, in nats, of n images;
    validation_loss_error is that mean's standard error.
    watch: called with each validation accuracy; what it raises ends the training.
    SIGTERM ends the process with its state saved, so that the next attempt continues at that very step.
    A loss or a parameter that is not finite, and a loss that diverged, is a UserError that names step, learning
    rate and the last snapshot.
    """
    steps_per_epoch = math.ceil(len(job.train.labels) / job.recipe["batch_size"])
    total = total_steps(job.recipe["epochs"], len(job.train.labels), job.recipe["batch_size"])
    scheduled = set(probe_steps(job.probe_schedule, total))
    kept = kept_steps(sorted(scheduled), job.keep)
    optimizer = torch.optim.AdamW(
        strategies.decay_groups(job.model, job.recipe["weight_decay"]), lr=0.0, betas=BETAS, fused=True
    )
    state = _resume_together(job, optimizer)
    batches = _Batches(job)
    progress = Progress(
        f"{job.label}, steps", total, state.step, stream=None if job.team.leads else io.StringIO()
    )
    started = time.monotonic() - state.seconds
    pending: list[tuple[dict[str, Any], Tensor]] = []
    note = ""
    epsilon, epsilon_of = 0.0, -1
    if state.step == 0:
        _save(job, optimizer, state, kept)
    with asked_to_stop() as stopping:
        while state.step < total:
            step, epoch = state.step, state.step // steps_per_epoch
            rate = learning_rate(
                step, total, job.recipe["learning_rate"], job.recipe["schedule"], job.recipe["warmup"]
            )
            if epoch != epsilon_of:
                epsilon, epsilon_of = _epsilon(job, state, epoch), epoch
            job.applied.at_step(job.model, step, total)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = _update(job, optimizer, batches, step, epoch, step % steps_per_epoch, epsilon)
            state.step += 1
            row = {
                "step": state.step,
                "epoch": state.step / steps_per_epoch,
                "loss": None,
                "learning_rate": rate,
                "epsilon": epsilon,
                **dict.fromkeys((*VALIDATED, *ROBUSTLY_VALIDATED)),
            }
            pending.append((row, loss))
            epoch_ends = state.step % steps_per_epoch == 0
            # Reading losses waits for the device, so not at every step.
            if state.step in scheduled or epoch_ends or len(pending) == 50:
                _settle(pending, state, job)
            if epoch_ends or state.step == total:
                row |= _validate(job, epoch + 1, last=state.step == total)
                note = f"validation accuracy {row['validation_accuracy']:.3f}"
                if watch is not None:
                    watch(row["validation_accuracy"])
            if state.step in scheduled:
                state.seconds = time.monotonic() - started
                _save(job, optimizer, state, kept)
            progress.update(state.step, note)
            # Members of a team ask each other only here, where they wait for the device anyway.
            may_stop = job.team.size == 1 or not pending
            if may_stop and job.team.any(stopping(), job.device) and state.step < total:
                _settle(pending, state, job)
                state.seconds = time.monotonic() - started
                _save(job, optimizer, state, kept)
                job.team.wait(job.device)  # the leader writes
                sys.exit(f"error: {job.label}: asked to stop; state saved after step {state.step}")
    return state


def _epsilon(job: Job, state: State, epoch: int) -> float:
    """The perturbation size of an epoch, from what the log says at its beginning: the same after a resume."""
    accuracies = tuple(
        row["validation_accuracy"] for row in state.rows if row["validation_accuracy"] is not None
    )
    return job.objective.epsilon(Moment(epoch, job.recipe["epochs"], job.seed, accuracies))


def _validate(job: Job, epochs_done: int, last: bool) -> dict[str, float]:
    """Return the columns of the log that are measured on the validation images: by the leader, for all."""
    robust = job.robust_validation
    is_due = robust is not None and (last or epochs_done % robust.every == 0)
    columns = (*VALIDATED, *ROBUSTLY_VALIDATED) if is_due else VALIDATED
    measured = _measured(job, robust if is_due else None) if job.team.leads else dict.fromkeys(columns, 0.0)
    return job.team.told(measured, job.device)


def _measured(job: Job, robust: RobustValidation | None) -> dict[str, float]:
    measured = dict(zip(VALIDATED, evaluate(job.model, job.validation, job.recipe), strict=True))
    if robust is not None:
        with _precision(job.recipe["precision"], job.device):
            attacked = robust.measure(job.model, job.seed, job.recipe["batch_size"])
        measured |= zip(ROBUSTLY_VALIDATED, (*attacked, robust.threat.epsilon), strict=True)
    return measured


def evaluate(model: Classifier, split: Split, recipe: dict[str, Any]) -> Validated:
    """Return accuracy and mean cross-entropy of the model in eval mode on all images of a split."""
    was_training = model.training
    model.eval()
    correct, losses = 0, []
    with torch.no_grad():
        for rows, following in _slices(len(split.labels), EVALUATION_BATCH):
            images, labels, _ = to_device(split, rows, model.mean.device, following)
            with _precision(recipe["precision"], images.device):
                logits = model(images).float()
            correct += int((logits.argmax(1) == labels).sum())
            losses.append(nn.functional.cross_entropy(logits, labels, reduction="none"))
    model.train(was_training)
    return validated(correct, torch.cat(losses))


class _Batches:
    """The batches of an epoch, in an order that depends on (seed, epoch) alone.

    Where neither objective nor strategy needs the images again, and they never change, the frozen backbone's
    features are computed once and the batches hold those; the model of a step is then the classifier alone.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.epoch = -1
        self.order = np.empty(0, np.int64)
        self.features: Tensor | None = None
        self.model: Callable[[Tensor], Tensor] = job.model
        augments = job.recipe["augmentation"] is not None
        if job.applied.frozen_features and not job.objective.needs_images and not augments:
            self.features = _features(job)
            self.model = job.model.classify_features

    def get(self, step: int, epoch: int, index: int) -> tuple[Tensor, Tensor, Tensor, float]:
        """Return images or features, labels and ids of a step's batch, and the weight of their mean loss."""
        if epoch != self.epoch:
            generator = torch.Generator().manual_seed(_seed(self.job.seed, epoch, 1))
            self.order = torch.randperm(len(self.job.train.labels), generator=generator).numpy()
            self.epoch = epoch
        rows, weight = self._rows(index)
        device = self.job.device
        if self.features is None:
            following, _ = self._rows(index + 1)  # none after the last of an epoch
            images, labels, ids = to_device(self.job.train, rows, device, following)
            settings = self.job.recipe["augmentation"]
            if settings is not None:
                images = augmented(images, ids, settings, Noise(self.job.seed, (AUGMENTATION_STREAM, step)))
            return images, labels, ids, weight
        labels = torch.from_numpy(self.job.train.labels[rows]).to(device)
        return (
            self.features[torch.from_numpy(rows).to(device)],
            labels,
            torch.from_numpy(self.job.train.ids[rows]),
            weight,
        )

    def _rows(self, index: int) -> tuple[np.ndarray, float]:
        """Return this process's rows of a batch of the epoch, and the weight of their mean loss."""
        size = self.job.recipe["batch_size"]
        rows = np.sort(self.order[index * size : (index + 1) * size])  # sorted: memory-mapped reads in order
        return self.job.team.share(rows)


def _slices(n: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Yield the rows of each batch in order, with those of the batch after it."""
    for start in range(0, n, size):
        yield slice(start, start + size), slice(start + size, start + 2 * size)


def _features(job: Job) -> Tensor:
    job.model.eval()
    parts, size = [], job.recipe["batch_size"]  # no more memory than a step of any other strategy
    with torch.no_grad():
        for rows, following in _slices(len(job.train.labels), size):
            images, _, _ = to_device(job.train, rows, job.device, following)
            with _precision(job.recipe["precision"], images.device):
                parts.append(job.model.features(images).float())
    return torch.cat(parts)


def _update(
    job: Job,
    optimizer: torch.optim.Optimizer,
    batches: _Batches,
    step: int,
    epoch: int,
    index: int,
    epsilon: float,
) -> Tensor:
    """Make one update. Its forward pass is in train mode, and alone moves BatchNorm's statistics.

    Return the loss of the batch; of a team, this member's share of it, see `Team.share`.
    """
    images, labels, ids, weight = batches.get(step, epoch, index)
    torch.manual_seed(_seed(job.seed, step, 2) + job.team.rank)
    job.applied.train_mode(job.model)
    with _precision(job.recipe["precision"], images.device):
        noise = Noise(job.seed, (ATTACK_STREAM, step))
        loss = job.objective.loss(batches.model, images, labels, ids, epsilon, noise)
    loss = loss * weight if weight != 1 else loss
    loss.backward()  # type: ignore[no-untyped-call]
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    job.team.average(p.grad for p in trained if p.grad is not None)
    if job.recipe["clip_norm"] is not None:
        nn.utils.clip_grad_norm_(trained, job.recipe["clip_norm"])
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)  # now, so that the next forward pass has their memory
    return loss.detach()


def _precision(precision: str, device: torch.device) -> Any:
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def _seed(seed: int, number: int, stream: int) -> int:
    """One seed below 2**63 out of three numbers, without collisions in practice."""
    state = (seed * GOLDEN_GAMMA + number * FIRST + stream * SECOND) % 2**64
    return int(mix(np.array([state], dtype=np.uint64))[0]) % 2**63


def _settle(pending: list[tuple[dict[str, Any], Tensor]], state: State, job: Job) -> None:
    """Move rows to the log with their losses read from the device, all at once; stop at a bad one."""
    of_steps = torch.stack([loss for _, loss in pending]) if pending else torch.zeros(0)
    job.team.average([of_steps] if pending else [])
    for (row, _), loss in zip(pending, of_steps.tolist(), strict=True):
        if not loss < DIVERGED:  # NaN is not
            raise _diverged(job, f"a loss of {loss:.4g} at step {row['step']}", row["learning_rate"])
        row["loss"] = loss
        state.rows.append(row)
    pending.clear()


def _diverged(job: Job, found: str, rate: float) -> UserError:
    last = max((int(path.stem.split("-")[1]) for path in job.parts.glob("part-*.safetensors")), default=None)
    return UserError(
        job.label,
        f"{found} (learning rate {rate:.3g}; last good snapshot: step {last})",
        f"finite numbers and a loss below {DIVERGED:g}",
        "lower the learning rate, or set clip_norm",
    )


# --- resuming


def check_snapshots(parts: Path, sums: dict[str, str]) -> None:
    """UserError unless the snapshots' files in a folder, as many as are left, are as they were written."""
    for name, sha256 in sums.items():
        if (parts / name).exists():
            check(parts / name, sha256)


def _state_file(parts: Path) -> Path:
    return parts / "state.pt"


def _save(job: Job, optimizer: torch.optim.Optimizer, state: State, kept: list[int]) -> None:
    """Write the snapshot of this step, then the state that continues from it; drop older ones not kept."""
    if not job.team.leads:
        return
    tensors = snapshots.trainable_state(job.model)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            rate = state.rows[-1]["learning_rate"] if state.rows else 0.0
            raise _diverged(job, f"{name} not finite after step {state.step}", rate)
    part = snapshots.write_part(job.parts, state.step, tensors)
    state.sums[part.name] = sha256_of(part)
    content = io.BytesIO()
    torch.save(vars(state) | {"optimizer": optimizer.state_dict()}, content)
    write_sealed_bytes(_state_file(job.parts), content.getvalue())
    snapshots.drop_parts(job.parts, {*kept, state.step})


def _resume_together(job: Job, optimizer: torch.optim.Optimizer) -> State:
    """Continue as the leader does, who alone removes what cannot be read."""
    state = _resume(job, optimizer) if job.team.leads else State(0, [], 0.0, {})
    step = job.team.told({"step": float(state.step)}, job.device)["step"]
    if step and not job.team.leads:
        state = _read(job, optimizer)
    job.team.wait(job.device)  # until everybody has read
    return state


def _resume(job: Job, optimizer: torch.optim.Optimizer) -> State:
    """Continue from the last saved state, or start anew when there is none or it cannot be read."""
    file = _state_file(job.parts)
    if not file.exists():
        return State(0, [], 0.0, {})
    try:
        state = _read(job, optimizer)
    except (pickle.UnpicklingError, EOFError, RuntimeError, UserError) as error:  # the file is torn
        print(f"{job.label}: cannot continue from {file} ({error}); starting anew")
        shutil.rmtree(job.parts)
        return State(0, [], 0.0, {})
    print(f"{job.label}: continuing after step {state.step}")
    return state


def _read(job: Job, optimizer: torch.optim.Optimizer) -> State:
    """Set model and optimizer to the saved state, and return the rest of it."""
    content = read_sealed_bytes(_state_file(job.parts))
    saved = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    check_snapshots(job.parts, saved["sums"])
    snapshots.load_part(job.model, job.parts, saved["step"])
    optimizer.load_state_dict(saved["optimizer"])
    return State(saved["step"], saved["rows"], saved["seconds"], saved["sums"])
