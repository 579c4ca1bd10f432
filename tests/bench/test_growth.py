"""What grows with the store grows no faster than it: in CPU time of this process, which load hardly moves."""

import math
import runpy
import time
from pathlib import Path

import pytest

from bench.report import gather, sections, tensorboard, two_sets
from bench.results import store, summary, summary_table
from bench.results.measurement import Measurement
from bench.run.durations import Durations

GROWTH = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "growth.py"), run_name="growth")
FEW, TIMES, MOST = 480, 4, 7  # lines, how many times as many, and how many times the CPU time they may take


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store of few lines and one of four times as many."""
    folder = tmp_path_factory.mktemp("growth")
    for size in (FEW, TIMES * FEW):
        GROWTH["write_lines"](folder / str(size), size)
    return folder / str(FEW), folder / str(TIMES * FEW)


def _plan(results):
    durations = Durations(store.load(Measurement, results).results)
    cells = {measurement.cell for measurement in store.load(Measurement, results).results}
    return [durations.expected_seconds(cell) for cell in cells]


def _compare(results):
    measurements = store.load(Measurement, results).results
    half = len(measurements) // 2  # whole commits: each measured every cell
    two_sets.beside(measurements[:half], measurements[half:], names=("a", "b"))


COMMANDS = {
    "table": summary_table.text,
    **{
        f"table --all --format {shape}": lambda results, shape=shape: summary_table.text(
            results, everything=True, shape=shape
        )
        for shape in ("terminal", "markdown", "csv")
    },
    "report A B": _compare,
    "report": lambda results: sections.sections(gather.gather(results)),
    "tensorboard": tensorboard.write,
    "sweep --resume": _plan,
}


def _cpu_seconds(command, results, *, enough=0.0) -> float:
    """Least of three, or of fewer where that is enough: what else uses the caches can only add to it."""
    seconds = []
    while len(seconds) < 3 and (not seconds or min(seconds) > enough):
        begin = time.process_time()
        command(results)
        seconds.append(time.process_time() - begin)
    return min(seconds)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_grow_no_faster_than_the_store(name, stores, monkeypatch):
    """Four times the lines take at most seven times the CPU time, where what is quadratic takes sixteen."""
    monkeypatch.setattr(gather, "costs", lambda _: {})  # counted once for each state of the code
    most = MOST * _cpu_seconds(COMMANDS[name], stores[0])

    assert _cpu_seconds(COMMANDS[name], stores[1], enough=most) <= most


def test_lines_share_their_machine(stores):
    """Of a store each machine is in memory once, whatever the load was when each line was measured."""
    read = store.load(Measurement, stores[1]).results
    machines = [measurement.machine for measurement in read]

    assert len({id(machine["distributions"]) for machine in machines}) == 1
    assert len({machine["load_before"] for machine in machines}) > 1000
    assert len({id(measurement.cell) for measurement in read}) == 96
    assert len(summary.current(read)) == 96


def test_exponent_tells_linear_from_quadratic():
    """What the smallest size takes is the start of Python; what adds nothing has no exponent."""

    def runs(seconds):
        sizes = {1: 0.0, 101: 100.0, 401: 400.0}
        return [
            GROWTH["Run"](axis="", command="", size=size, seconds=0, cpu_seconds=seconds(more), peak_bytes=0, code=0)
            for size, more in sizes.items()
        ]

    assert GROWTH["exponent"](runs(lambda more: 0.5 + more / 100)) == pytest.approx(1)
    assert GROWTH["exponent"](runs(lambda more: 0.5 + (more / 100) ** 2)) == pytest.approx(2)
    assert GROWTH["exponent"](runs(lambda _: 0.5)) is None
    assert math.isnan(GROWTH["exponent"](runs(lambda more: 0.5 + (more > 300) / 2)))
