"""Measurements become trios of one round each."""

from dataclasses import replace

import pytest

from bench.input.stall import three_runs
from bench.results.cell import Cell


def test_three_measurements_make_a_verdict(three):
    """Pipeline alone, step alone and both of one round give facts and a word."""
    (one,) = three_runs.trios(three(pipeline=0.3, step=0.1, both=0.3, wait=0.2))

    assert one.verdict[0] == "input-bound"
    assert one.stalls == (pytest.approx(2 / 3),)


def test_rounds_pair_within_themselves(three):
    """A drift between rounds leaves the stall alone: step and both of one round are held against each other."""
    slow = three(step=0.2, both=0.25, round=1)
    (one,) = three_runs.trios([*three(step=0.1, both=0.125), *slow])

    assert one.stalls == (pytest.approx(0.2), pytest.approx(0.2))


def test_sweeps_count_together(three):
    """Rounds of several sweeps of the same code are rounds of one cell."""
    (one,) = three_runs.trios([*three(), *three(sweep="t")])

    assert len(one.rounds) == 2


def test_other_code_is_another_trio(three):
    """Figures of two programs never mix."""
    other = three(sweep="t", code={"digest": "other"})

    assert len(three_runs.trios([*three(), *other])) == 2
    assert len(three_runs.latest(three_runs.trios([*three(), *other]))) == 1


def test_a_missing_third_is_no_trio(three):
    """Without the step alone there is nothing to hold the fed one against."""
    pipeline, _, both = three()

    assert three_runs.trios([pipeline, both]) == []


def test_what_failed_says_why(three):
    """A fed cell that ran out of memory is shown with its status and reason."""
    pipeline, step, both = three()
    failed = replace(both, status="oom", reason="too large", step_seconds=(), step_wait_seconds=())
    (one,) = three_runs.trios([pipeline, step, failed])

    assert one.verdict == ("oom", "too large")
    assert one.facts is None


def test_a_wait_that_cannot_be_told_stays_unknown(three):
    """A round without timed draws makes the waiting of all unknown, not 0."""
    (one,) = three_runs.trios([*three(wait=None), *three(round=1)])

    assert one.facts.wait_seconds is None


def test_what_cells_share_is_measured_once():
    """Two models fed by one pipeline need five processes a round, not six; each fed cell follows its step."""
    fed = [Cell(model=model, pipeline="records_parallel", batch_size=8) for model in ("dense", "squeezenet")]
    cells = three_runs.cells(fed)

    assert len(cells) == 5
    assert [cells.index(cell) - cells.index(three_runs.alone(cell)[1]) for cell in fed] == [1, 1]


def test_two_models_are_no_trio(three):
    """A step of 5 classes says nothing of a fed one of 12, as older programs stored them; one of 12 does."""
    pipeline, step, both = three()
    data = {**both.data, "classes": 12}
    both = replace(both, data=data)

    assert not three_runs.trios([replace(pipeline, data=data), step, both])
    assert three_runs.trios([replace(pipeline, data=data), replace(step, data={"classes": 12}), both])
