"""Comparisons run by a made-up recorder: who takes turns, when each stops, what a budget and failures do."""

import math
import random
from datetime import date

import pytest

from bench.compare import comparison
from bench.compare.acknowledged import Acknowledged, Budget, Slowdown
from bench.compare.comparison import PairRuns
from bench.compare.comparison_result import Comparison
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import LOOKS, Rule
from bench.compare.variant import Variant, VariantPair
from bench.results import store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from flowers_core.errors import InputError, RunFailed


def variant_pair(model="dense"):
    cell = Cell(model=model, batch_size=8)
    return VariantPair(Variant(name="base", cell=cell), Variant(name="candidate", cell=cell))


@pytest.fixture
def recorder(paired):
    """Makes a recorder: cells of `slow` are 10 % slower, those of `deadly` die; all else differs by noise.

    Where a mark begins with a word of `moved`, that is 10 % off the truth.
    """

    def make(*, slow=(), deadly=(), moved=(), noise=0.01):
        dice = random.Random(1)
        order = []

        def record(base, candidate, *, comparison):
            model = base.cell.model
            order.append(model)
            facts = {"comparison": comparison, "cell": base.cell.id}
            if model in deadly:
                return [paired(status="error", reason="base: it printed: no luck", **facts)]
            effect = 0.10 if model in slow and candidate is not base else 0.0
            if comparison.startswith(moved):
                effect = 0.10 - effect
            wall, cpu = (math.exp(effect + dice.gauss(0, noise)) for _ in range(2))
            return [paired(wall, cpu, **facts)]

        record.order = order
        return record

    return make


def run(variant_pairs, results, record, **how):
    runs = PairRuns(record=record, **how.pop("runs", {}))
    (*_, last) = comparison.run(
        variant_pairs, results, rule=how.pop("rule", Rule(cells=len(variant_pairs))), runs=runs, **how
    )
    return last


def test_run_finds_the_slow_cell_alone(tmp_path, recorder):
    """One cell of three is slower, and the others are the same."""
    variant_pairs = [variant_pair(model) for model in ("dense", "squeezenet", "mobilenetv2")]
    trials = run(variant_pairs, tmp_path, recorder(slow=("squeezenet",)))

    assert [trial.verdict.word for trial in trials] == ["same", "slower", "same"]
    assert trials[1].verdict.ratio == pytest.approx(1.10, abs=0.02)


def test_run_lets_cells_take_turns_until_their_verdict(tmp_path, recorder):
    """A round gives each cell a pair, so that a drift hits all; one that has a verdict takes no more turns."""
    record = recorder(slow=("squeezenet",), noise=0.005)
    trials = run([variant_pair("dense"), variant_pair("squeezenet")], tmp_path, record)

    assert record.order[:8] == ["dense", "squeezenet"] * 4
    assert {len(trial.pairs) for trial in trials} <= set(LOOKS)


def test_run_stores_pairs_as_they_come(tmp_path, recorder):
    """What was measured is on the disk before the next pair begins."""
    seen = 0
    for trials in comparison.run([variant_pair()], tmp_path, rule=Rule(), runs=PairRuns(record=recorder())):
        assert len(store.load(PairResult, tmp_path).results) == len(trials[0].pairs) >= seen
        seen = len(trials[0].pairs)

    assert seen >= LOOKS[0]


def test_run_gives_up_a_cell_after_three_failures_in_a_row(tmp_path, recorder):
    """The reason is kept, the other cells go on."""
    trials = run([variant_pair("dense"), variant_pair("squeezenet")], tmp_path, recorder(deadly=("dense",)))

    assert (trials[0].verdict.word, len(trials[0].failures)) == ("inconclusive", 3)
    assert "no luck" in trials[0].verdict.reason
    assert trials[1].verdict.word == "same"


def test_run_drops_and_counts_a_failure_now_and_then(tmp_path, paired):
    """A pair that died does not count, and a whole one after it forgives it."""
    results = iter(
        [paired(), paired(status="error", reason="killed"), paired(), paired(status="error"), *[paired()] * 2]
    )
    trials = run([variant_pair()], tmp_path, lambda *_, **__: [next(results)])

    assert (trials[0].verdict.word, len(trials[0].pairs), len(trials[0].failures)) == ("same", 4, 2)


def test_run_ends_with_its_budget(tmp_path, recorder):
    """What has no verdict when the time is over is inconclusive, and says so."""
    clock = iter(range(0, 10_000, 30))
    trials = run([variant_pair()], tmp_path, recorder(noise=0.3), budget_seconds=300, now=lambda: next(clock))

    assert trials[0].verdict.word == "inconclusive"
    assert "budget" in trials[0].verdict.reason
    assert 0 < len(trials[0].pairs) < LOOKS[-1]


def test_check_budget_refuses_less_than_a_look():
    """Four pairs are the least; the message says how long they take."""
    with pytest.raises(InputError, match="at least 4 pairs"):
        comparison.check_budget(20, 3)

    comparison.check_budget(None, 3)
    comparison.check_budget(600, 3)


def test_run_keeps_what_an_interrupted_comparison_says(tmp_path, recorder):
    """After Ctrl-C each cell is inconclusive with what its pairs say, and pairs and verdict are kept."""
    running = comparison.run([variant_pair()], tmp_path, rule=Rule(), runs=PairRuns(record=recorder(noise=0.01)))
    for _ in range(4):
        trials = next(running)
    running.close()
    (kept,) = store.load(Comparison, tmp_path).results

    assert (trials[0].verdict.word, trials[0].verdict.reason) == ("inconclusive", "interrupted")
    assert trials[0].verdict.estimates["wall"].ratio == pytest.approx(1.0, abs=0.05)
    assert len(store.load(PairResult, tmp_path).results) == 3
    assert kept.cells[0].verdict == trials[0].verdict


def test_run_stores_its_verdicts(tmp_path, recorder):
    """The store has one line a comparison: what ran, by which rule, and of each cell verdict, times and pairs."""
    variant_pairs = [variant_pair("dense"), variant_pair("squeezenet")]
    trials = run(variant_pairs, tmp_path, recorder(slow=("squeezenet",)), title="main v HEAD")
    (kept,) = store.load(Comparison, tmp_path).results

    assert (kept.title, kept.base["name"], kept.rule["cells"]) == ("main v HEAD", "base", 2)
    assert {kept.comparison} == {pair.comparison for pair in store.load(PairResult, tmp_path).results}
    assert [cell.verdict for cell in kept.cells] == [trial.verdict for trial in trials]
    assert kept.cells[1].verdict.word == "slower"
    assert kept.cells[1].step_seconds["wall"][0] == pytest.approx(0.1)


def test_left_seconds_shrink(tmp_path, recorder):
    """Each pair brings the end nearer; with a verdict nothing is left."""
    left = [
        trials[0].left_seconds()
        for trials in comparison.run([variant_pair()], tmp_path, rule=Rule(), runs=PairRuns(record=recorder()))
    ]

    assert left[0] > left[3]
    assert left[-1] == 0


def test_run_proves_nothing_where_the_control_moves(tmp_path, recorder):
    """If the base against itself comes out slower, no verdict of the comparison counts, and the store says why."""
    record = recorder(slow=("dense",), moved=("control-",))
    (trial,) = run([variant_pair()], tmp_path, record, runs={"control": True})
    (stored,) = store.load(Comparison, tmp_path).results

    assert trial.verdict.word == "unproven"
    assert "the base against itself came out" in trial.verdict.reason
    assert stored.cells[0].verdict.word == stored.control.verdict.word == "unproven"


def test_run_keeps_verdicts_where_the_control_holds(tmp_path, recorder):
    """The control runs beside the first pairs, under a mark of its own, and is no trial."""
    trials = run([variant_pair()], tmp_path, recorder(slow=("dense",)), runs={"control": True})
    marks = [result.comparison for result in store.load(PairResult, tmp_path).results]

    assert [trial.verdict.word for trial in trials] == ["slower"]
    assert sum(mark.startswith("control-") for mark in marks) == comparison.CONTROL_PAIRS
    assert marks[1].startswith("control-")


def test_run_confirms_an_alarm_by_a_second_build(tmp_path, recorder):
    """What is slower in both builds is slower; its reason says how sure."""
    (trial,) = run([variant_pair()], tmp_path, recorder(slow=("dense",)), runs={"rebuild": lambda variants: variants})

    assert trial.verdict.word == "slower"
    assert trial.verdict.reason.startswith("confirmed by fresh builds and pairs: wall 1.1")
    assert len(trial.confirmation) == LOOKS[0]


def test_run_raises_no_alarm_that_a_second_build_does_not_confirm(tmp_path, recorder):
    """What is slower in one build alone was slower by luck of its layout."""
    record = recorder(slow=("dense",), moved=("confirmation-",))
    (trial,) = run([variant_pair()], tmp_path, record, runs={"rebuild": lambda variants: variants})

    assert trial.verdict.word == "inconclusive"
    assert "did not confirm" in trial.verdict.reason


def test_run_leaves_an_alarm_that_cannot_be_built_again(tmp_path, recorder):
    """Where the second build fails the verdict stands, and says that nothing confirmed it."""

    def rebuild(_):
        raise RunFailed("no disk")

    (trial,) = run([variant_pair()], tmp_path, recorder(slow=("dense",)), runs={"rebuild": rebuild})

    assert (trial.verdict.word, trial.verdict.reason) == ("slower", "not confirmed: no disk")


def test_run_marks_what_is_acknowledged(tmp_path, recorder):
    """An accepted slowdown keeps its verdict, and is stored with the reason; others are not."""
    slowdown = Slowdown(reason="more layers", cells=("squeezenet-*",), at_most=1.2, until=date.max)
    record = recorder(slow=("squeezenet", "dense"))
    accepted = {"acknowledged": Acknowledged(slowdowns=(slowdown,))}
    trials = run([variant_pair("dense"), variant_pair("squeezenet")], tmp_path, record, runs=accepted)
    (stored,) = store.load(Comparison, tmp_path).results

    assert [trial.final.word for trial in trials] == ["slower", "slower"]
    assert [cell.acknowledged for cell in stored.cells] == ["", "more layers"]


def test_run_checks_budgets_of_the_candidate(tmp_path, recorder, monkeypatch):
    """A process that fails leaves a budget unproven, and that is stored; cells without budgets are not measured."""
    failed = Measurement(cell=Cell(model="dense"), status="oom", reason="killed")
    monkeypatch.setattr(Variant, "measure", lambda *_: failed)
    limits = Acknowledged(budgets=(Budget(what="memory", cells=("dense-*",), limit=1e9),))
    pairs = [variant_pair("dense"), variant_pair("squeezenet")]
    run(pairs, tmp_path, recorder(), runs={"acknowledged": limits})
    (stored,) = store.load(Comparison, tmp_path).results

    assert [[budget.word for budget in cell.budgets] for cell in stored.cells] == [["unproven"], []]


def test_trial_drops_pairs_whose_instructions_were_not_counted(paired):
    """Where the rule looks at instructions, a pair without them is a failure, not an error in a logarithm."""
    rule = Rule(clocks=("wall", "cpu", "instructions"))
    trial = comparison.Trial(variants=variant_pair())
    trial.enter(paired(1.0), rule)

    assert trial.pairs == []
    assert trial.failures[0].reason == "its instructions were not counted"
