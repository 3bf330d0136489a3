"""The default study through a real Slurm, disturbed, ends with the same bits as an undisturbed local run.

    pytest tests/cluster                           the default study made small: minutes
    TRADEOFF_CLUSTER=full pytest tests/cluster     the default study itself: a quarter of an hour on two cores

Needs Debian's packages slurm-wlm and munge (`tests/cluster/install.sh`), and root.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.slurm import Cluster, missing
from tests.workflow import Project, content

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

FULL = os.environ.get("TRADEOFF_CLUSTER") == "full"
STUDY = "quickstart" if FULL else "tiny"
# Few jobs, of which two train for some seconds, so that there is time to disturb them.
SMALLER = {
    "study": {"strategies": ["full", "lora"], "probes": ["pgd"]},
    "backbones": {"glyph_vit": {"weights": {"pretrain": "digits"}}},
    "training": {"epochs": 60},
    "probe_schedule": [{"every": 96}],
}
ARGUMENTS = [*([] if FULL else ["--configfile", "studies/tiny.yaml"]), "--config", "compute={device: cpu}"]
SLURM = (
    *("--workflow-profile", "profiles/slurm", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1"),
)
CONTINUES = "continuing after step"
LONGEST = 1800  # seconds, for all that is waited for
RUN = "digits/glyph_vit/lora/standard/seed0"


class Remote(Project):
    """A project whose study runs on a cluster; what Snakemake prints is in `output`."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.cluster, self.output = cluster, folder / "snakemake.out"
        self.environment["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
        self.environment["PYTHONUNBUFFERED"] = "1"  # logs say at once what happens

    def start(self) -> None:
        """Start the study."""
        with open(self.output, "ab") as out:
            self.running = subprocess.Popen(
                ["snakemake", *ARGUMENTS, *SLURM],
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
            )

    def status(self) -> int:
        """Return the study's exit status, once it has ended."""
        return self.running.wait(LONGEST)

    def wait_for(self, condition: Callable[[], object], what: str) -> str:
        """Return what the condition says in the end; the study has to be at work until then."""
        end = time.monotonic() + LONGEST
        while not (found := condition()):
            at_work = self.running.poll() is None and time.monotonic() < end
            assert at_work, f"no {what}\n{self.output.read_text()[-5000:]}"
            time.sleep(0.2)
        return str(found)

    def job(self, rule: str) -> str:
        """The number of the running job of a rule for RUN; nothing when there is none."""
        lines = self.cluster.ask("squeue", "-h", "-t", "running", "-o", "%A %k").splitlines()
        found = [line.split()[0] for line in lines if f"rule_{rule}_" in line and "_lora_" in line]
        return found[0] if found else ""

    def trains(self) -> bool:
        """Whether there is something to lose: RUN has begun."""
        return any((self.results(STUDY) / "runs" / RUN).glob("resume-*/state.pt"))

    def says(self, words: str) -> bool:
        """Whether the last attempt of RUN has said so."""
        log = self.folder / "logs" / STUDY / "fine_tune" / f"{RUN}.log"
        return log.exists() and words in log.read_text()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    """A study at work on a cluster of two nodes."""
    with Cluster(tmp_path / "slurm", nodes=2, cpus=1) as cluster:
        remote = Remote(tmp_path / "remote", cluster)
        if not FULL:
            remote.edit(SMALLER)
        remote.start()
        yield remote
        remote.running.kill()


def test_a_requeued_a_cancelled_and_a_lost_job_leave_the_results_of_an_undisturbed_local_run(
    tmp_path: Path, remote: Remote
) -> None:
    cluster = remote.cluster
    requeued = remote.wait_for(lambda: remote.trains() and remote.job("fine_tune"), "fine-tuning")
    cluster.ask("scontrol", "requeue", requeued)
    remote.wait_for(lambda: remote.says("asked to stop; state saved"), "state saved in time")
    remote.wait_for(lambda: remote.says(CONTINUES), "fine-tuning that goes on after the requeue")
    cluster.ask("scancel", requeued)
    remote.wait_for(lambda: remote.job("fine_tune") not in ("", requeued), "another attempt")
    remote.wait_for(lambda: remote.says(CONTINUES), "fine-tuning that goes on after the cancelling")
    probe = remote.wait_for(lambda: remote.job("probe"), "probe")
    node = cluster.ask("squeue", "-h", "-j", probe, "-o", "%N")
    cluster.node_down(node)
    time.sleep(2)
    cluster.node_up(node)
    cluster.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
    # What Slurm lost for good, the same command makes again.
    if remote.status() != 0:
        remote.start()
        assert remote.status() == 0, remote.output.read_text()[-5000:]
    local = Project(tmp_path / "local")
    if not FULL:
        local.edit(SMALLER)
    made = local.run("snakemake", *ARGUMENTS, "--cores", "2")
    assert made.returncode == 0, made.stderr
    expected, found = content(local.results(STUDY)), content(remote.results(STUDY))
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
