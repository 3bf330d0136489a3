"""Search for a recipe: trials of one dataset, backbone and strategy, judged on the validation split alone.

Optuna proposes the values (TPE) and stops poor trials early (successive halving, Li et al. 2018; both papers leave
rates unpublished or searched them so). What a trial does depends on the trials before it and on nothing else, so
that a search that was killed and continued chooses what an uninterrupted one does.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from tradeoff.data.packed import PackedDataset
from tradeoff.errors import UserError
from tradeoff.files import digest_of
from tradeoff.runs import try_out
from tradeoff.seals import check_weights, read_sealed, write_sealed

DIGITS = 3  # that values are rounded to, so that a params file can state them
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


class _PrunedError(Exception):
    """The trial is not worth continuing."""


def tune(
    spec: dict[str, Any], code: str, data: Path, weights: Path, output: Path, device: str = "auto"
) -> None:
    """Run the trials that are left and write what they found to `output`, as JSON.

    spec: {run: a run's resolved settings, search: {name: [low, high]} (logarithmic), trials, reduction_factor,
    seed}. code: fingerprint of the code; data: the packed dataset; weights: the backbone's;
    device: see `devices.choose_device`.
    The file says chosen (the values of the trial with the highest validation accuracy at its end),
    validation_accuracy, and every trial with the accuracies of its epochs.
    """
    identity = {
        "digest": digest_of(spec),
        "code": code,
        "data_digest": PackedDataset.open(data).digest,
        "weights_sha256": check_weights(weights),
    }
    scratch = output.with_name(f"{output.stem}.trials-{digest_of(identity)[:16]}")
    for folder in output.parent.glob(f"{output.stem}.trials-*"):
        if folder != scratch:  # of other settings, they cannot be continued
            shutil.rmtree(folder)
    trials = _Trials(spec, scratch / "trials.json")
    while len(trials.done) < spec["trials"]:
        values, trial = trials.propose()
        recipe = spec["run"]["training"] | values
        settings = spec["run"] | {"training": recipe}
        try:
            report = partial(trials.report, trial)
            accuracy = try_out(settings, data, weights, scratch / "run", report, device)
            state = "complete"
        except _PrunedError:
            accuracy, state = trials.accuracies[-1], "pruned"
        except UserError as error:  # it diverged
            print(f"trial {len(trials.done) + 1}: {error}")
            accuracy, state = 0.0, "complete"
        trials.tell(values, accuracy, state)
        shutil.rmtree(scratch / "run", ignore_errors=True)
        print(f"trial {len(trials.done)}/{spec['trials']}: {values} {state} at {accuracy:.4f}", flush=True)
    best = max((t for t in trials.done if t["state"] == "complete"), key=lambda t: t["accuracy"])
    write_sealed(
        output,
        identity
        | {
            "chosen": best["values"],
            "validation_accuracy": best["accuracy"],
            "trials": trials.done,
            "spec": spec,
        },
    )
    shutil.rmtree(scratch)


class _Trials:
    """The trials so far, in a file of their own after each, and Optuna's opinion of the next."""

    def __init__(self, spec: dict[str, Any], file: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.spec, self.file = spec, file
        self.done: list[dict[str, Any]] = read_sealed(file)["trials"] if file.exists() else []
        self.space: dict[str, BaseDistribution] = {
            name: FloatDistribution(low, high, log=True) for name, (low, high) in spec["search"].items()
        }
        self.pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=1, reduction_factor=spec["reduction_factor"]
        )
        self.accuracies: list[float] = []
        self.asked = self._study()

    def propose(self) -> tuple[dict[str, float], optuna.Trial]:
        """Return the next trial's values, rounded, and the trial."""
        self.asked = self._study()
        self.accuracies = []
        trial = self.asked.ask(self.space)
        values = {name: float(f"{value:.{DIGITS}g}") for name, value in trial.params.items()}
        return values, trial

    def report(self, trial: optuna.Trial, accuracy: float) -> None:
        """Take the validation accuracy of an epoch; stop the trial when it is not worth continuing."""
        self.accuracies.append(accuracy)
        trial.report(accuracy, len(self.accuracies))
        if trial.should_prune():
            raise _PrunedError

    def tell(self, values: dict[str, float], accuracy: float, state: str) -> None:
        """Keep a trial that ended."""
        rungs = self.asked.get_trials(deepcopy=False)[-1].system_attrs
        self.done.append(
            {
                "values": values,
                "accuracy": accuracy,
                "state": state,
                "epochs": self.accuracies,
                "rungs": dict(rungs),
            }
        )
        write_sealed(self.file, {"trials": self.done})

    def _study(self) -> optuna.Study:
        """A study that knows the trials so far, and draws from a stream that only their number decides."""
        sampler = optuna.samplers.TPESampler(seed=self.spec["seed"] + len(self.done))
        study = optuna.create_study(direction="maximize", sampler=sampler, pruner=self.pruner)
        study.add_trials([self._frozen(trial) for trial in self.done])
        return study

    def _frozen(self, trial: dict[str, Any]) -> FrozenTrial:
        return optuna.create_trial(
            params=trial["values"],
            distributions=self.space,
            value=trial["accuracy"],
            state=STATES[trial["state"]],
            intermediate_values=dict(enumerate(trial["epochs"], start=1)),
            system_attrs=trial["rungs"],
        )
