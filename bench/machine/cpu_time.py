"""CPU seconds of this process and of the processes that make its batches."""

import sys
from time import process_time


def cpu_seconds() -> float:
    """CPU seconds, user and system, of all threads of this process and of the processes that make its batches."""
    workers = _workers()
    return process_time() + (workers.cpu_seconds() if workers else 0.0)


def worker_ids() -> tuple[int, ...]:
    """Ids of the processes that make this one's batches."""
    workers = _workers()
    return workers.living() if workers else ()


def _workers():
    """The room that makes them; None where nothing has asked for it, or the code under test is older than it."""
    return sys.modules.get("flowers_core.input.decode_pool")
