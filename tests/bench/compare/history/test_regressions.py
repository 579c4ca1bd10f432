"""From asv's files to the named commit."""

import math

import pytest

from bench.compare.history import regressions
from bench.compare.history.change_points import Step
from bench.compare.history.regressions import Paired


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
            return Paired(verdict="slower", ratio=ratio, low=ratio - 0.01, high=ratio + 0.01)
        return Paired(verdict="same", ratio=1.001, low=0.99, high=1.01)

    return paired_run


def test_confirm_names_the_commit_that_slowed(slowed):
    """Of a made-up repository with one slower commit among 12, that one is named."""
    folder, hashes, results = slowed
    found = regressions.find(results, repository=folder)
    (change,) = regressions.confirm(found, runs_of(hashes, 7)).changes

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
    found = regressions.find(results, repository=folder, detect=at(2))
    assert not found.changes  # three commits are too few

    series = found.series[0]
    candidate = regressions.Candidate(series=series, before=hashes[5], after=hashes[10], ratio=1.1, p=None)
    known = regressions.replace(found, changes=(regressions.Change(candidate=candidate),))
    (change,) = regressions.confirm(known, runs_of(hashes, 7)).changes

    assert (change.commit, change.within) == (hashes[7], (hashes[6], hashes[7]))


def test_confirm_rejects_a_false_alarm(slowed):
    """A step alone changes nothing: a paired run that finds no difference rejects it."""
    folder, hashes, results = slowed
    found = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(found, runs_of(hashes, 7)).changes

    assert (change.state, change.commit, change.paired.ratio) == ("rejected", None, 1.001)
    assert change.reason


def test_confirm_leaves_what_is_no_cell(repository, stored):
    """A paired run measures cells: an import time is not confirmed, and that is said."""
    folder, hashes = repository
    for commit in hashes:
        results = stored(commit, {"import_time.ImportTime.track_import_seconds": ([["flowers_core.cli"]], [[0.1] * 5])})
    found = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(found, lambda *_: pytest.fail("run")).changes

    assert change.state == "unconfirmed"
    assert "cell" in change.reason


def test_confirm_runs_no_decided_change_again(slowed):
    """Confirming twice runs once."""
    folder, hashes, results = slowed
    once = regressions.confirm(regressions.find(results, repository=folder, detect=at(7)), runs_of(hashes, 7))

    assert regressions.confirm(once, lambda *_: pytest.fail("run")) == once


def test_find_keeps_series_without_a_step(slowed):
    """A history without steps holds its series all the same."""
    folder, _, results = slowed
    found = regressions.find(results, repository=folder, detect=lambda _: [])

    assert (found.changes, len(found.series)) == ((), 2)
