"""Batches that time how long each draw waits: what a step loses to its input, measured directly.

Keras' step draws from a dataset inside its graph, where no clock of ours runs; of any other iterator it draws in
Python, as here. That costs about 0.1 ms a step.
"""

from collections.abc import Callable, Iterator
from math import fsum
from time import perf_counter

from bench.results.cell import RESIDENT, Cell

NOTHING_SHARE = 0.02  # of the steps' time: what draws from full buffers take


class Waiting(Iterator):
    """An iterator over batches that keeps the seconds of each draw."""

    def __init__(self, batches, now: Callable[[], float] = perf_counter):
        self._batches, self._now = iter(batches), now
        self.seconds: list[float] = []

    def __next__(self):
        start = self._now()
        batch = next(self._batches)
        self.seconds.append(self._now() - start)
        return batch


def watched(cell: Cell, batches, *, replicas: int):
    """Batches of a pipeline that time their draws; as they are where the framework itself must draw.

    That is on several replicas, which share a batch out, on JAX, whose batches go to the device ahead of the step,
    and from a resident batch, for which nothing waits.
    """
    alone = replicas == 1 and cell.backend == "tensorflow" and cell.pipeline != RESIDENT
    return Waiting(batches) if alone else batches


def drain(batches, count: int) -> None:
    """Draws what was made ready while a step compiled; no step would wait until it was used up."""
    if isinstance(batches, Waiting):
        for _ in range(count):
            next(batches)


def waited(waits: tuple[float, ...], step_seconds: tuple[float, ...]) -> bool:
    """Whether steps waited for their input, or may have: where the draws were not timed nobody knows."""
    return not waits or fsum(waits) > NOTHING_SHARE * fsum(step_seconds)


def of_last(batches, steps: int) -> tuple[float, ...]:
    """Seconds that each of the last steps waited; empty where the draws were not timed."""
    return tuple(batches.seconds[-steps:]) if isinstance(batches, Waiting) else ()
