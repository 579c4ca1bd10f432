"""How long things take: by earlier ones of this machine, said first, and kept to by a budget of whole rounds."""

from dataclasses import replace

import pytest

from bench.input.formats.campaign import FormatResult
from bench.machine import facts
from bench.results.cell import Cell
from bench.run.durations import UNKNOWN_SECONDS, Budget, Durations, Planned, forecast

CELL = Cell(model="dense")


@pytest.fixture
def here():
    """This machine, as a result has it."""
    return {"id": facts.hardware_id()}


def test_expected_seconds_come_from_the_cell_or_one_like_it(measured, here):
    """The median of the last ones; a stated default for what nobody knows."""
    lasted = [
        replace(measured(machine=here), process_seconds=seconds) for seconds in (1.0, 42.0, 43.0, 41.0, 42.5, 40.0)
    ]
    known = Durations(lasted)

    assert known.expected_seconds(CELL) == 42.0
    assert known.expected_seconds(replace(CELL, precision="mixed_bfloat16")) == 42.0
    assert known.expected_seconds(Cell(model="xception")) == UNKNOWN_SECONDS


def test_expected_seconds_ignore_other_machines(measured):
    """What a cell took elsewhere says nothing here."""
    assert Durations([measured()]).expected_seconds(CELL) == UNKNOWN_SECONDS


def test_processes_of_a_campaign_lasted_until_the_next_began(here):
    """Those begun together are of one process; a pause of hours before `--resume` counts for none."""

    def result(encoding, time, campaign="1"):
        started = f"2026-11-27T{time}+00:00"
        return FormatResult(campaign=campaign, encoding=encoding, pipeline="p", started=started, machine=here)

    known = Durations().note_campaigns(
        [
            *(result("jpeg", "09:00:30"), result("jpeg", "09:00:00"), result("raw", "09:01:10")),
            *(result("raw", "09:01:10"), result("jpeg", "09:01:20"), result("raw", "14:00:00")),
            *(result("jpeg", "10:00:00", campaign="2"), result("yuv", "10:00:34", campaign="2")),
        ],
        lambda read: [read.encoding],
    )

    assert (known.expected(["jpeg"]), known.expected(["raw"])) == (34.0, 10.0)
    assert known.expected(["yuv"]) is None
    assert known.total([["jpeg"], ["raw"], ["raw"]]) == 54.0
    assert known.total([["jpeg"], ["yuv"]]) is None


@pytest.mark.parametrize(
    ("seconds", "budget", "said"),
    [
        (1620.0, None, "9 groups: about 27 min, as earlier ones took here"),
        (None, 600.0, "9 groups: until 10 min are over (`--budget`)"),
        (42.0, 90.0, "9 groups: about 42 s, as earlier ones took here; until 90 s are over (`--budget`)"),
        (None, None, "9 groups: how long is known when the first has ended"),
        (9000.0, None, "9 groups: about 2.5 h, as earlier ones took here"),
    ],
)
def test_forecast_says_what_is_known(seconds, budget, said):
    """What is done, how long that takes and how that is known, and when it ends at the latest."""
    assert forecast("9 groups", seconds, budget=budget) == said


def ended(planned, *steps):
    """How many results a campaign gives whose results take so many seconds, and what it leaves out."""
    clock = iter([0.0, *(sum(steps[: number + 1]) for number in range(len(steps)))])
    budget = Budget(planned, now=lambda: next(clock))
    done = 0
    for _ in steps:
        done += 1
        if not budget.has_time():
            break
    return done, budget.left_out


THREE = Planned(what="groups", rounds=(0, 0, 1, 1, 2, 2), budget_seconds=100.0)


def test_budget_ends_between_whole_rounds():
    """A round is begun if it fits as long as the longest before it took, and then it is ended."""
    assert ended(THREE, 10, 20, 15, 15, 10, 30) == (6, "")
    assert ended(THREE, 20, 20, 20, 20, 20, 20) == (
        4,
        "2 of 6 left out, for which the 100 s of `--budget` are too short; 2 of 3 rounds are whole",
    )
    assert ended(THREE, 10, 30, 10, 60)[0] == 4


def test_budget_leaves_out_what_does_not_fit_into_the_first_round():
    """It is all there is, so that half of it says more than nothing; unless its results come together."""
    done, left_out = ended(THREE, 60, 60)
    assert (done, left_out[:15]) == (1, "5 of 6 left out")
    assert "0 of 3 rounds" in left_out
    assert ended(replace(THREE, is_whole=True), 60, 60)[0] == 2
    assert ended(replace(THREE, budget_seconds=None), 60, 60, 60, 60, 60, 60) == (6, "")


def test_planned_says_rounds():
    """As the line that a command begins with."""
    assert f"{THREE}" == "6 groups in 3 rounds: until 100 s are over (`--budget`)"
