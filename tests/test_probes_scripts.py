"""The scripts that probe: one probe, or several in one process."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.probes_support import (
    PGD,
    SHIFT,
    SPEC,
    STEPS,
    assert_same,
    fine_tuned,
    flip_bit,
    outputs_in,
    probed,
)
from tradeoff.errors import UserError
from tradeoff.probe_code import probe_code
from tradeoff.probes import attack, run, shift
from tradeoff.probes.run import Outputs
from tradeoff.seals import read_sealed
from workflow_scripts import probe as script
from workflow_scripts import probe_batch


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return fine_tuned(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory) -> Outputs:
    return probed(place, tmp_path_factory.mktemp("whole"))


def test_a_job_that_edited_code_would_do_is_refused(place, tmp_path):
    arguments = [a if "--code" not in a else "--code=0123456789abcdef" for a in _arguments(place, tmp_path)]
    with pytest.raises(UserError, match="expected 0123456789abcdef, of the code that this workflow began"):
        script.main(arguments)
    assert not list(tmp_path.iterdir())


def _arguments(
    place: Path, folder: Path, probe: dict[str, Any] = PGD, data=("digits",), digest="probe-digest"
) -> list[str]:
    """The command line of a probe."""
    outputs = outputs_in(folder, probe["name"])
    return [
        f"--probe={json.dumps(probe)}", f"--digest={digest}",
        f"--code={probe_code(SPEC, probe)}", f"--run={place / 'run'}",
        f"--weights={place / 'weights.safetensors'}", *[f"--data={name}={place / name}" for name in data],
        f"--output={outputs.table}", f"--outcomes={outputs.outcomes}", f"--cost={outputs.cost}",
    ]  # fmt: skip


@pytest.mark.parametrize("value", ["digits", "digits="])
def test_data_without_a_folder_is_refused_in_one_line(place, tmp_path, value):
    with pytest.raises(UserError, match=f"--data: found '{value}'; expected reference=folder"):
        script.main([*_arguments(place, tmp_path), f"--data={value}"])


def test_the_script_does_the_same(place, whole, tmp_path, capsys):
    outputs = outputs_in(tmp_path)
    script.main(_arguments(place, tmp_path))
    assert_same(outputs, whole)
    assert "snapshot 2/3 (step 5): " in capsys.readouterr().out
    assert json.loads(outputs.cost.read_text())["images"] == 180


def test_the_device_that_is_asked_for_is_the_one_that_is_chosen(place, tmp_path, monkeypatch):
    asked: list[str] = []

    def noted(device, deterministic=False):
        asked.append(device)
        return torch.device("cpu")

    monkeypatch.setattr(run, "choose_device", noted)
    script.main([*_arguments(place, tmp_path), "--device=cuda:1"])
    listed = json.dumps([{"arguments": _arguments(place, tmp_path, SHIFT), "log": str(tmp_path / "log")}])
    probe_batch.main([f"--jobs={listed}", "--device=cpu"])
    assert (asked[0], set(asked[1:])) == ("cuda:1", {"cpu"})


def _batch(place: Path, folder: Path, **digests: str) -> None:
    """PGD and a shift in one process, each with a log of its own."""
    shifted = ("digits", "typeset_digits")
    jobs = {
        "pgd": _arguments(place, folder, PGD, digest=digests.get("pgd", "probe-digest")),
        "shift": _arguments(place, folder, SHIFT, shifted, digests.get("shift", "probe-digest")),
    }
    listed = [{"arguments": each, "log": str(folder / f"{name}.log")} for name, each in jobs.items()]
    probe_batch.main([f"--jobs={json.dumps(listed)}"])


def test_two_probes_in_one_process_end_with_the_bytes_of_each_alone(place, whole, tmp_path):
    (tmp_path / "alone").mkdir()
    alone = probed(place, tmp_path / "alone", SHIFT, ("digits", "typeset_digits"))
    _batch(place, tmp_path)
    assert_same(outputs_in(tmp_path), whole)
    assert_same(outputs_in(tmp_path, "shift"), alone)
    assert "snapshot 3/3" in (tmp_path / "pgd.log").read_text()
    assert "clean on typeset_digits" in (tmp_path / "shift.log").read_text()


def test_of_a_batch_only_what_is_not_of_todays_settings_is_done_again(place, tmp_path):
    _batch(place, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    _batch(place, tmp_path, shift="another-digest")
    after = {file: file.stat().st_mtime_ns for file in tmp_path.glob("*.parquet")}
    assert [file.stem for file in before if after[file] != before[file]] == ["shift"]
    assert (tmp_path / "pgd.log").read_text() == "done before\n"


def test_of_a_batch_a_probe_whose_cost_was_damaged_is_done_again(place, tmp_path):
    _batch(place, tmp_path)
    flip_bit(outputs_in(tmp_path).cost, 20)
    _batch(place, tmp_path)
    assert read_sealed(outputs_in(tmp_path).cost)["images"] == 180
    assert (tmp_path / "shift.log").read_text() == "done before\n"


def test_a_batch_that_fails_loses_no_snapshot_it_measured(place, whole, tmp_path, monkeypatch):
    evaluate, calls = attack.evaluate, []

    def counted(*arguments):
        calls.append(1)
        return evaluate(*arguments)

    def fails(*arguments):
        raise UserError("a test set", "nothing", "images")

    monkeypatch.setattr(attack, "evaluate", counted)
    with monkeypatch.context() as broken, pytest.raises(SystemExit, match=r"shift\.parquet: a test set"):
        broken.setattr(shift, "evaluate", fails)
        _batch(place, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))  # a table would be removed with the failed job's outputs
    assert (
        (tmp_path / "shift.log").read_text().splitlines()[-1].startswith("error: a test set: found nothing")
    )
    _batch(place, tmp_path)
    assert len(calls) == len(STEPS)
    assert_same(outputs_in(tmp_path), whole)


@pytest.mark.parametrize("value", ["3", "0/2", "3/2", "a/b"])
def test_a_wrong_shard_is_refused(value):
    with pytest.raises(UserError, match="--shard"):
        script._shard(value)
