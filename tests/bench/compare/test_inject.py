"""What is planted: kinds and shares that make sense, waiting that waits, and real work of about the stated size."""

import os
import time
from statistics import median

import pytest

from bench.compare import block, inject, pair_worker
from bench.results.cell import NO_MODEL, Cell
from bench.run.data_source import Source
from flowers_core.data import images
from flowers_core.errors import InputError


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "magic", "share": 0.1}, {"kind": "sleep"}, {"kind": "none", "share": 0.1}, {"kind": "lock", "share": 2}],
)
def test_what_cannot_be_planted_is_told(wrong):
    """An unknown kind, nothing of something and something of nothing are mistakes."""
    with pytest.raises(InputError):
        inject.Injection(**wrong)


@pytest.mark.parametrize("locked", [False, True])
def test_waiting_takes_the_time_it_should(locked):
    """By sleeping or for a lock: time passes, work does not."""
    waiting = inject.Waiting()
    waiting.seconds, waiting.locked = 0.05, locked
    start, cpu = time.perf_counter(), time.process_time()
    waiting()

    assert time.perf_counter() - start >= 0.04
    assert time.process_time() - cpu < 0.04


def test_a_core_is_lost_and_given_back():
    """All threads run on one core, then on all again."""
    cores = os.sched_getaffinity(0)
    core = inject.OneCore()
    core.allow(sorted(cores)[:1])
    alone = os.sched_getaffinity(0)
    core.allow(sorted(cores))

    assert len(alone) == 1
    assert os.sched_getaffinity(0) == cores


def ratio(step, kind, share, clock, *, steps=20):
    """How much longer a step is with something planted: the median of turns of so many steps taken in between."""
    ratios = []
    for _ in range(5):
        step.inject(inject.NONE)
        before = block.take(step, steps).step_seconds(clock)
        step.inject(inject.Injection(kind=kind, share=share))
        ratios.append(block.take(step, steps).step_seconds(clock) / before)
    return median(ratios)


@pytest.fixture(scope="module")
def step():
    """A step of a small model, with a place for what is planted."""
    return pair_worker.prepare(Cell(model="convnet_gap", image_size=48, batch_size=8), Source(), planted=True)


def test_work_behind_a_step_is_work(step):
    """As much arithmetic again as the step does is seen on the CPU clock, far from nothing and from twice as much."""
    assert 1.4 < ratio(step, "compute", 1.0, "cpu") < 3.0


def test_waiting_behind_a_step_is_only_seen_on_the_wall(step):
    """A sleep as long as the step doubles elapsed time, and costs little CPU time."""
    assert ratio(step, "sleep", 1.0, "wall") > 1.5
    assert ratio(step, "sleep", 1.0, "cpu") < 1.5


def test_decoding_is_planted_into_the_pipeline(synthetic_photos, synthetic_records, monkeypatch):
    """Twice the decoding costs CPU time in the pipeline's own decoder, and the images stay the same."""
    monkeypatch.setattr(images, "decode", images.decode)  # to be put back
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    cell = Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4)
    step = pair_worker.prepare(cell, source, planted=True)

    # Long turns: beside other work a prefetch buffer holds many batches that were made in the turn before.
    assert 1.2 < ratio(step, "compute", 0.5, "cpu", steps=200) < 2.0
