"""A real Slurm on this machine, in a folder of its own: one controller and any number of small nodes.

    with Cluster(folder, nodes=4, cpus=2) as cluster:
        subprocess.run(["sinfo"], env=cluster.environment)

Needs Debian's packages slurm-wlm and munge, and root. Outside the folder it only puts a link at
/etc/slurm/slurm.conf, where jobs look for their cluster, and takes it away at the end.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

# Jobs lose SLURM_CONF on their way (the executor drops SLURM_*), so it has to be where Slurm looks by itself.
SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue")

# cred_expire: seconds that a job waits after a requeue, too.
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
CryptoType=crypto/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=1,sched_interval=5,defer
ReturnToService=2
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=60
MinJobAge=600
JobRequeue=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Say why no Slurm can be started here; empty when one can."""
    absent = [program for program in PROGRAMS if _program(program) is None]
    if absent:
        return f"no {', '.join(absent)} (Debian: apt-get install slurm-wlm munge)"
    if SYSTEM_CONFIG.exists():
        return f"this machine belongs to a cluster already ({SYSTEM_CONFIG})"
    return "" if os.geteuid() == 0 else "starting Slurm's daemons needs root"


class Cluster:
    """A running Slurm. cpus: of each node, whatever the machine has; nodes share its real cores.

    completed: the file with a line for each job that ended, as long as the cluster is.
    """

    def __init__(self, folder: Path, nodes: int = 1, cpus: int = 2) -> None:
        self.folder, self.nodes = folder.resolve(), [f"node{number}" for number in range(nodes)]
        self.completed = self.folder / "completed"
        ports = _free_ports(nodes + 1)
        self.environment = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for part in ("munge", "state"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "munge").chmod(0o755)
        lines = [
            f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port}"
            f" CPUs={cpus} RealMemory=256000 State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        text = CONFIG.format(
            host=socket.gethostname(), port=ports[0], folder=self.folder, nodes="\n".join(lines)
        )
        (self.folder / "slurm.conf").write_text(text)
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)

    def __enter__(self) -> "Cluster":
        SYSTEM_CONFIG.parent.mkdir(parents=True, exist_ok=True)
        SYSTEM_CONFIG.unlink(missing_ok=True)  # a link that leads nowhere: of a test that was killed
        SYSTEM_CONFIG.symlink_to(self.folder / "slurm.conf")
        munge = self.folder / "munge"
        self._start(
            "munged",
            [
                *("munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={munge}/key"),
                *(f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed"),
            ],
        )
        _wait_for(lambda: (munge / "socket").exists(), "munged")
        self._start("slurmctld", ["slurmctld", "-D", "-c"])
        for node in self.nodes:
            self.node_up(node)
        _wait_for(lambda: self.ask("sinfo", "-h", "-o", "%D %t") == f"{len(self.nodes)} idle", "idle nodes")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            self._kill(node)
        for name in ("slurmctld", "munged"):
            self._stop(name)
        SYSTEM_CONFIG.unlink()

    def ask(self, *command: str) -> str:
        """Return what a Slurm command prints."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        ).stdout.strip()

    def node_up(self, node: str) -> None:
        self._start(node, ["slurmd", "-D", "-N", node])

    def node_down(self, node: str) -> None:
        """Kill a node's daemon and its jobs, as when the machine loses power."""
        self._kill(node)
        self.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def _kill(self, node: str) -> None:
        jobs = self.ask("squeue", "-h", "-t", "running", "-w", node, "-o", "%A").split()
        self._stop(node, signal.SIGKILL)
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if _is_of(process, jobs):
                    process.kill()

    def _start(self, name: str, command: list[str]) -> None:
        program = _program(command[0])
        assert program is not None
        with open(self.folder / f"{name}.out", "ab") as out:
            self.processes[name] = subprocess.Popen(
                [program, *command[1:]],
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is for us alone, who then stop it
            )

    def _stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.processes.pop(name, None)
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_of(process: psutil.Process, jobs: list[str]) -> bool:
    """Whether a process belongs to one of the jobs, or is the daemon that would tell of its end."""
    title = " ".join(process.cmdline())
    daemons = tuple(f"slurmstepd: [{job}." for job in jobs)
    return title.startswith(daemons) or process.environ().get("SLURM_JOB_ID") in jobs


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} after {seconds} s")
        time.sleep(0.2)
