"""What a job asks a scheduler for: minutes and memory, by the cost plan where it is known, else generous.

To ask for too little costs a restart, not the work: a job that is stopped saves its state, and asks for more next time.
"""

import math
from functools import cache

from tradeoff.identity import hardware
from tradeoff.plan.calibration import read_calibration
from tradeoff.plan.jobs import Job, Jobs
from tradeoff.plan.sizes import Sizes, Uncounted
from tradeoff.study import Run, Study

# ASSUME: where nothing is known.
MINUTES, MEGABYTES = 240, 16000
# ASSUME: no scheduler takes more than a day.
LONGEST = 24 * 60
# ASSUME: a node is at most so much slower than the measured device, and starting takes so many minutes.
SLOWER, STARTING = 2.0, 10
# ASSUME: megabytes of Python, torch and CUDA; and how often a process holds the weights, on their way to the device
# and in its optimizer. Activations lie on the GPU.
PROCESS, COPIES = 4000, 4


class Requests:
    """What the jobs of a study ask for, by the plan of `make plan` for the device `compute.calibration`.

    Models are not counted here, since each takes seconds: of one that `make plan` has not met, nothing is known.
    """

    def __init__(self, study: Study) -> None:
        compute = study.params["compute"]
        here = hardware("") | {"device": compute["device"]}
        self.study = study
        self.device = read_calibration(compute["calibration"], here)
        self.sizes = Sizes(count=False)
        self.jobs = Jobs(study, self.sizes, ignore_done=True)
        self.of_run = cache(self._of_run)

    def minutes(self, run: Run, probes: tuple[str, ...] = (), attempt: int = 1) -> int:
        """For the fine-tuning of a run, or some probes of it: the most they may take, times the attempt (1, 2, ...)."""
        planned = self.of_run(run.name)
        if self.device is None or not planned:
            return min(LONGEST, MINUTES * attempt)
        names = [f"{run.name}/{probe}" for probe in probes] or [run.name]
        seconds = sum(planned[name].seconds(self.device, most=True) for name in names)
        return min(LONGEST, (STARTING + math.ceil(seconds * SLOWER / 60)) * attempt)

    def megabytes(self, run: Run, attempt: int = 1, processes: int = 1) -> int:
        """Of the machine's memory, for a run's fine-tuning in so many processes, or a probe, times the attempt."""
        spec = run.spec
        try:
            weights = self.sizes.model(spec["backbone_spec"], spec["strategy_spec"]).weights
        except Uncounted:
            return MEGABYTES * attempt
        return (PROCESS + math.ceil(COPIES * weights / 1e6)) * processes * attempt

    def warning(self) -> str:
        """Say that runs get what is asked for where nothing is known, though the device is known; else nothing."""
        unplanned = [name for name in self.study.runs if not self.of_run(name)] if self.device else []
        if not unplanned:
            return ""
        return (
            f"{len(unplanned)} of {len(self.study.runs)} runs ask for {MINUTES} minutes and up to {MEGABYTES} MB a job,"
            f" as their models are not counted here: `make plan STUDY={self.study.name}` counts them"
        )

    def _of_run(self, name: str) -> dict[str, Job]:
        """The planned fine-tuning and probes of a run by name; nothing when they cannot be planned yet."""
        try:
            return {job.name: job for job in self.jobs.of_run(self.study.runs[name])}
        except Uncounted:
            return {}
