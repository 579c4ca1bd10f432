"""Whole comparisons of identical sides."""

from dataclasses import replace

from bench.compare import sequential_test
from bench.compare.validation import aa_runs


def test_comparisons_are_followed_to_their_verdicts(recorded):
    """Each cell of each comparison is one, with its units and minutes."""
    units = [
        *recorded(6, comparison="20261124T1", turns=0.001, processes=0.001),
        *recorded(6, comparison="20261124T1", cell="convnet", turns=0.001, processes=0.001, seed=2),
        *recorded(6, comparison="20261124T2", turns=0.001, processes=0.001, seed=3),
    ]

    (found,) = aa_runs.replay(units)

    assert found.comparisons == 2
    assert found.cells == {"dense-train": 2, "convnet": 1}
    assert found.words == {"same": 3}
    assert (found.units, found.minutes, found.unfinished, found.alarms) == (4, 4 * 12 / 60, 0, ())
    assert {sum(words.values()) for words in found.rivals.values()} == {3}


def test_an_alarm_is_named(recorded):
    """A false alarm says where it was."""
    (found,) = aa_runs.replay(recorded(4, wall=1.2, cpu=1.2, comparison="20261124T1"))

    assert found.words == {"slower": 1}
    assert found.alarms == ("dense-train slower in 20261124T1",)


def test_sides_that_differ_are_no_false_alarms(recorded):
    """Comparisons of two codes, cells or environments, and planted ones, are not looked at."""
    units = recorded(4, comparison="20261124T1")
    for name, other in (("digest", "d2"), ("cell", {"model": "convnet"}), ("environment", {"A": "1"})):
        assert aa_runs.replay(replace(unit, candidate={**unit.candidate, name: other}) for unit in units) == []
    assert aa_runs.replay(recorded(4, plant=("sleep", 0.15))) == []


def test_only_comparisons_are_followed(recorded):
    """Units of a proof or a calibration, of which a fixed number is run, are no comparisons that came to a verdict."""
    for comparison in ("proof-20261124T1", "calibration-20261124T1"):
        assert aa_runs.replay(recorded(4, comparison=comparison)) == []


def test_holm_has_the_last_word(recorded, monkeypatch):
    """What the cells of a comparison together make an alarm counts as one, as it did when they ran."""
    units = recorded(24, processes=0.2, comparison="20261124T1")
    before = aa_runs.replay(units)[0].words

    monkeypatch.setattr(sequential_test, "holm", lambda verdicts, _: [replace(one, word="slower") for one in verdicts])

    assert (before, aa_runs.replay(units)[0].words) == ({"inconclusive": 1}, {"slower": 1})


def test_a_stopped_comparison_is_unfinished(recorded):
    """What ended before a verdict is counted apart, and loads stand apart."""
    stopped = recorded(3, comparison="20261124T1", load="0.5 core")

    (quiet, beside) = aa_runs.replay([*recorded(4, wall=1.2, cpu=1.2, comparison="20261124T2"), *stopped])

    assert (quiet.load, quiet.unfinished) == ("", 0)
    assert (beside.load, beside.unfinished, beside.words, beside.units, beside.minutes) == (
        "0.5 core",
        1,
        {},
        None,
        None,
    )


def test_the_level_is_shared_among_cells(recorded):
    """What is an alarm alone is none among thousands of cells, as it was when they ran."""
    slower = recorded(4, wall=1.05, cpu=1.05, comparison="20261124T1", processes=0.004)
    many = [unit for number in range(3000) for unit in recorded(1, comparison="20261124T1", cell=f"c{number}")]

    assert aa_runs.replay(slower)[0].words == {"slower": 1}
    assert aa_runs.replay([*slower, *many])[0].words == {}
