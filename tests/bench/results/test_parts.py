"""Parts of a step: differences that add up, their intervals, and what is said of those that may be nothing."""

import math
from statistics import median

import pytest
from hypothesis import given, strategies

from bench.results import parts, summary, summary_table
from bench.results.measurement import PROGRAMS, Measurement
from flowers_core.errors import InputError

SECONDS = strategies.floats(1e-4, 10)


def rounds(count=8, *, forward=0.3, backward=0.6, optimizer=0.1, drift=0.0, noise=0.0):
    """Rounds of a machine that gets slower by `drift` a round; the step itself scatters by `noise`."""
    slow = [1 + drift * number for number in range(count)]
    jitter = [noise * (-1) ** number for number in range(count)]
    return {
        "forward": [forward * factor for factor in slow],
        "gradients": [(forward + backward) * factor for factor in slow],
        "step": [(forward + backward + optimizer) * factor + more for factor, more in zip(slow, jitter, strict=True)],
    }


@given(
    strategies.lists(strategies.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=12), strategies.integers(1, 4)
)
def test_parts_add_up_to_the_step(drawn, processes):
    """Whatever the programs took, a negative part among it; each lies within its interval."""
    programs = dict(zip(PROGRAMS, map(list, zip(*drawn, strict=True)), strict=True))
    *found, step = parts.split([programs] * processes)

    assert math.isclose(sum(part.seconds for part in found), step.seconds, abs_tol=1e-9)
    assert all(part.low <= part.seconds <= part.high for part in found)


def test_split_gives_median_interval_and_share():
    """Of one process over its rounds: a drift of all programs widens intervals and moves no share."""
    forward, backward, optimizer, step = parts.split([rounds(9, drift=0.05)])

    assert (forward.name, backward.name, optimizer.name, step.name) == (*parts.PARTS, "step")
    assert forward.seconds == pytest.approx(0.3 * 1.2)
    assert [part.share for part in (forward, backward, optimizer)] == pytest.approx([0.3, 0.6, 0.1])
    assert forward.low < forward.seconds < forward.high
    assert step.share == 1


def test_split_of_several_processes_takes_their_medians():
    """A process is one observation; of fewer than six the interval is their range."""
    optimizers = (0.1, 0.2, 0.12)
    (*_, optimizer, _) = parts.split([rounds(optimizer=value) for value in optimizers])

    assert (optimizer.low, optimizer.seconds, optimizer.high) == pytest.approx((0.1, 0.12, 0.2))


def test_what_may_be_nothing_is_below_the_noise():
    """Nothing is cut off at 0: the interval reaches below it, and the part is named."""
    (*_, optimizer, _) = parts.split([rounds(optimizer=0.001, noise=0.05)])
    table = parts.table([("dense 32", [rounds(optimizer=0.001, noise=0.05)], "")], "batch 32")

    assert optimizer.below_noise
    assert optimizer.low < 0 < optimizer.high
    assert any("below the noise" in note and "optimizer (dense 32)" in note for note in table.notes)
    assert "-" in table.texts()[2][2]


def test_table_has_a_row_for_each_part(measured, terminal):
    """Beside the table of the steps, on a terminal and in Markdown; medians add up where nothing scatters."""
    entry = measured(seen={"detail": {"rounds": rounds()}})
    steps, table = summary_table.tables(summary.by_cell([entry]))
    times = [row[2].centre for row in table.rows]

    assert steps.title.startswith("Steps on a resident batch")
    assert [row[1] for row in table.rows] == [*parts.PARTS, "step"]
    assert sum(times[:3]) == pytest.approx(times[3])
    assert "optimizer" in terminal(table)
    assert any("8 rounds a process" in note for note in table.notes)


def test_reason_stands_in_place_of_parts(measured):
    """A step that nobody can take apart is n/a with its reason; a step that was not asked for has no table."""
    unknown = measured(seen={"detail": {"reason": "its class has its own step"}})
    _, table = summary_table.tables(summary.by_cell([unknown]))

    assert table.rows == ()
    assert table.notes == ("dense 32: n/a: its class has its own step",)
    assert len(summary_table.tables(summary.by_cell([measured()]))) == 1


@pytest.mark.parametrize(
    "detail",
    [
        {"rounds": {"forward": [0.1], "gradients": [0.2]}},
        {"rounds": {"forward": [], "gradients": [], "step": []}},
        {"rounds": {"forward": [0.1], "gradients": [0.2, 0.2], "step": [0.3]}},
        {"rounds": {"forward": ["x"], "gradients": [0.2], "step": [0.3]}},
        {"rounds": [1]},
        {"reason": 1},
    ],
)
def test_damaged_rounds_are_no_measurement(measured, detail):
    """A line whose rounds no table could show is refused where it is read."""
    with pytest.raises(InputError, match="`detail`"):
        Measurement.from_json({**measured().to_json(), "detail": detail})


def test_facts_hold_parts_by_name(measured):
    """Plain seconds with both ends, None where parts were not timed."""
    timed = measured(seen={"detail": {"rounds": rounds()}})
    first, second = summary_table.facts(summary.by_cell([timed, measured(model="convnet")])).records()

    assert timed.command.endswith(" --detail")
    assert first["backward_seconds"] == pytest.approx(median([0.6] * 8))
    assert (first["below_noise"], second["below_noise"]) == ("", "")
    assert second["backward_seconds"] is second["optimizer_low"] is None
