"""What a device takes for work: measured rates (benchmarks/calibrate.py), and how they carry over to other models."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError
from tradeoff.families import family_of
from tradeoff.files import read_json

FOLDER = Path("benchmarks/calibrations")
KINDS = ("forward", "gradient", "train")


@dataclass(frozen=True)
class Work:
    """Some number of images through a model. kind: forward, gradient (an attack's step) or train; flops: an image's.

    model: timm name; precision: fp32 or bf16.
    """

    kind: str
    model: str
    strategy: str
    precision: str
    flops: float
    images: float


@dataclass(frozen=True)
class Calibration:
    """A device: its name, how many jobs run on it at once, and its measured rates.

    job: seconds that a job with torch takes besides its work; artifact, figure: that one without takes, and a figure.
    megabyte: seconds to read, decode and pack one megabyte of encoded images.
    """

    name: str
    about: dict[str, Any]
    at_once: int
    job: float
    artifact: float
    figure: float
    megabyte: float
    rates: list[dict[str, Any]]

    def seconds(self, work: Work) -> float:
        """Return how long the work takes: as the measurement of the most similar work, in proportion to FLOPs.

        Similar means the same kind of work, then the same precision, family, strategy and nearest size, in this
        order.
        """
        if work.images == 0 or work.flops == 0:
            return 0.0
        same_kind = [rate for rate in self.rates if rate["kind"] == work.kind]
        nearest = min(same_kind, key=lambda rate: _distance(rate, work))
        return float(work.images * work.flops * nearest["seconds"] / nearest["flops"])


def _distance(rate: dict[str, Any], work: Work) -> tuple[bool, bool, bool, float]:
    return (
        rate["precision"] != work.precision,
        _family(rate["model"]) != _family(work.model),
        rate["strategy"] != work.strategy,
        abs(math.log(rate["flops"] / work.flops)),
    )


def _family(model: str) -> str:
    try:
        return family_of(model)
    except UserError:  # a model that no strategy knows is near to none
        return model


def read_calibration(name: str | None, hardware: dict[str, Any]) -> Calibration | None:
    """Return the calibration called `name`, or without a name this machine's, None when it has none.

    hardware: this machine, {processor, cores, device}; of several calibrations, device `cpu` takes the processor's,
    any other the GPU's. UserError for a name that does not exist.
    """
    known = {file.stem: file for file in sorted(FOLDER.glob("*.json"))}
    if name is not None:
        if name not in known:
            names = ", ".join(known) or "none"
            raise UserError(
                "device", repr(name), f"one of {names}", "or measure it: python -m benchmarks.calibrate"
            )
        return _read(known[name])
    fitting = [calibration for calibration in map(_read, known.values()) if _is(calibration, hardware)]
    wanted = hardware["device"] == "cpu"
    return min(fitting, key=lambda it: (it.about["device"] == "cpu") != wanted, default=None)


def _read(file: Path) -> Calibration:
    content = read_json(file)
    try:
        found = Calibration(name=file.stem, **content)
        kinds: Iterable[str] = {rate["kind"] for rate in found.rates}
    except (TypeError, KeyError) as error:
        raise UserError(str(file), f"another form ({error})", "a calibration", "measure it again") from None
    if missing := sorted(set(KINDS) - set(kinds)):
        raise UserError(str(file), f"no rate for {', '.join(missing)}", "all of them", "measure it again")
    return found


def _is(calibration: Calibration, hardware: dict[str, Any]) -> bool:
    """Whether it was measured on this kind of machine, and on the device that is asked for."""
    about = calibration.about
    same = all(about.get(key) == hardware[key] for key in ("processor", "cores"))
    return same and (hardware["device"] != "cpu" or about["device"] == "cpu")
