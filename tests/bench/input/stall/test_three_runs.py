"""Measurements grouped by fed cell and round."""

from dataclasses import replace

import pytest

from bench.input.stall import stall_table, three_runs
from bench.results.cell import Cell


def test_three_measurements_make_a_verdict(three):
    """Pipeline alone, step alone and both of one round give facts and a verdict."""
    (runs,) = three_runs.group(three(pipeline=0.3, step=0.1, both=0.3, wait=0.2))

    assert runs.verdict[0] == "input-bound"
    assert runs.stalls == (pytest.approx(2 / 3),)


def test_rounds_pair_within_themselves(three):
    """A drift between rounds leaves the stall alone: step and both of one round are compared."""
    slow = three(step=0.2, both=0.25, round=1)
    (runs,) = three_runs.group([*three(step=0.1, both=0.125), *slow])

    assert runs.stalls == (pytest.approx(0.2), pytest.approx(0.2))


def test_sweeps_of_the_same_code_count_together(three):
    """Their rounds are rounds of one cell."""
    (runs,) = three_runs.group([*three(), *three(sweep="t")])

    assert len(runs.rounds) == 2


def test_other_code_is_another_group(three):
    """Figures of two programs never mix."""
    groups = three_runs.group([*three(), *three(sweep="t", code={"digest": "other"})])

    assert len(groups) == 2
    assert len(three_runs.latest(groups)) == 1


def test_without_the_step_alone_there_is_no_group(three):
    """Nothing is left to compare the fed one with."""
    pipeline, _, both = three()

    assert three_runs.group([pipeline, both]) == []


def test_failed_runs_say_why(three):
    """A fed cell that ran out of memory is shown with its status and reason."""
    pipeline, step, both = three()
    failed = replace(both, status="oom", reason="too large", step_seconds=(), step_wait_seconds=())
    (runs,) = three_runs.group([pipeline, step, failed])

    assert runs.verdict == ("oom", "too large")
    assert runs.facts is None


def test_a_wait_that_was_not_timed_stays_unknown(three):
    """A round without timed reads makes the waiting of all unknown, not 0."""
    (runs,) = three_runs.group([*three(wait=None), *three(round=1)])

    assert runs.facts.wait_seconds is None


def test_cells_share_what_is_measured_once():
    """Two models fed by one pipeline need five processes per round, not six; each fed cell follows its step."""
    fed = [Cell(model=model, pipeline="records_parallel", batch_size=8) for model in ("dense", "squeezenet")]
    cells = three_runs.cells(fed)

    assert len(cells) == 5
    assert [cells.index(cell) - cells.index(three_runs.parts(cell)[1]) for cell in fed] == [1, 1]


def test_models_of_other_class_counts_are_not_grouped(three):
    """A step of 5 classes says nothing of a fed one of 12, as older programs stored them; one of 12 does."""
    pipeline, step, both = three()
    data = {**both.data, "classes": 12}
    pipeline, both = replace(pipeline, data=data), replace(both, data=data)

    assert not three_runs.group([pipeline, step, both])
    assert three_runs.group([pipeline, replace(step, data={"classes": 12}), both])


def test_pipelines_as_chosen_are_verdicts_of_their_own(three):
    """The pipeline alone is measured as it feeds the model; tables do not mix the two."""
    plain = Cell(model="dense", pipeline="records_parallel", batch_size=8)
    chosen = replace(plain, prefetch=0)
    groups = three_runs.group([*three(fed=plain), *three(fed=chosen, sweep="t", both=0.2)])

    assert [runs.cell for runs in groups] == [plain, chosen]
    assert [table.title.partition(" (")[0] for table in stall_table.tables(groups)] == [
        "Fed by records_parallel", "Fed by records_parallel prefetch 0",
    ]  # fmt: skip
