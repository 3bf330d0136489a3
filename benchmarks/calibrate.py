"""Measure this machine for plans: what it takes to train, to predict, and to attack with a study's backbones.

    python -m benchmarks.calibrate [--device NAME] [--seconds 2] params.yaml [studies/NAME.yaml]    (make calibrate)

writes benchmarks/calibrations/NAME.json, which `make plan` reads; what the file knows of other backbones stays.
Every backbone of the study is measured with every strategy, on images of noise and weights drawn at random: their
values do not change how long they take. Numbers are processor time on a CPU with one thread, so that other work
on the machine counts little, and time by the clock otherwise.
"""

import argparse
import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tradeoff.data.registry import mirror_folder
from tradeoff.errors import UserError
from tradeoff.files import read_json, write_json
from tradeoff.identity import hardware
from tradeoff.params import load_params
from tradeoff.plan.calibration import FOLDER
from tradeoff.plan.sizes import CLASSES, Sizes
from tradeoff.script import run_script, set_threads
from tradeoff.study import Study
from tradeoff.variants import variants

JOB = "import tradeoff.runs, tradeoff.probes.run, timm, peft; timm.create_model('vit_tiny_patch16_224')"
ARTIFACT = "import tradeoff.artifacts.results, tradeoff.analysis.pareto_auc, seaborn, matplotlib.pyplot"
FIGURE = f"""{ARTIFACT}
figure, axes = matplotlib.pyplot.subplots(2, 4)
for axis in axes.flat:
    axis.plot(range(9), label="a line")
    axis.legend()
figure.savefig(output / "figure.pdf")
figure.savefig(output / "figure.png", dpi=300)
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure this machine for plans.")
    parser.add_argument("files", nargs="+", type=Path, help="params.yaml, and overlays in their order")
    parser.add_argument("--device", help="a name for the machine; default: after its processor")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement, about")
    arguments = parser.parse_args(argv)
    params = load_params(arguments.files)
    threads = params["compute"]["threads"]
    set_threads(threads)
    from tradeoff.devices import choose_device

    device = choose_device(params["compute"]["device"])
    about = hardware(str(device))
    name = arguments.device or _name(about)
    clock = time.process_time if device.type == "cpu" and threads == 1 else time.perf_counter
    meter = Meter(str(device), clock, arguments.seconds)
    study = Study(params, mirror_folder(params["data"]["mirror"]))
    rates = list(measured(study, Sizes(), meter))
    file = FOLDER / f"{name}.json"
    known = read_json(file)["rates"] if file.exists() else []
    write_json(
        file,
        {
            "about": about,
            "at_once": _at_once(device.type, threads),
            "job": _start(JOB),
            "artifact": _start(ARTIFACT),
            "figure": _start(FIGURE),
            "megabyte": _megabyte(meter),
            "rates": [*(old for old in known if _what(old) not in set(map(_what, rates))), *rates],
        },
    )
    print(f"{file}: {len(rates)} measurements of {name}")


class Meter:
    """Repeats a piece of work until it took long enough, and says how long one repetition takes."""

    def __init__(self, device: str, clock: Callable[[], float], seconds: float) -> None:
        self.device, self.clock, self.least = device, clock, seconds

    def time(self, work: Callable[[int], None]) -> float:
        """Return seconds for each repetition; `work(n)` does n of them.

        It is the difference of a long call and a short one, so that what a call does once is not counted.
        """
        self._timed(work, 1)  # warms up
        short = self._timed(work, 1)
        more = max(1, round(self.least / max(short, 1e-6)))
        return max(1e-9, (self._timed(work, 1 + more) - short) / more)

    def _timed(self, work: Callable[[int], None], repeats: int) -> float:
        self._wait()
        started = self.clock()
        work(repeats)
        self._wait()
        return self.clock() - started

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()


def measured(study: Study, sizes: Sizes, meter: Meter) -> Iterator[dict[str, Any]]:
    """Yield the rates of every backbone of a study: predictions and attacks without, training with a strategy."""
    params = study.params
    for backbone in params["study"]["backbones"]:
        spec = params["backbones"][backbone]
        size = sizes.model(spec, {"name": "linear", "params": {}})
        bare = _Bench(spec, "linear", {}, params, meter)
        about = {"model": spec["model"], "backbone": backbone}
        probing, training = params["compute"]["precision"], params["training"]["precision"]
        forward = bare.forward(probing)
        yield about | _rate("forward", "", probing, size.forward, forward)
        yield about | _rate("gradient", "", probing, size.gradient, bare.gradient(probing, forward))
        for strategy in params["study"]["strategies"]:
            variant = next(iter(variants(strategy, params["strategies"][strategy])))
            size = sizes.model(spec, {"name": strategy, "params": variant.params})
            seconds = _Bench(spec, strategy, variant.params, params, meter).training()
            yield about | _rate("train", strategy, training, size.train, seconds)


def _rate(kind: str, strategy: str, precision: str, flops: float, seconds: float) -> dict[str, Any]:
    print(
        f"{kind} {strategy}: {seconds * 1e3:.3g} ms an image, {flops / seconds / 1e9:.3g} GFLOP/s", flush=True
    )
    return {"kind": kind, "strategy": strategy, "precision": precision, "flops": flops, "seconds": seconds}


class _Bench:
    """A backbone with a strategy, and images of noise."""

    def __init__(
        self, spec: dict[str, Any], strategy: str, own: dict[str, Any], params: dict[str, Any], meter: Meter
    ) -> None:
        from tradeoff import strategies
        from tradeoff.backbones import build

        self.meter, self.params, self.strategy = meter, params, strategy
        self.size = spec["image_size"]
        self.model = build(spec, CLASSES, 0, None)
        self.applied = strategies.apply(self.model, strategy, own, 0)
        self.model.to(meter.device)

    def forward(self, precision: str) -> float:
        """Seconds to predict an image."""
        from tradeoff.attacks.engine import predict

        compute = self._compute(precision)
        images = _noise(compute.batch_size, self.size)

        def work(repeats: int) -> None:
            for _ in range(repeats):
                predict(self.model, images, compute)

        return self.meter.time(work) / compute.batch_size

    def gradient(self, precision: str, forward: float) -> float:
        """Seconds of one step of an attack on one image: labels are what the model says, so none is fooled."""
        import numpy as np

        from tradeoff.attacks.engine import attack, predict
        from tradeoff.attacks.threat import threat

        compute, steps = self._compute(precision), 3
        images = _noise(compute.batch_size, self.size)
        labels = predict(self.model, images, compute).argmax(1).cpu().numpy()
        ids = np.arange(len(images))
        searched = threat(
            {"attack": "pgd", "norm": "linf", "steps": steps, "criterion": "final_iterate"}, 1e-9
        )

        def work(repeats: int) -> None:
            for _ in range(repeats):
                attack(self.model, images, labels, ids, searched, 0, compute)

        whole = self.meter.time(work) / compute.batch_size
        return (whole - forward) / (steps + 1)

    def training(self) -> float:
        """Seconds of a training step for each of its images, the loop's own work included."""
        import numpy as np

        from tradeoff import objectives, training
        from tradeoff.data.splits import Split

        batch = self.params["training"]["batch_size"]
        noise, labels, ids = _noise(batch, self.size), np.zeros(batch, np.int64), np.arange(batch)
        one = Split(noise[:1], labels[:1], ids[:1])

        def work(repeats: int) -> None:
            # An epoch is one batch: features that never change are computed once, whatever the repetitions.
            recipe = self.params["training"] | {"epochs": repeats}
            with tempfile.TemporaryDirectory() as folder:
                training.train(
                    training.Job(
                        self.model,
                        self.applied,
                        objectives.load("standard", {}),
                        Split(noise, labels, ids),
                        one,
                        recipe,
                        [],
                        0,
                        Path(folder),
                        self.strategy,
                    )
                )

        return self.meter.time(work) / batch

    def _compute(self, precision: str) -> Any:
        from tradeoff.attacks.oracle import Compute

        settings = self.params["compute"]
        return Compute(settings["probe_batch"], precision, settings["channels_last"])


def _noise(images: int, size: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (images, 3, size, size), dtype=np.uint8)


def _megabyte(meter: Meter) -> float:
    """Seconds to decode and resize a megabyte of photographs, 500 x 375 pixels as JPEG."""
    from PIL import Image

    from tradeoff.data.decode import Form, decode

    smooth = Image.fromarray(_noise(1, 24)[0].transpose(1, 2, 0)).resize((500, 375), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG", quality=90)
    encoded = buffer.getvalue()

    def work(repeats: int) -> None:
        for _ in range(repeats):
            decode([encoded], Form(224, "squash", "bilinear"))

    return meter.time(work) / (len(encoded) / 1e6)


def _start(code: str) -> float:
    """Processor seconds of a process that runs the code, once its modules are compiled."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", f"import pathlib; output = pathlib.Path({folder!r})\n{code}"]
        subprocess.run(command, check=True, env=environment)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _at_once(kind: str, threads: int) -> int:
    if kind == "cpu":
        return max(1, (os.cpu_count() or 1) // threads)
    import torch

    return max(1, torch.cuda.device_count())


def _name(about: dict[str, Any]) -> str:
    """A name for a machine, after its GPU or its processor and cores."""
    words = about.get("gpu") or f"{about['processor']} {about['cores']} cores"
    name = re.sub(r"[^a-z0-9]+", "_", str(words).lower()).strip("_")
    if not name:
        raise UserError("device", "a machine without a name", "a name", "give one with --device")
    return name


def _what(rate: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(rate[key]) for key in ("kind", "backbone", "strategy", "precision"))


if __name__ == "__main__":
    run_script(main)
