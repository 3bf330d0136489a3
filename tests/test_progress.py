"""Progress lines: how few, what they say, and that whoever listens changes nothing."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from attacks_support import held_out, trained

from tests.probes_support import CORRUPTION, PGD, fine_tuned, probed
from tradeoff import progress
from tradeoff.attacks import engine
from tradeoff.attacks.engine import predict, sweep
from tradeoff.attacks.oracle import Compute
from tradeoff.attacks.standing import Standing
from tradeoff.attacks.threat import threat
from tradeoff.data import hub
from tradeoff.params.epsilon import format_epsilon
from tradeoff.probes import run
from tradeoff.progress import Progress, Watch, duration, watched, watching

EPSILONS = [0.02, 0.05, 0.1]
SETTINGS = {
    "pgd": {"steps": 5, "restarts": 2},
    "square": {"queries": 20},
    "autoattack": {"steps": 5, "targets": 2, "queries": 8},
}


class Clock:
    """A clock that a test winds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_lines_are_ten_seconds_apart_and_the_last_one_always_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stream = Clock(monkeypatch), io.StringIO()
    told = Progress("steps", 40, done=20, stream=stream)
    for second in range(1, 21):
        clock.now = float(second)
        told.update(20 + second, "loss 0.5" if second == 20 else "")
    assert stream.getvalue().splitlines() == [
        "steps: 30/40, 1.0/s, 0:10 left",
        "steps: 40/40, 1.0/s, 0:00 left, loss 0.5",
    ]


def test_durations_read_as_on_a_clock() -> None:
    assert [duration(seconds) for seconds in (5, 65, 3661, float("inf"))] == [
        *("0:05", "1:05", "1:01:01"),
        "unknown time",
    ]


def search(name: str, **compute: int) -> np.ndarray:
    images, labels, ids = held_out(120)
    searched = threat({"attack": name, "norm": "linf", **SETTINGS[name]}, EPSILONS[0])
    return sweep(trained(), images, labels, ids, searched, EPSILONS, 1, Compute(**compute)).first_failure


@pytest.mark.parametrize("name", SETTINGS)
def test_an_attack_tells_true_bounds_and_finds_the_same_whoever_listens(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several waves of 50 images, as of a large test set.
    monkeypatch.setattr(engine, "_WAVE_BYTES", 50 * 3 * 8 * 8 * 4)
    unheard = search(name, batch_size=16)
    stream = io.StringIO()
    with watched(Watch("snapshot 1/1", interval=0.0, stream=stream)):
        heard = search(name, batch_size=16)
    assert np.array_equal(heard, unheard)
    assert watching() is None
    lines = stream.getvalue().splitlines()
    assert len(lines) > 50

    form = re.compile(
        r"snapshot 1/1: (\w+(?:-\w+)?) at (\S+), step (\d+)/(\d+), (\d+) of 120 images left, robust accuracy at most"
        r" (0\.\d+|1\.000)(?: \((0\.\d+|1\.000) of those through\))?, [\d.]+ passes/s, at most [\d:]+ left"
    )
    tight = set()
    for line in lines:
        found = form.fullmatch(line)
        assert found, line
        epsilon = next(each for each in EPSILONS if format_epsilon(each) == found[2])
        rank = EPSILONS.index(epsilon) + 1
        final = (unheard > rank).mean()
        assert float(found[6]) >= round(final, 3)
        assert 1 <= int(found[3]) <= int(found[4])
        if float(found[6]) == round(final, 3):
            tight.add(rank)
    assert tight  # towards the end the bound is the result


def test_what_is_left_is_counted_as_if_nobody_else_were_fooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 images in waves of 40, two rounds of 10 points; in the second wave 30 resist, 6 fell in the round."""
    clock, stream = Clock(monkeypatch), io.StringIO()
    standing = Standing(Watch("snapshot", interval=5.0, stream=stream), 100)
    standing.begin_wave(40, [10, 10])
    standing.end_wave(np.array([0] * 10 + [1] * 10 + [255] * 20, np.uint8))
    standing.begin_wave(40, [10, 10])
    standing.begin_round("pgd", 2 / 255, 1, 30, True)
    standing.evaluated(0, 10, 30, 30, False)
    assert not stream.getvalue()
    clock.now = 10.0
    standing.evaluated(3, 10, 70, 24, False)
    # 6 turns of 24, the other round of 24, 20 images yet unseen: 144 + 240 + 400 passes at 10 a second.
    assert stream.getvalue() == (
        "snapshot: pgd at 2/255, step 4/10, 44 of 100 images left, robust accuracy at most 0.640"
        " (0.500 of those through), 10.0 passes/s, at most 1:18 left\n"
    )
    # Where some left the round unfooled, nothing is known of who of the 30 still resists.
    clock.now = 20.0
    standing.evaluated(4, 10, 100, 10, True)
    assert "50 of 100 images left, robust accuracy at most 0.700" in stream.getvalue().splitlines()[1]


def test_classifying_tells_how_many_images_are_done() -> None:
    images, _, _ = held_out(40)
    stream = io.StringIO()
    with watched(Watch("snapshot 2/9", interval=0.0, stream=stream)):
        heard = predict(trained(), images, Compute(batch_size=20))
    assert bool((heard == predict(trained(), images, Compute(batch_size=20))).all())
    assert stream.getvalue().splitlines() == [
        "snapshot 2/9: 20 of 40 images classified",
        "snapshot 2/9: 40 of 40 images classified",
    ]


def test_a_download_tells_megabytes_in_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock(monkeypatch)
    bar = hub._bar("train-0.parquet")(
        total=40_000_000, initial=10_000_000, unit="B", unit_scale=True, desc="train-0.parquet", mininterval=0
    )
    with bar:
        for second in range(1, 16):
            clock.now = float(second)
            bar.update(2_000_000)
    assert capsys.readouterr().err.splitlines() == ["train-0.parquet, MB: 30/40, 2.0/s, 0:05 left"]


def test_a_probe_tells_of_every_snapshot_and_writes_the_same_whoever_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "place").mkdir()
    place = fine_tuned(tmp_path / "place")
    for probe, within in ((PGD, "pgd at 0.01"), (CORRUPTION, "30 of 60 images classified")):
        quiet = probed(place, tmp_path / "quiet", probe)
        capsys.readouterr()
        with monkeypatch.context() as talkative:
            talkative.setattr(run, "Watch", lambda what: Watch(what, interval=0.0))
            loud = probed(place, tmp_path / "loud", probe)
        said = capsys.readouterr().out
        for number, step in enumerate((0, 5, 12), start=1):
            assert f"snapshot {number}/3 (step {step}): {within}" in said
        assert loud.table.read_bytes() == quiet.table.read_bytes()
        assert loud.outcomes.read_bytes() == quiet.outcomes.read_bytes()
