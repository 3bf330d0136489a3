"""One device for each process: none used twice at once, none leaked by a killed process."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tradeoff import devices, gpus
from tradeoff.errors import UserError

# Takes a device, refuses one whose note names a living process, leaves its own note, works, takes the note away.
JOB = """
import os, sys, time
from pathlib import Path
from tradeoff.gpus import take

folder, seconds, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
note = folder / names[take(names, folder=folder / "locks", wait=0.02)[0]]
if note.exists():
    status = Path(f"/proc/{note.read_text()}/stat")
    try:
        state = status.read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        state = "gone"
    if state not in ("gone", "Z", "X"):  # a killed process is a zombie until its parent asks
        sys.exit(f"{note.name} is in use by {note.read_text()}")
whole = folder / f"{os.getpid()}.note"
whole.write_text(str(os.getpid()))
whole.replace(note)  # a kill never leaves a note half written
time.sleep(seconds)
note.unlink()
"""


def test_forty_jobs_on_eight_devices_with_random_kills_never_share_one_and_leak_none(tmp_path: Path) -> None:
    draw = random.Random(0)
    names = [f"GPU-{number}" for number in range(8)]
    waiting = [[f"{draw.uniform(0.02, 0.15)}", *names] for _ in range(40)]
    running: list[subprocess.Popen[bytes]] = []
    codes, complaints = [], b""
    while waiting or running:
        while waiting and len(running) < 12:  # more than there are devices
            command = [sys.executable, "-c", JOB, str(tmp_path), *waiting.pop()]
            running.append(subprocess.Popen(command, stderr=subprocess.PIPE))
        for job in [job for job in running if job.poll() is None and draw.random() < 0.01]:
            job.kill()
            job.wait()
        ended = [job for job in running if job.poll() is not None]
        codes += [job.returncode for job in ended]
        complaints += b"".join(job.communicate()[1] for job in ended)
        running = [job for job in running if job not in ended]  # others may have ended since
        time.sleep(0.01)
    assert len(codes) == 40
    assert set(codes) == {0, -signal.SIGKILL}, complaints.decode()  # 1: given a device in use
    free = [gpus.take([name], folder=tmp_path / "locks", wait=60) for name in names]
    assert free == [[0]] * 8  # none is still held


def test_a_process_that_asks_again_gets_the_device_it_holds(tmp_path: Path) -> None:
    names = ["GPU-a", "GPU-b"]
    assert [gpus.take(names, folder=tmp_path, wait=60) for _ in range(3)] == [[0]] * 3
    assert gpus.take(["GPU-b"], folder=tmp_path, wait=60) == [0]  # asked for by name, it is another one


def test_a_job_for_several_devices_gets_them_together_or_holds_none(tmp_path: Path) -> None:
    names = ["GPU-a", "GPU-b", "GPU-c"]
    job = "import sys, time; from pathlib import Path; from tradeoff.gpus import take\n"
    job += "print(take(sys.argv[2:], 2, Path(sys.argv[1]), wait=0.02), flush=True); time.sleep(30)"
    command = [sys.executable, "-c", job, str(tmp_path), *names]
    first = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert first.stdout is not None
    assert first.stdout.readline() == b"[0, 1]\n"
    second = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert second.stdout is not None
    assert second.stdout.readline() == b"waiting for 2 of 3 GPUs\n"
    # Most of the time the second job holds none: somebody who needs one gets the third device.
    assert gpus.take(names, folder=tmp_path, wait=0.001) == [2]
    first.kill()
    assert second.stdout.readline() == b"[0, 1]\n"
    second.kill()


def test_more_devices_than_the_machine_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"compute\.processes: found 3, on a machine with 1 GPUs"):
        gpus.take(["GPU-a"], 3, tmp_path)


def test_a_job_sees_only_the_devices_it_may_use_and_shares_locks_with_jobs_that_see_others(
    tmp_path: Path,
) -> None:
    job = "import sys; from pathlib import Path; from tradeoff.gpus import take; import time\n"
    job += "print(take(sys.argv[2:], folder=Path(sys.argv[1]))[0], flush=True); time.sleep(30)"
    first = subprocess.Popen(
        [sys.executable, "-c", job, str(tmp_path), "GPU-b", "GPU-c"], stdout=subprocess.PIPE
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"0\n"  # GPU-b
    second = subprocess.Popen(
        [sys.executable, "-c", job, str(tmp_path), "GPU-a", "GPU-b", "GPU-c"], stdout=subprocess.PIPE
    )
    third = subprocess.Popen(
        [sys.executable, "-c", job, str(tmp_path), "GPU-b", "GPU-c"], stdout=subprocess.PIPE
    )
    assert second.stdout is not None
    assert third.stdout is not None
    assert {second.stdout.readline(), third.stdout.readline()} == {b"0\n", b"1\n"}  # GPU-a and GPU-c
    for one in (first, second, third):
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        one.stdout.close()  # type: ignore[union-attr]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_auto_is_the_cpu_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert devices.choose_device("auto") == torch.device("cpu")
    assert "no GPU here" in capsys.readouterr().out
    with pytest.raises(UserError, match="without a usable GPU"):
        devices.choose_device("cuda")


def test_with_several_gpus_auto_takes_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "_names", lambda: ["GPU-a", "GPU-b"])
    monkeypatch.setattr(devices, "take", lambda names: [names.index("GPU-b")])
    assert devices.choose_device("auto") == torch.device("cuda:1")
    assert devices.choose_device("cuda:0") == torch.device("cuda:0")


def test_a_gpu_is_deterministic_when_params_say_so_and_only_then() -> None:
    # In a process of its own, since these settings are the process's.
    script = """
import os, torch
from tradeoff.devices import choose_device
torch.cuda.is_available = lambda: True
def settings():
    cudnn = torch.backends.cudnn
    algorithms = torch.are_deterministic_algorithms_enabled()
    return algorithms, cudnn.deterministic, cudnn.benchmark, os.environ.get("CUBLAS_WORKSPACE_CONFIG")
torch.backends.cudnn.benchmark = True
choose_device("cuda:0"), choose_device("cpu", deterministic=True)
print(settings())
choose_device("cuda:0", deterministic=True)
print(settings())
"""
    environment = {key: value for key, value in os.environ.items() if key != "CUBLAS_WORKSPACE_CONFIG"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert result.stdout.splitlines() == [
        "(False, False, True, None)",
        "(True, True, False, ':4096:8')",
    ], result.stderr
