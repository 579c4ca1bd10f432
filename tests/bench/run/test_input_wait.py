"""Draws that are timed."""

import itertools
from dataclasses import replace

import pytest

from bench.results.cell import Cell
from bench.run import input_wait, measure
from bench.run.data_source import Source
from bench.run.timing import Effort

FED = Cell(model="dense_single", pipeline="records_parallel", batch_size=4)


def test_timed_draws_keep_the_seconds_of_each():
    """A clock that ticks once a look says 1 for every draw."""
    ticks = itertools.count()
    batches = input_wait.TimedDraws(["a", "b"], now=lambda: next(ticks))

    assert list(batches) == ["a", "b"]
    assert batches.seconds == [1, 1]
    assert input_wait.last_waits(batches, 1) == (1,)


@pytest.mark.parametrize(
    ("cell", "replicas"),
    [
        (FED, 2),
        (replace(FED, steps_per_execution=8), 1),
        (Cell(model="dense"), 1),
        (Cell(model="dense", pipeline="records_parallel", backend="jax", xla=True), 1),
    ],
)
def test_clock_draws_leaves_the_framework_its_own(cell, replicas):
    """Several replicas, several steps a call, JAX and resident batches keep their own iterator."""
    batches = iter(())

    assert input_wait.clock_draws(cell, batches, replicas=replicas) is batches
    assert input_wait.last_waits(batches, 3) == ()


def test_measure_stores_how_long_steps_waited(synthetic_photos, synthetic_records):
    """A measured step has one wait a step, each shorter than the step; a resident one has none."""
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    effort = Effort(seconds=0.05, least_steps=2)
    done = measure.measure(measure.Job(cell=FED, effort=effort, source=source))

    assert done.status == "ok", done.reason
    assert len(done.step_wait_seconds) == len(done.step_seconds)
    assert all(0 < wait < step for wait, step in zip(done.step_wait_seconds, done.step_seconds, strict=True))


def test_drain_takes_what_was_prepared():
    """Of an iterator that is watched so many batches are gone; any other is left alone."""
    watched, other = input_wait.TimedDraws(range(10)), iter(range(10))
    input_wait.drain(watched, 4)
    input_wait.drain(other, 4)

    assert (next(watched), next(other)) == (4, 0)


@pytest.mark.parametrize(("waits", "found"), [((), True), ((0.0, 0.0, 0.001), False), ((0.0, 0.0, 0.5), True)])
def test_may_wait_tells_full_buffers_from_waiting(waits, found):
    """Where nobody timed the draws, they may have."""
    assert input_wait.may_wait(waits, (0.3, 0.3, 0.3)) is found
