"""A loader in a process of its own: opens it, then draws batches for a block of time at each order.

`python -m bench.input.loaders.worker` follows a task and then the seconds of each block, see `bench.run.child`. It may
run in an interpreter that has the loader and click, but nothing else of ours.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from time import perf_counter

from bench.input.loaders.task import Task
from bench.run import child

SHARED = "/dev/shm"


def measure_block(batches: Iterator[int], seconds: float, *, now: Callable[[], float] = perf_counter) -> dict:
    """Draws batches for so many seconds; gives how many images came, and how long it took until the last."""
    images, start = 0, now()
    while (passed := now() - start) < seconds:
        images += next(batches)
    return {"images": images, "seconds": passed}


def serve(orders: Iterator[dict], answer: Callable[[dict], None]) -> None:
    """Follows orders until there are no more."""
    job = next(orders)
    try:
        module = import_module(f"bench.input.loaders.{job['module']}")
        batches = getattr(module, job["function"])(Task(**job["task"]))
        next(batches)
    except ImportError as error:
        answer({"absent": f"{error}"})
        return
    except Exception as error:  # whatever stops a loader is its reason
        answer({"error": " ".join(f"{type(error).__name__}: {error}{_place(error)}".split())[:300]})
        return
    answer({"ready": True})
    for order in orders:
        answer(measure_block(batches, order["seconds"]))


def _place(error: Exception) -> str:
    """Where there is no room, of an error that does not say it: semaphores and batches of processes lie there."""
    if not isinstance(error, OSError) or error.errno != errno.ENOSPC or error.filename:
        return ""
    return f" (shared memory, {SHARED}, has {shutil.disk_usage(SHARED).free:,} bytes free: make room, or enlarge it)"


def main() -> None:
    """Serves the parent."""
    serve(*child.connect())


if __name__ == "__main__":
    main()
