"""How long a study takes to start: from the command to its first job at work.

    python -m benchmarks.start --repeats 5 [--study smoke]

Works in a copy of this clone, whose results it never touches. Stop what else computes first.
"""

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = (
    "Makefile",
    "Snakefile",
    "params.yaml",
    "pyproject.toml",
    "uv.lock",
    "docs",
    "profiles",
    "report",
    "rules",
)
FOLDERS = ("schemas", "src", "studies", "workflow_scripts")


def main() -> None:
    parser = argparse.ArgumentParser(description="Say how long a study takes to start.")
    parser.add_argument("--study", default="quickstart")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    seconds = [first_job(arguments.study) for _ in range(arguments.repeats)]
    each = ", ".join(f"{one:.2f}" for one in sorted(seconds))
    print(
        f"`make figures STUDY={arguments.study}` to its first job: {statistics.median(seconds):.2f} s ({each})"
    )


def first_job(study: str) -> float:
    """Return the seconds from the command until a job has written its first log line or has its log open."""
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name)
        for part in (*CODE, *FOLDERS):
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, clone / part)
        (clone / ".venv").symlink_to(ROOT / ".venv")
        began = time.monotonic()
        process = subprocess.Popen(
            ["make", "figures", f"STUDY={study}"],
            cwd=clone,
            env=os.environ | {"PYTHONPATH": str(clone / "src")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not any(file.is_file() for file in (clone / "logs").rglob("*.log")):
            time.sleep(0.01)
        seconds = time.monotonic() - began
        if process.poll() is not None:
            raise SystemExit("error: the study ended before any job began: try `make figures` by hand")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return seconds


if __name__ == "__main__":
    main()
