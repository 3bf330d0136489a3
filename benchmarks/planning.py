"""How long Snakemake takes to plan a study, and how that grows with the number of runs.

    python -m benchmarks.planning [--runs 1000 5000] [--study studies/iccv2025.yaml]

A dry run each, of a study and of the default study with one strategy and so many seeds: seconds by the clock and of
the processor, and peak memory.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How long Snakemake takes to plan a study.")
    parser.add_argument("--runs", type=int, nargs="+", default=[1000, 5000], help="sizes of made-up studies")
    parser.add_argument("--study", default="studies/iccv2025.yaml", help="a real one besides")
    arguments = parser.parse_args(argv)
    print(f"{arguments.study}: {_words(measure(arguments.study))}")
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            overlay = Path(folder) / "large.yaml"
            study = {"name": "large", "strategies": ["linear"], "seeds": list(range(runs))}
            overlay.write_text(json.dumps({"study": study}))  # JSON is YAML
            print(f"{runs} runs: {_words(measure(str(overlay)))}")


def measure(study: str) -> dict[str, float]:
    """Return {seconds, processor_seconds, gigabytes} of a dry run of a study."""
    started = time.monotonic()
    process = subprocess.Popen(
        ["snakemake", "--dry-run", "--quiet", "all", "--configfile", study],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the dry run of {study} failed: run it by hand")
    return {
        "seconds": time.monotonic() - started,
        "processor_seconds": used.ru_utime + used.ru_stime,
        "gigabytes": used.ru_maxrss / 1e6,
    }


def _words(measured: dict[str, float]) -> str:
    return (
        f"{measured['seconds']:.1f} s, {measured['processor_seconds']:.1f} s of the processor,"
        f" {measured['gigabytes']:.2f} GB"
    )


if __name__ == "__main__":
    main()
