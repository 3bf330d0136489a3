"""Files that are whole or absent: atomic writes, checksums, and JSON that names itself when broken."""

import errno
import glob
import hashlib
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tradeoff.errors import UserError

NEARLY_FULL = 2**16  # bytes


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block ends well, else remove it.

    The file is flushed to disk before the rename, so that a crash leaves the old file or the new one. Who may read it
    is for the umask to say, not for the library that writes it: safetensors would let its owner alone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        temporary.unlink()
        yield temporary
        temporary.chmod(mode)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except Exception as error:
        refused = None if isinstance(error, OSError) else _refused(error, temporary)
        if refused is not None:
            raise OSError(refused, os.strerror(refused), str(path)) from error
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _refused(error: Exception, temporary: Path) -> int | None:
    """Return what the system refused when a library failed to write, as an errno; None when it was something else.

    Not every library raises OSError then: safetensors says it in words, torch not at all.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    written = temporary.stat().st_size if temporary.exists() else 0
    if "File too large" in str(error) or (limit != resource.RLIM_INFINITY and written >= limit):
        return errno.EFBIG
    if "No space left" in str(error) or shutil.disk_usage(temporary.parent).free < NEARLY_FULL:
        return errno.ENOSPC
    return None


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of `path` whose process was killed."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        pid = leftover.name.split(".")[-2]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            leftover.unlink(missing_ok=True)


def sha256_of(path: str | Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces; equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_of(value: Any) -> str:
    """Return a sha256 (hexadecimal) of a JSON-like value's content."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; UserError when it is missing or cut short."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(str(path), "no such file", "a JSON file", "rerun the rule that makes it") from None
    except ValueError as error:
        raise UserError(
            str(path), f"broken JSON ({error})", "a whole JSON file", "delete it and rerun"
        ) from None
