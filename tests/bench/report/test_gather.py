"""What the page takes from a store."""

from bench.report import gather
from bench.results import store, summary
from bench.results.measurement import Measurement


def test_the_latest_of_each_cell_is_shown(measured):
    """Of two codes the later one; another machine or other data is another figure."""
    old = measured(seconds=(0.2,) * 3)
    new = measured(seconds=(0.1,) * 3, code={"digest": "new"})
    other = measured(seconds=(0.3,) * 3, machine={"id": "other"})
    shown = gather.latest(summary.by_cell([old, new, other]))

    assert sorted(one.batch_seconds for one in shown) == [0.1, 0.3]


def test_verdicts_are_made_again_from_units(paired):
    """Each cell of each comparison, the latest comparison first; what was recorded for a proof is left out."""
    units = [paired(1.0, comparison="20261124T100000Z") for _ in range(4)]
    units += [paired(1.10 + n / 1000, comparison="20261125T100000Z") for n in range(4)]
    units += [paired(2.0, comparison="proof-20261126T100000Z")]
    found = gather.compared(units)

    assert [(one.comparison[:8], one.verdict.word) for one in found] == [("20261125", "slower"), ("20261124", "same")]


def test_a_comparison_is_judged_by_its_own_rule(paired):
    """What is the same within 3 % may not be so within 1 %."""
    ratios = (1.0, 1.02, 1.0, 1.02)
    wide = [paired(ratio, comparison="20261124T100000Z") for ratio in ratios]
    narrow = [paired(ratio, comparison="20261125T100000Z", margin=0.01) for ratio in ratios]

    assert [one.verdict.word for one in gather.compared([*wide, *narrow])] == ["inconclusive", "same"]


def test_units_that_died_decide_nothing(paired):
    """A comparison of dead pairs is inconclusive."""
    (one,) = gather.compared([paired(status="error", reason="killed")])

    assert (one.verdict.word, one.verdict.pairs) == ("inconclusive", 0)


def test_an_accelerator_is_judged_by_the_wall_clock(paired):
    """Its work shows in no CPU second."""
    side = {"name": "a", "cell": {"model": "dense", "device": "gpu"}}
    (one,) = gather.compared([paired(1.1 + n / 1000, cpu=1.0, base=side, candidate=side) for n in range(4)])

    assert (one.verdict.word, set(one.verdict.estimates)) == ("slower", {"wall"})


def test_an_empty_store_is_gathered(tmp_path):
    """There is nothing, and nothing is wrong."""
    found = gather.gather(tmp_path)

    assert (found.summaries, found.compared, found.outcomes, found.history, found.damaged) == ((), (), (), None, ())
    assert store.load(Measurement, tmp_path).results == ()
