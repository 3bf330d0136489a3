"""What jobs ask a scheduler for: by the plan where device and models are known, else generous; more at each attempt."""

import math
from pathlib import Path

import pytest

from tradeoff.files import write_json
from tradeoff.params import load_params
from tradeoff.plan import sizes
from tradeoff.plan.jobs import Jobs
from tradeoff.plan.requests import Requests
from tradeoff.study import Study

ROOT = Path(__file__).parents[1]
RATE = {"model": "vit_x", "strategy": "", "precision": "fp32", "flops": 1e9, "backbone": "b"}
LORA = "digits/glyph_vit/lora/standard/seed0"


SIZE = {"forward": 1e8, "train": 3e8, "gradient": 2e8, "body": 1000, "head": 10, "weights": 86_000_000}


@pytest.fixture
def counted(tmp_path, monkeypatch) -> Path:
    """A cache with the models of the default study's LoRA runs and its attack, of sizes made up."""
    monkeypatch.setattr(sizes, "_count", lambda *_: SIZE | {"fixed_features": False})
    monkeypatch.setattr(sizes, "_stages", lambda *_: [{"gradients": 15, "queries": 1}])
    cache = tmp_path / "counted.json"
    list(Jobs(study(), sizes.Sizes(cache)).all())
    return cache


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with two measured devices of one rate for all work: 100 and 0.001 GFLOPs a second."""
    monkeypatch.chdir(tmp_path)
    for name, seconds in (("fast", 0.01), ("slow", 1000.0)):
        rates = [RATE | {"kind": kind, "seconds": seconds} for kind in ("forward", "gradient", "train")]
        starts = {"job": 60.0, "artifact": 2.0, "figure": 3.0, "megabyte": 0.1}
        content = {"about": {"device": "cuda"}, "at_once": 1, "rates": rates} | starts
        write_json(tmp_path / f"benchmarks/calibrations/{name}.json", content)
    return tmp_path


def study(**compute: object) -> Study:
    return Study(load_params([ROOT / "params.yaml"], {"study": {"strategies": ["lora"]}, "compute": compute}))


def known(cache: Path, folder: Path, **compute: object) -> tuple[Requests, Study]:
    """Requests where the cache lies in the working folder."""
    (folder / ".cache").mkdir(exist_ok=True)
    (folder / ".cache/sizes.json").write_bytes(cache.read_bytes())
    made = study(**compute)
    return Requests(made), made


def test_a_planned_job_asks_for_twice_the_longest_it_may_take_and_ten_minutes(counted, folder):
    requests, made = known(counted, folder, calibration="fast")
    flops = {job.name: job.most for job in Jobs(made, sizes.Sizes(counted)).all()}
    for name, probes in ((LORA, ()), (f"{LORA}/pgd", ("pgd",)), (f"{LORA}/shift", ("shift",))):
        seconds = 60 + sum(work.images * work.flops for work in flops[name]) / 1e9 * 0.01
        assert requests.minutes(made.runs[LORA], probes) == 10 + math.ceil(2 * seconds / 60)


def test_probes_of_one_process_ask_for_their_sum_with_one_start(counted, folder):
    alone, made = known(counted, folder, calibration="fast")
    together = Requests(study(calibration="fast", probes_per_job=2))
    run = made.runs[LORA]
    both = together.minutes(run, ("pgd", "shift"))
    # Ten minutes of reserve and two of starting are asked for once, and minutes rounded once.
    apart = alone.minutes(run, ("pgd",)) + alone.minutes(run, ("shift",)) - 10 - 2
    assert apart - 1 <= both <= apart


def test_each_attempt_asks_for_more_up_to_a_day(counted, folder):
    requests, made = known(counted, folder, calibration="fast")
    run = made.runs[LORA]
    assert requests.minutes(run, attempt=3) == 3 * requests.minutes(run)
    assert requests.megabytes(run, attempt=2) == 2 * requests.megabytes(run)
    slow = Requests(study(calibration="slow"))
    assert slow.minutes(run, ("pgd",)) == 24 * 60


def test_memory_grows_with_the_weights(counted, folder):
    requests, made = known(counted, folder)
    assert requests.megabytes(made.runs[LORA]) == 4000 + 4 * 86


def test_a_device_that_was_not_measured_gets_four_hours(counted, folder):
    requests, made = known(counted, folder)
    assert [requests.minutes(made.runs[LORA], attempt=attempt) for attempt in (1, 2, 9)] == [240, 480, 1440]


def test_models_that_were_never_counted_are_not_counted_now(folder, monkeypatch):
    monkeypatch.setattr(sizes, "_count", lambda *_: pytest.fail("counted a model"))
    made = study(calibration="fast")
    requests = Requests(made)
    assert requests.minutes(made.runs[LORA]) == 240
    assert requests.megabytes(made.runs[LORA]) == 16000


def test_one_line_says_that_models_of_a_known_device_are_not_counted(folder):
    made = study(calibration="fast")
    runs = len(made.runs)
    assert Requests(made).warning() == (
        f"{runs} of {runs} runs ask for 240 minutes and up to 16000 MB a job, as their models are not counted here:"
        f" `make plan STUDY={made.name}` counts them"
    )
    assert Requests(study()).warning() == ""  # of a device that was not measured, nothing could be known


def test_nothing_is_said_where_all_models_are_counted(counted, folder):
    requests, _ = known(counted, folder, calibration="fast")
    assert requests.warning() == ""
