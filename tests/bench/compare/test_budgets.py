"""Absolute budgets: what six processes prove, what fewer leave open, and where the candidate runs."""

import pytest

from bench.compare import budgets
from bench.compare.acknowledged import Budget
from bench.compare.variant import Variant
from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement

CELL = Cell(model=NO_MODEL, pipeline="records_parallel")
FIRST = Budget(what="first_batch", cells=("*",), limit=0.2, reason="a page waits for it")
MEMORY = Budget(what="memory", cells=("*",), limit=1e9)


@pytest.mark.parametrize(
    ("figures", "word"),
    [
        ([0.21, 0.22, 0.25, 0.3, 0.4, 0.5], "exceeded"),
        ([0.19, 0.22, 0.25, 0.3, 0.4, 0.5], "unproven"),
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.201], "unproven"),
        ([0.1, 0.1, 0.1, 0.1, 0.15, 0.2], "within"),
        ([0.5] * 5, "unproven"),
    ],
)
def test_judge_is_sure_only_by_the_whole_interval(figures, word):
    """A budget is exceeded where every one of six processes lies above, within where none does, else unproven."""
    assert budgets.judge(FIRST, figures).word == word


def test_judge_does_not_blame_the_candidate_for_others():
    """What takes too long while others use the CPU is unproven; what holds even so holds."""
    late = budgets.judge(FIRST, [0.3] * 6, busy=0.5)

    assert (late.word, late.reason) == ("unproven", "others used 50% of the CPU meanwhile")
    assert budgets.judge(FIRST, [0.1] * 6, busy=0.5).word == "within"


def test_verdict_reads_as_a_sentence():
    """It names budget, figures and reason, in units that a person reads."""
    sure, unsure = budgets.judge(FIRST, [0.3] * 6), budgets.judge(MEMORY, [], "oom: killed")

    assert str(sure) == (
        "the budget of 200 ms for first batch is exceeded: median between 300 ms and 300 ms (a page waits for it)"
    )
    assert str(unsure) == "the budget of 1.00 GB for memory is unproven: oom: killed"


@pytest.fixture
def answers(monkeypatch):
    """Made-up measurements in place of those of processes, to be filled."""
    made_up = []
    monkeypatch.setattr(Variant, "measure", lambda *_: made_up.pop(0))
    return made_up


def measurement(**fields):
    figures = {"step_seconds": (0.1,) * 5, "step_cpu_seconds": (0.1,) * 5, "images_per_step": 64, "peak_bytes": 10**8}
    return Measurement(**{"cell": CELL, "first_step_seconds": 0.05, **figures, **fields})


def test_check_measures_the_candidate_in_six_processes(answers):
    """As many as an interval of 95 % needs, for all budgets together."""
    answers.extend([measurement()] * (budgets.PROCESSES + 1))
    check = budgets.Check(Variant(name="HEAD", cell=CELL), [FIRST, MEMORY])
    for _ in check.run():
        pass

    assert [verdict.word for verdict in check.verdicts()] == ["within", "within"]
    assert len(answers) == 1


def test_variant_is_measured_in_its_own_environment():
    """The interpreter of its commit, the folder of the harness, and the variables that only it has."""
    calls = []
    variant = Variant(name="HEAD", cell=CELL, python="venv/python", path="harness", environment={"A": "1"})
    variant.measure(budgets.EFFORT, spawn=lambda job, **how: calls.append((job, how)))
    ((job, how),) = calls

    assert job.cell == CELL
    assert how["command"] == ("venv/python", "-P", "-m", "bench.run.measure")
    assert how["variables"] == {"PYTHONPATH": "harness", "A": "1"}


def test_check_ends_at_a_process_that_fails(answers):
    """What cannot be measured is unproven, with the reason."""
    answers.extend([measurement(), measurement(status="oom", reason="killed", step_seconds=())])
    check = budgets.Check(Variant(name="HEAD", cell=CELL), [MEMORY])
    for _ in check.run():
        pass

    assert answers == []
    assert check.verdicts()[0].word == "unproven"
    assert "oom: killed" in check.verdicts()[0].reason


def test_figure_of_a_step_is_of_a_batch():
    """A step that draws two batches of 32 counts as one of them."""
    assert budgets.figure("step", measurement()) == pytest.approx(0.05)
