"""What is injected: kinds and shares that make sense, waiting that waits, and real work of about the stated size."""

import os
import time
from statistics import median

import pytest

from bench.compare import inject, pair_worker
from bench.results.cell import NO_MODEL, Cell
from bench.run.data_source import Source
from flowers_core.data import images
from flowers_core.errors import InputError


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "magic", "share": 0.1}, {"kind": "sleep"}, {"kind": "none", "share": 0.1}, {"kind": "lock", "share": 2}],
)
def test_injection_refuses_what_makes_no_sense(wrong):
    """An unknown kind, nothing of something and something of nothing are mistakes."""
    with pytest.raises(InputError):
        inject.Injection(**wrong)


@pytest.mark.parametrize("locked", [False, True])
def test_waiting_takes_time_and_no_work(locked):
    """By sleeping or for a lock: time passes, work does not."""
    waiting = inject.Waiting()
    waiting.seconds, waiting.locked = 0.05, locked
    start, cpu = time.perf_counter(), time.process_time()
    waiting()

    assert time.perf_counter() - start >= 0.04
    assert time.process_time() - cpu < 0.04


def test_one_core_is_lost_and_given_back():
    """All threads run on one core, then on all again."""
    cores = os.sched_getaffinity(0)
    core = inject.OneCore()
    core.allow(sorted(cores)[:1])
    alone = os.sched_getaffinity(0)
    core.allow(sorted(cores))

    assert len(alone) == 1
    assert os.sched_getaffinity(0) == cores


def ratio(step, kind, share, clock, *, steps=20):
    """How much longer a step is with something injected: the median over blocks of so many steps."""
    ratios = []
    for _ in range(3):
        step.inject(inject.NONE)
        before = pair_worker.measure_block(step, steps).step_seconds(clock)
        step.inject(inject.Injection(kind=kind, share=share))
        ratios.append(pair_worker.measure_block(step, steps).step_seconds(clock) / before)
    return median(ratios)


def test_step_injector_adds_work():
    """As much arithmetic again as the step does is seen on the CPU clock, far from nothing and from twice as much."""
    work = inject._product()

    assert 1.4 < ratio(inject.StepInjector(lambda: work(1024)), "compute", 1.0, "cpu") < 3.0


@pytest.mark.parametrize("kind", ["sleep", "lock"])
def test_step_injector_waits_a_share_of_the_step(kind, monkeypatch):
    """Each step is followed by a wait for the share of its time, without any work; nothing injected ends it."""
    monkeypatch.setattr(inject, "_seconds", lambda _: (0.2, 0.1))
    step, waits = inject.StepInjector(lambda: None), []
    monkeypatch.setattr(inject.Waiting, "__call__", lambda waiting: waits.append((waiting.seconds, waiting.locked)))
    step.inject(inject.Injection(kind=kind, share=0.5))
    step()
    step.inject(inject.NONE)
    step()

    assert waits == [(0.1, kind == "lock")]


def test_pipeline_injector_adds_decoding(synthetic_photos, synthetic_records, monkeypatch):
    """Twice the decoding costs CPU time in the pipeline's own decoder, and the images stay the same."""
    monkeypatch.setattr(images, "decode", images.decode)  # to be put back
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    cell = Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4)
    step = pair_worker.prepare(cell, source, injectable=True)

    # Long blocks: beside other work a prefetch buffer holds many batches that were made in the block before.
    assert 1.2 < ratio(step, "compute", 0.5, "cpu", steps=200) < 2.0
