"""What the page takes from a store."""

from bench.report import gather
from bench.results import store, summary


def test_latest_figure_of_each_cell_is_shown(measured):
    """Of two codes the later one; another machine or other data is another figure."""
    old = measured(seconds=(0.2,) * 3)
    new = measured(seconds=(0.1,) * 3, code={"digest": "new"})
    other = measured(seconds=(0.3,) * 3, machine={"id": "other"})
    shown = gather.latest(summary.by_cell([old, new, other]))

    assert sorted(figure.batch_seconds for figure in shown) == [0.1, 0.3]


def test_verdicts_are_those_that_were_given(tmp_path, paired, compared):
    """What a comparison stored is shown whatever its pairs say, the latest comparison first."""
    for started, word in (("2026-11-24", "slower"), ("2026-11-25", "same")):
        store.append(compared(started=started, dense=word), tmp_path)
    store.append(paired(1.0), tmp_path)
    gathered = gather.gather(tmp_path)

    assert [comparison.cells[0].verdict.word for comparison in gathered.comparisons] == ["same", "slower"]
    assert gathered.undecided == ()


def test_comparison_without_a_verdict_is_not_decided_again(paired, compared):
    """Only its pairs are counted; what was recorded for validation is no comparison."""
    pairs = [paired(1.5, comparison=mark) for mark in ("20261123T100000Z", "20261124T120000Z", "validation-2026")]
    (undecided,) = gather.undecided([*pairs, pairs[0]], [compared(dense="same")])

    assert (undecided.comparison, undecided.cells, undecided.pairs) == ("20261123T100000Z", 1, 2)


def test_empty_store_is_gathered(tmp_path):
    """There is nothing, and nothing is wrong."""
    gathered = gather.gather(tmp_path)

    assert (gathered.summaries, gathered.comparisons, gathered.history, gathered.damaged) == ((), (), None, ())


def test_damaged_lines_of_every_kind_are_told(tmp_path, paired):
    """Not only those of measurements."""
    path = store.append(paired(), tmp_path)
    path.write_text("{half")

    assert gather.gather(tmp_path).damaged[0].startswith("lab.jsonl:1")
