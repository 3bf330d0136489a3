"""On one machine results have the same bits, whatever the cores Snakemake has and the threads around it.

`make faults` makes the whole study with 1, 2 and 4 cores; `make test` packs, trains and probes with 1 and 4.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.workflow import Project

FULL = os.environ.get("TRADEOFF_FAULTS") == "full"
CORES = ["1", "2", "4"] if FULL else ["1", "4"]  # given to Snakemake, and to libraries that look around
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
TIMED = ("cost.json", "explorer.html", "explorer.record.json")  # they say how long things took


def content(project: Project) -> Iterator[tuple[str, str]]:
    """Every file of data and results, and the sha256 of those that do not depend on time."""
    for root in (project.folder / "data" / "packed", project.results()):
        for path in sorted(root.rglob("*")):
            if path.is_file():
                timed = path.name.endswith(TIMED)
                digest = "" if timed else hashlib.sha256(path.read_bytes()).hexdigest()
                yield str(path.relative_to(project.folder)), digest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the same study made, by the number of cores."""
    project = Project(tmp_path_factory.mktemp("project"))
    if not FULL:
        project.edit({"study": {"strategies": ["lora"], "probes": ["pgd"]}, "training": {"epochs": 2}})
    made = {}
    for cores in CORES:
        project.environment |= dict.fromkeys(VARIABLES, cores)
        result = project.snakemake("--cores", cores, "all" if FULL else "probes")
        assert result.returncode == 0, result.stderr
        made[cores] = dict(content(project))
        for folder in ("data/packed", "results"):
            shutil.rmtree(project.folder / folder)
    return made


@pytest.mark.parametrize("cores", CORES[1:])
def test_results_have_the_same_bits_whatever_the_cores_and_threads(
    made: dict[str, dict[str, str]], cores: str
) -> None:
    names = " ".join(made["1"])
    for file in (
        "images.npy",
        "weights.safetensors",
        "snapshots.safetensors",
        "training.parquet",
        "pgd.parquet",
    ):
        assert file in names
    assert made[cores] == made["1"]
