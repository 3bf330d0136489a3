"""What every script in workflow_scripts/ shares: errors as one line, and a fixed number of threads."""

import errno
import os
import sys
from collections.abc import Callable, Sequence

from tradeoff.errors import UserError

MEND = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EACCES: "permission denied: make it writable and run the same command again",
    errno.EROFS: "the file system is read-only: make it writable and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
}


def run_script(main: Callable[[Sequence[str] | None], None]) -> None:
    """Call `main(None)`; end with one clear line on stderr and exit status 1 on a mistake users can mend."""
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in MEND:
            raise
        sys.exit(f"error: {error.filename or 'output'}: {MEND[error.errno]}")


def set_threads(threads: int) -> None:
    """Fix the number of threads of torch and of every OpenMP or BLAS library loaded from now on.

    The number comes from params, never from the cores Snakemake happens to have: the order of
    floating-point sums depends on it, and results must not depend on the machine's load.
    """
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    import torch

    torch.set_num_threads(threads)
