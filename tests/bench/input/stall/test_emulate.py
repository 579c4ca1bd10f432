"""Accelerators that sleep."""

import itertools

import pytest

from bench.input.stall import emulate
from bench.input.stall.accelerators import Workload
from bench.run.data_source import Source


def workload(**fields):
    values = {"accelerator": "TPU v2-8", "model": "dense", "batch_size": 4, "image_size": 192, "source": "a test"}
    return Workload(**{**values, "step_seconds": (0.01,), "origin": "published", **fields})


class World:
    """A clock that moves only when somebody waits."""

    def __init__(self, read_seconds):
        self.time, self.reads = 0.0, itertools.cycle(read_seconds)

    def now(self):
        return self.time

    def rest(self, seconds):
        self.time += seconds

    def __iter__(self):
        return self

    def __next__(self):
        self.time += next(self.reads)


def consumed(read_seconds, step_seconds):
    world = World(read_seconds)
    return emulate.consume(world, step_seconds, seconds=10, now=world.now, rest=world.rest)


def test_consume_without_waiting_gives_full_utilisation():
    """Compute time is all the time there is."""
    timed = consumed([0.0], [0.5])

    assert timed["compute_seconds"] == pytest.approx(timed["total_seconds"])
    assert set(timed["wait_seconds"]) == {0.0}


def test_utilisation_is_compute_time_over_total_time():
    """A quarter of the time waited leaves three quarters."""
    timed = consumed([0.1], [0.3])
    emulation = emulate.Emulation(workload=workload(), pipeline="records_parallel", status="ok", **timed)

    assert emulation.utilisation == pytest.approx(0.75)
    assert len(timed["wait_seconds"]) >= 10 / 0.4


def test_consume_repeats_uneven_steps_in_turn():
    """Steps of another machine are taken as they were, again and again."""
    timed = consumed([0.0], [0.2, 0.6])

    assert timed["compute_seconds"] / len(timed["wait_seconds"]) == pytest.approx(0.4, rel=0.05)


def test_emulate_tells_too_little_memory_from_a_failure(synthetic_records):
    """What cannot be fed is n/a with the reason, here before a framework is loaded."""
    huge = emulate.emulate(
        workload(batch_size=10**9), "records_parallel", Source(records=str(synthetic_records)), seconds=0.1
    )

    assert (huge.status, "GB" in huge.reason) == ("n/a", True), huge.reason
