"""From asv's files to the named commit."""

import math

import pytest

from bench.compare import acknowledged
from bench.compare.acknowledged import Acknowledged, Slowdown
from bench.compare.history import regressions
from bench.compare.history.change_points import Step
from bench.compare.sequential_test import Verdict, estimate


def at(index, ratio=1.1):
    """Finds a step at one place of the series of `squeezenet`, the one that rises."""

    def detect(values):
        step = Step(index=index, p=1e-5, before=0.0, after=math.log(ratio))
        return [step] if values[-1] - values[0] > 0.05 or len(set(values)) == 1 else []

    return detect


def runs_of(hashes, culprit, ratio=1.1):
    """A fake paired run that knows the culprit."""

    def paired_run(cell, base, candidate):
        assert cell.model == "squeezenet"
        assert cell.precision == "mixed_bfloat16"
        if hashes.index(base) < culprit <= hashes.index(candidate):
            return Verdict(word="slower", clock="wall", estimates={"wall": estimate([math.log(ratio)] * 4)})
        return Verdict(word="same", clock="wall", estimates={"wall": estimate([0.001] * 4)})

    return paired_run


def test_confirm_names_the_commit_that_slowed(slowed):
    """Of a made-up repository with one slower commit among 12, that one is named."""
    folder, hashes, results = slowed
    history = regressions.find(results, repository=folder)
    (change,) = regressions.confirm(history, runs_of(hashes, 7)).changes

    assert change.candidate.series.params == ("squeezenet", 8)
    assert change.candidate.ratio == pytest.approx(1.1, abs=0.03)
    assert (change.state, change.commit) == ("confirmed", hashes[7])


def test_find_confirms_nothing(slowed):
    """Without a paired run a step is a candidate, and no commit is named."""
    folder, _, results = slowed
    (change,) = regressions.find(results, repository=folder, detect=at(7)).changes

    assert (change.state, change.commit, change.paired) == ("candidate", None, None)


def test_confirm_searches_commits_that_asv_skipped(repository, stored):
    """Where asv measured every fifth commit, the culprit is found among those between."""
    folder, hashes = repository
    name = "step_time.StepTime.track_step_seconds"
    variables = {"FLOWERS_PRECISION": "mixed_bfloat16"}
    for number in (0, 5, 10):
        samples = [[1.1 if number >= 7 else 1.0] * 5]
        results = stored(hashes[number], {name: ([["squeezenet"], [8]], samples)}, variables=variables)
    history = regressions.find(results, repository=folder, detect=at(2))
    assert not history.changes  # three commits are too few

    series = history.series[0]
    candidate = regressions.Candidate(series=series, before=hashes[5], after=hashes[10], ratio=1.1, p=None)
    known = regressions.replace(history, changes=(regressions.Change(candidate=candidate),))
    (change,) = regressions.confirm(known, runs_of(hashes, 7)).changes

    assert (change.commit, change.within) == (hashes[7], (hashes[6], hashes[7]))


def test_confirm_rejects_a_false_alarm(slowed):
    """A step alone changes nothing: a paired run that finds no difference rejects it."""
    folder, hashes, results = slowed
    history = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(history, runs_of(hashes, 7)).changes

    assert (change.state, change.commit, change.paired.word) == ("rejected", None, "same")
    assert change.reason


def test_confirm_leaves_what_is_no_cell(repository, stored):
    """A paired run measures cells: an import time is not confirmed, and that is said."""
    folder, hashes = repository
    for commit in hashes:
        results = stored(commit, {"import_time.ImportTime.track_import_seconds": ([["flowers_core.cli"]], [[0.1] * 5])})
    history = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(history, lambda *_: pytest.fail("run")).changes

    assert change.state == "unconfirmed"
    assert "cell" in change.reason


def test_find_keeps_series_without_a_step(slowed):
    """A history without steps holds its series all the same."""
    folder, _, results = slowed
    history = regressions.find(results, repository=folder, detect=lambda _: [])

    assert (history.changes, len(history.series)) == ((), 2)


def test_acknowledge_accepts_the_named_commit(slowed, monkeypatch):
    """A slowdown whose commit is acknowledged says why; one whose cell is not stays as it was."""
    folder, hashes, results = slowed
    monkeypatch.setattr(acknowledged, "between", lambda _: [hashes[7]])
    (change,) = regressions.confirm(regressions.find(results, repository=folder), runs_of(hashes, 7)).changes

    def accepted(pattern):
        slowdown = Slowdown(reason="more layers", cells=(pattern,), at_most=1.2, commit=hashes[7][:12])
        return change.acknowledge(Acknowledged(slowdowns=(slowdown,))).acknowledged

    assert accepted("squeezenet-*") == "more layers"
    assert accepted("dense-*") == ""
