"""Results go to a remote and come back on a fresh clone, over SSH and S3 as through a folder.

With TRADEOFF_FAULTS=full. The server for SSH is Debian's own (apt install openssh-server) on a port of its own, with
a key made for the test; the one for S3 is moto's.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.small_project import SmallProject

pytestmark = pytest.mark.skipif(
    os.environ.get("TRADEOFF_FAULTS") != "full", reason="with TRADEOFF_FAULTS=full"
)
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port, server):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(port)


@pytest.fixture
def ssh(tmp_path):
    """The settings of a remote on an SSH server of this user's."""
    if not SSHD:
        pytest.skip("no sshd (Debian: apt install openssh-server)")
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)], check=True)
    shutil.copy(keys / "user.pub", keys / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd drops its privileges
    port = free_port()
    options = {
        "ListenAddress": "127.0.0.1",
        "Port": port,
        "HostKey": keys / "host",
        "AuthorizedKeysFile": keys / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    (keys / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    server = subprocess.Popen([SSHD, "-D", "-f", str(keys / "config")])
    wait_for(port, server)
    place = tmp_path / "remote"
    place.mkdir()
    yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}{place}\n    keyfile = {keys / 'user'}", place
    server.terminate()
    server.wait()


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """The settings of a remote in a bucket of a server that speaks S3."""
    for name, value in {
        "ACCESS_KEY_ID": "any",
        "SECRET_ACCESS_KEY": "any",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(port, server)
    import boto3

    address = f"http://127.0.0.1:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="results")
    yield f"s3://results/store\n    endpointurl = {address}", None
    server.terminate()
    server.wait()


@pytest.mark.parametrize("kind", ["ssh", "s3"])
def test_a_fresh_clone_gets_its_results_from_the_remote_and_has_nothing_to_do(kind, request, tmp_path):
    settings, place = request.getfixturevalue(kind)
    project = SmallProject.make(tmp_path / "first", remote=settings)
    clone = project.cloned(tmp_path / "clone")
    if place:
        assert list(place.rglob("*")), "nothing went through the server"
    assert clone.table() == project.table()
    assert clone.settled()
