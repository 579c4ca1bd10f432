"""CPU seconds of this process, of its decode workers, and of all others on the machine.

Why not `getrusage(RUSAGE_CHILDREN)`: it counts children only once they have ended and been waited for, and decode
workers live as long as the pipeline. The decode pool reads their clocks while they run. It is looked up among the
loaded modules, never imported: a measurement that uses no decode workers must not load what it does not measure.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
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


class ForeignLoad:
    """Measures how much of the machine's CPU time others use while we, and children that we wait for, measure."""

    def __init__(self, *measured: int):
        """Starts to watch processes other than this one and those of the given ids."""
        self._measured = measured
        self.start()

    def start(self) -> None:
        """Starts to watch anew."""
        self._busy, self._total, self._own = self._read()

    def _read(self) -> tuple[float, float, float]:
        import psutil

        times = psutil.cpu_times()
        own = sum(sum(times[:4]) for times in self._watched_times())
        total = sum(times[:8])  # user … steal; the guest times after them are counted in user already
        idle = times.idle + getattr(times, "iowait", 0.0)
        return total - idle, total, own

    def _watched_times(self) -> Iterator[tuple[float, ...]]:
        """CPU times of this process, of those that are measured, and of the decode workers of either."""
        import psutil

        measured = [*map(psutil.Process, self._measured)]
        decoders = [
            *map(psutil.Process, worker_ids()),
            *chain.from_iterable(process.children() for process in measured),
        ]
        for process in (psutil.Process(), *measured):
            yield process.cpu_times()
        for process in decoders:
            with suppress(psutil.NoSuchProcess):  # it ended since, and counts with the process it worked for
                yield process.cpu_times()

    def share(self, *, beside: float = 0.0) -> float:
        """CPU time of others (steal by the host included) since the watch began, over all there was; 0 to 1.

        Args:
            beside: CPU seconds of processes that were measured and have ended.
        """
        busy, total, own = self._read()
        if total <= self._total:
            return 0.0
        foreign = (busy - self._busy) - (own - self._own) - beside
        return min(1.0, max(0.0, foreign / (total - self._total)))
