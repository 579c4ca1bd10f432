"""Batches that time how long each draw waits: what a step loses to its input, measured directly.

Keras' step draws from a dataset inside its graph, where no clock of ours runs; of any other iterator it draws in
Python, as here. That costs about 0.1 ms a step.
"""

from collections.abc import Callable, Iterable, Iterator
from math import fsum
from time import perf_counter
from typing import Any

from bench.results.cell import RESIDENT, Cell
from bench.run import product

NEGLIGIBLE_SHARE = 0.02  # of the steps' time: draws from full buffers take less


class TimedDraws(Iterator):
    """An iterator over batches that keeps the seconds of each draw."""

    def __init__(self, batches: Iterable, now: Callable[[], float] = perf_counter):
        self._batches, self._now = iter(batches), now
        self.seconds: list[float] = []

    def __next__(self) -> Any:
        start = self._now()
        batch = next(self._batches)
        self.seconds.append(self._now() - start)
        return batch


def clock_draws(cell: Cell, batches: Iterable, *, replicas: int) -> Iterable:
    """Times the draws of a pipeline, except where the framework itself must draw.

    It must on several replicas, among which it splits a batch, where batches go to the device ahead of the step, as
    on JAX, and where a call that runs several steps draws in its loop. A resident batch is never waited for.
    """
    alone = replicas == 1 and not product.backends()[cell.backend].draws_ahead and cell.pipeline != RESIDENT
    return TimedDraws(batches) if alone and cell.steps_per_execution == 1 else batches


def drain(batches: Iterable | None, count: int) -> None:
    """Draws what the pipeline prepared while a step compiled: until it is used up, no step waits."""
    if isinstance(batches, TimedDraws):
        for _ in range(count):
            next(batches)


def may_wait(waits: tuple[float, ...], step_seconds: tuple[float, ...]) -> bool:
    """Whether steps waited for their input, or may have, where their draws were not timed."""
    return not waits or fsum(waits) > NEGLIGIBLE_SHARE * fsum(step_seconds)


def last_waits(batches: Iterable | None, steps: int) -> tuple[float, ...]:
    """Seconds that each of the last steps waited; empty where the draws were not timed."""
    return tuple(batches.seconds[-steps:]) if isinstance(batches, TimedDraws) else ()
