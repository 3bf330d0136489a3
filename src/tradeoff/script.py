"""What every script in workflow_scripts/ shares: errors as one line, an end in time, a fixed number of threads."""

import errno
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tradeoff.errors import UserError

MEND = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EACCES: "permission denied: make it writable and run the same command again",
    errno.EPERM: "not permitted: make it writable and run the same command again",
    errno.EROFS: "the file system is read-only: make it writable and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EFBIG: "larger than files may be here: raise the limit (`ulimit -f`) and run the same command again",
}
OUT_OF_MEMORY = (
    "error: out of memory: let fewer jobs run at once (--cores, or gpu in the profile), or lower compute.probe_batch"
    " or training.batch_size, and run the same command again"
)
# Minutes, and where jobs find them: `runtime` among Snakemake's default resources, see rules/common.smk.
RUNTIME = "TRADEOFF_RUNTIME"


def run_script(main: Callable[[Sequence[str] | None], None]) -> None:
    """Call `main(None)`; end with one clear line on stderr and exit status 1 on a mistake users can mend.

    So it ends, too, when it has not ended after RUNTIME minutes: what was written by then is whole or absent.
    """
    if minutes := os.environ.get(RUNTIME):
        watch = threading.Timer(60 * float(minutes), _give_up, [minutes])
        watch.daemon = True
        watch.start()
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno == errno.ENOMEM:
            sys.exit(OUT_OF_MEMORY)
        if error.errno not in MEND:
            raise
        sys.exit(f"error: {error.filename or 'output'}: {MEND[error.errno]}")
    except (MemoryError, RuntimeError) as error:
        if not _is_want_of_memory(error):
            raise
        sys.exit(OUT_OF_MEMORY)


def set_threads(threads: int) -> None:
    """Fix the number of threads of torch and of every OpenMP or BLAS library loaded from now on.

    The number comes from params, never from the cores Snakemake happens to have: the order of
    floating-point sums depends on it, and results must not depend on the machine's load.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import torch

    torch.set_num_threads(threads)


def _give_up(minutes: str) -> None:
    """End this process at once, whatever it hangs in."""
    sys.stderr.write(
        f"error: {Path(sys.argv[0]).stem}: not done after its runtime of {minutes} minutes; run the same command to"
        " go on where it stopped, with a longer runtime if it was only slow\n"
    )
    sys.stderr.flush()
    os._exit(1)


def _is_want_of_memory(error: Exception) -> bool:
    """Torch says so in words: of the main memory, and of a GPU's."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "can't allocate memory" in words or "out of memory" in words
