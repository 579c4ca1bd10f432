"""Keeps freed memory in the process, so that the next step need not ask the kernel for it again."""

import ctypes
import os

# Names of glibc's malloc.h. By default every block from 32 MB on is mapped afresh, and the kernel clears it page by
# page: 1.6 million page faults in a step of squeezenet. Where that is dear, it cost nearly half of a step's CPU
# seconds; elsewhere torch alone gained by keeping memory, a tenth and more.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_VARIABLES = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


def keep_freed() -> bool:
    """Makes the C library keep freed memory; call it before threads start, so before TensorFlow is imported.

    The process then never gets smaller. All blocks come from one arena, for the others cannot hold large ones.

    Returns:
        Whether it does: glibc can, other C libraries stay as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function; no such library
        return False
    return all([mallopt(_ARENA_MAX, 1), mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, -1)])


def variables() -> dict[str, str]:
    """What makes the C library of a process that is still to start do the same; variables that are set stay."""
    return {name: os.environ.get(name, value) for name, value in _VARIABLES.items()}
