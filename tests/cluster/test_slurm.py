"""The default pipeline through a real Slurm, disturbed, ends with the same bits as an undisturbed local run.

pytest tests/cluster        (Debian: apt-get install slurm-wlm munge; as root; takes several minutes)
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, missing
from tests.workflow import Project

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

STUDY = ("--configfile", "studies/tiny.yaml", "--config", "compute={device: cpu}")
SLURM = (
    *("--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--retries", "2"),
)


def start(project: Project, cluster: Cluster) -> subprocess.Popen[bytes]:
    """Start the study on the cluster, with what it prints in the project's folder."""
    with open(project.folder / "snakemake.out", "ab") as out:
        return subprocess.Popen(
            ["snakemake", *STUDY, *SLURM],
            cwd=project.folder,
            env=project.environment | cluster.environment,
            stdout=out,
            stderr=out,
        )


def outputs(project: Project) -> dict[str, bytes]:
    """Everything that a study leaves, but what its jobs cost."""
    results = project.results()
    return {
        str(file.relative_to(results)): file.read_bytes()
        for file in sorted(results.rglob("*"))
        if file.is_file() and not file.name.endswith("cost.json")
    }


def wait_for(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} after {seconds} s"
        time.sleep(0.3)


def test_a_cancelled_a_requeued_and_a_lost_job_leave_the_results_of_an_undisturbed_local_run(
    tmp_path: Path,
) -> None:
    local, remote = Project(tmp_path / "local"), Project(tmp_path / "remote")
    made = local.run("snakemake", *STUDY, "--cores", "2")
    assert made.returncode == 0, made.stderr
    with Cluster(tmp_path / "slurm", nodes=2, cpus=1) as cluster:
        running = start(remote, cluster)

        def jobs(rule: str) -> list[str]:
            lines = cluster.ask("squeue", "-h", "-t", "running", "-o", "%A %k").splitlines()
            return [line.split()[0] for line in lines if f"rule_{rule}" in line]

        def training() -> bool:
            """A run has begun, so that there is something to lose."""
            return bool(jobs("fine_tune")) and any(remote.results().glob("runs/**/state.pt"))

        wait_for(training, "fine-tuning")
        cluster.ask("scontrol", "requeue", jobs("fine_tune")[0])
        wait_for(training, "fine-tuning after the requeue")
        cluster.ask("scancel", jobs("fine_tune")[0])
        wait_for(lambda: jobs("probe"), "probe")
        node = cluster.ask("squeue", "-h", "-j", jobs("probe")[0], "-o", "%N")
        cluster.node_down(node)
        time.sleep(2)
        cluster.node_up(node)
        cluster.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
        running.wait(900)
        # What Slurm lost for good, the same command makes again.
        if running.returncode != 0:
            assert start(remote, cluster).wait(900) == 0
    # The disturbances hit work in progress, and it went on from there.
    logs = [log.read_text() for log in (remote.folder / "logs/tiny/fine_tune").rglob("*.log")]
    assert any("continuing after step" in log for log in logs)
    expected, found = outputs(local), outputs(remote)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
