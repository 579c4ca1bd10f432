"""CPU seconds of this process and of its decode workers.

Why not `getrusage(RUSAGE_CHILDREN)`: it counts children only once they have ended and been waited for, and decode
workers live as long as the pipeline. The decode pool reads their clocks while they run. It is looked up among the
loaded modules, never imported: a measurement that uses no decode workers must not load what it does not measure.
"""

import sys
from time import process_time
from types import ModuleType

# The pool's name, and its name in commits from before the tree was rebuilt.
DECODE_POOLS = ("flowers_core.input.decode_pool", "flowers_core.workers")


def cpu_seconds() -> float:
    """CPU seconds, user and system, of all threads of this process and of its decode workers."""
    pool = _decode_pool()
    return process_time() + (pool.cpu_seconds() if pool else 0.0)


def worker_ids() -> tuple[int, ...]:
    """Process ids of the decode workers."""
    pool = _decode_pool()
    if not pool:
        return ()
    return (getattr(pool, "worker_ids", None) or pool.living)()  # what older commits call it


def _decode_pool() -> ModuleType | None:
    """The pool of the package under test; None where nothing has used it, or the commit has none."""
    return next((sys.modules[name] for name in DECODE_POOLS if name in sys.modules), None)
