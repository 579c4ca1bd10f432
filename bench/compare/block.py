"""Times a block of a pair: steps that are thrown away, then steps that are timed."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from bench.compare.pair_result import Sample
from bench.machine.cpu_time import cpu_seconds, worker_ids

# At the start of a block caches are cold, and a pipeline may hold a batch that was ready before: neither its wall nor
# its CPU time is that of a batch. Steps are thrown away until those are gone.
DROP_SECONDS = 0.05


def take(step: Callable[[], object], steps: int) -> Sample:
    """Times `steps` steps in a row."""
    start = perf_counter()
    step()
    while perf_counter() - start < DROP_SECONDS:
        step()
    delay = run_delay_seconds()
    cpu_start, start = cpu_seconds(), perf_counter()
    for _ in range(steps):
        step()
    wall, cpu = perf_counter() - start, cpu_seconds() - cpu_start
    return Sample(steps=steps, wall_seconds=wall, cpu_seconds=cpu, delay_seconds=run_delay_seconds() - delay)


def run_delay_seconds() -> float:
    """How long all threads whose CPU seconds count have waited for a core so far; 0 where the kernel does not tell."""
    total = 0
    for process in ("self", *worker_ids()):
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                with suppress(OSError, IndexError, ValueError):  # a thread that has just ended
                    total += int((task / "schedstat").read_text().split()[1])
    return total / 1e9
