"""How a script ends: on mistakes, for want of memory, and when it hangs."""

import subprocess
import sys

import pytest

from tests.workflow import ROOT


def ended(body, **environment):
    """Return (status, lines on stderr) of a script whose main does `body`."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    code = f"from tradeoff.script import run_script\ndef main(argv):\n{indented}run_script(main)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        # Python 3.11 leaves half a module's bytecode where it may not write the whole.
        env={"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.returncode, result.stderr.splitlines()


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError",
        # As torch words it, for the main memory and for a GPU's.
        'raise RuntimeError("[enforce fail at alloc_cpu.cpp:113] DefaultCPUAllocator: can\'t allocate memory")',
        'raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")',
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\nbytearray(2**30)",
        "import os, errno\nraise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))",
    ],
)
def test_want_of_memory_is_one_line_that_says_what_to_lower(body):
    status, lines = ended(body)
    assert status == 1
    assert len(lines) == 1
    assert "out of memory" in lines[0] and "--cores" in lines[0] and "probe_batch" in lines[0]


def test_another_runtime_error_is_shown_in_full():
    status, lines = ended('raise RuntimeError("shapes differ")')
    assert status == 1
    assert lines[0].startswith("Traceback") and lines[-1] == "RuntimeError: shapes differ"


def test_a_file_over_the_limit_is_one_line(tmp_path):
    body = f"""import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from tradeoff.files import whole_file
with whole_file({str(tmp_path / "x")!r}) as temporary:
    temporary.write_bytes(bytes(2000))"""
    status, lines = ended(body)
    assert status == 1
    assert len(lines) == 1 and "ulimit -f" in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", ["import time\ntime.sleep(60)", "while True:\n    sum(range(10**6))"])
def test_a_script_that_hangs_is_ended_after_its_runtime(body):
    status, lines = ended(body, TRADEOFF_RUNTIME="0.005")
    assert status == 1
    assert len(lines) == 1 and "runtime of 0.005 minutes" in lines[0]


def test_a_script_that_ends_in_time_is_left_alone():
    assert ended("pass", TRADEOFF_RUNTIME="1") == (0, [])
