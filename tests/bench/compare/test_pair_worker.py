"""A block: what is thrown away, what is timed, on which clocks."""

import time
from pathlib import Path

import psutil
import pytest

from bench.compare import pair_worker
from bench.machine.cpu_time import ForeignLoad
from flowers_core.input import decode_pool


def test_measure_block_times_so_many_steps():
    """Steps after those thrown away are timed, in number as ordered."""
    calls = []
    sample = pair_worker.measure_block(lambda: calls.append(time.sleep(0.01)), 5)

    assert sample.steps == 5
    assert len(calls) > 5
    assert sample.wall_seconds >= 0.05


def test_measure_block_counts_the_steps_of_a_call():
    """Where a call runs several, the figures are those of one."""
    one, eight = (pair_worker.measure_block(lambda: time.sleep(0.01), 3, steps=steps) for steps in (1, 8))

    assert (one.steps, eight.steps) == (3, 24)
    assert eight.step_seconds("wall") == pytest.approx(eight.wall_seconds / 24)


def test_measure_block_tells_waiting_from_work(monkeypatch):
    """The two clocks tell a sleep from work; that of this thread alone, for others of the process may be at work."""
    monkeypatch.setattr(pair_worker, "cpu_seconds", time.thread_time)
    slept = pair_worker.measure_block(lambda: time.sleep(0.02), 5)
    worked = pair_worker.measure_block(lambda: sum(range(300_000)), 5)

    assert slept.cpu_seconds < 0.2 * slept.wall_seconds
    assert worked.cpu_seconds > 5 * slept.cpu_seconds


def test_measure_block_counts_the_work_of_decode_workers(synthetic_photos):
    """Their CPU time is that of the step which draws their batches, and no load of others."""
    path = next(Path(synthetic_photos).rglob("*.jpg"))
    orders = iter(lambda: [(str(path), 0)] * 50, [])
    batches = decode_pool.decode_batches(orders, kind="photos", image_size=100, batch_size=50, count=1)
    load = ForeignLoad()
    own = time.process_time()
    sample = pair_worker.measure_block(lambda: next(batches), 20)
    own = time.process_time() - own
    mine = sum(times[0] for times in load._watched_times())
    batches.close()

    assert sample.cpu_seconds > own
    assert mine > psutil.Process().cpu_times()[0]


def test_measure_block_throws_the_first_steps_away(monkeypatch):
    """At least one step, and as many as fill the time that caches and buffers need."""
    clock = 0.0
    monkeypatch.setattr(pair_worker, "perf_counter", lambda: clock)

    def steps_taken(seconds):
        count = 0

        def step():
            nonlocal clock, count
            clock += seconds
            count += 1

        pair_worker.measure_block(step, 1)
        return count

    assert steps_taken(pair_worker.DROP_SECONDS / 10) >= 10
    assert steps_taken(1.1 * pair_worker.DROP_SECONDS) == 2


def test_run_delay_counts_this_thread():
    """What the kernel says that the main thread has waited for a core is part of it."""
    before = int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9

    assert pair_worker.run_delay_seconds() >= before
