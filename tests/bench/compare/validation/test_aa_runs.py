"""Comparisons of identical variants, from start to verdict."""

from dataclasses import replace

import pytest

from bench.compare import sequential_test
from bench.compare.validation import aa_runs

QUIET = {"blocks": 0.001, "processes": 0.001}


def test_each_cell_of_each_run_is_followed(recorded):
    """Each cell of each run is a comparison, with its pairs and minutes."""
    pairs = [
        *recorded(6, comparison="20261124T1", **QUIET),
        *recorded(6, comparison="20261124T1", cell="convnet", seed=2, **QUIET),
        *recorded(6, comparison="20261124T2", seed=3, **QUIET),
    ]

    (runs,) = aa_runs.follow(pairs)

    assert runs.runs == 2
    assert runs.cells == {"dense-train": 2, "convnet": 1}
    assert runs.verdicts == {"same": 3}
    assert (runs.pairs, runs.minutes, runs.unfinished, runs.false_alarms) == (4, 4 * 12 / 60, 0, ())
    assert {sum(said.values()) for said in runs.other_tests.values()} == {3}


def test_false_alarm_is_named(recorded):
    """A false alarm says where it was."""
    (runs,) = aa_runs.follow(recorded(4, wall=1.2, cpu=1.2, comparison="20261124T1"))

    assert runs.verdicts == {"slower": 1}
    assert runs.false_alarms == ("dense-train slower in 20261124T1",)


@pytest.mark.parametrize(("name", "other"), [("digest", "d2"), ("cell", {"model": "x"}), ("environment", {"A": "1"})])
def test_different_variants_are_left_out(recorded, name, other):
    """Comparisons of two codes, cells or environments are not A/A runs."""
    pairs = recorded(4, comparison="20261124T1")

    assert aa_runs.follow(replace(pair, candidate={**pair.candidate, name: other}) for pair in pairs) == []


def test_other_pairs_are_left_out(recorded):
    """Injections, recordings and calibrations, of which a fixed number is run, are no comparisons with a verdict."""
    assert aa_runs.follow(recorded(4, injection=("sleep", 0.15), comparison="20261124T1")) == []
    for comparison in ("validation-20261124T1", "proof-20261124T1", "calibration-20261124T1"):
        assert aa_runs.follow(recorded(4, comparison=comparison)) == []


def test_holm_has_the_last_word(recorded, monkeypatch):
    """What the cells of a comparison together make an alarm counts as one, as it did when they ran."""
    pairs = recorded(24, processes=0.2, comparison="20261124T1")
    before = aa_runs.follow(pairs)[0].verdicts

    monkeypatch.setattr(
        sequential_test, "holm", lambda verdicts, _: [replace(verdict, word="slower") for verdict in verdicts]
    )

    assert (before, aa_runs.follow(pairs)[0].verdicts) == ({"inconclusive": 1}, {"slower": 1})


def test_stopped_comparison_is_unfinished(recorded):
    """What ended before a verdict is counted apart, and loads are separate."""
    stopped = recorded(3, comparison="20261124T1", load="0.5 core")

    quiet, loaded = aa_runs.follow([*recorded(4, wall=1.2, cpu=1.2, comparison="20261124T2"), *stopped])

    assert (quiet.load, quiet.unfinished) == ("", 0)
    assert (loaded.load, loaded.unfinished) == ("0.5 core", 1)
    assert (loaded.verdicts, loaded.pairs, loaded.minutes) == ({}, None, None)


def test_level_is_shared_among_cells(recorded):
    """What is an alarm alone is none among many cells, as it was when they ran."""
    slower = recorded(4, wall=1.05, cpu=1.05, comparison="20261124T1", processes=0.006)
    (single,) = recorded(1, comparison="20261124T1")
    others = [replace(single, cell=f"cell {number}") for number in range(100)]

    assert aa_runs.follow(slower)[0].verdicts == {"slower": 1}
    assert aa_runs.follow([*slower, *others])[0].verdicts == {}
