"""From asv's files to the named commit."""

import math

import pytest

from bench.compare.history import regressions
from bench.compare.history.regressions import Paired


def quiet(values):
    """No change point anywhere."""
    return [[] for _ in values]


def at(index, ratio=1.1):
    """A change point at one place of the series that rises most, as otava would say it."""

    def detect(values):
        most = max(values, key=lambda one: one[-1] - one[0])
        change = {"index": index, "p": 1e-5, "before": 0.0, "after": math.log(ratio)}
        return [[change] if one is most else [] for one in values]

    return detect


def judge_of(hashes, culprit, ratio=1.1):
    """A fake paired run that knows the culprit."""

    def judge(cell, base, candidate):
        assert cell.model == "squeezenet"
        assert cell.precision == "mixed_bfloat16"
        if hashes.index(base) < culprit <= hashes.index(candidate):
            return Paired(verdict="slower", ratio=ratio, low=ratio - 0.01, high=ratio + 0.01)
        return Paired(verdict="same", ratio=1.001, low=0.99, high=1.01)

    return judge


def test_the_planted_slowdown_is_named(planted, otava):
    """Of a made-up repository with one planted slowdown among 12 commits, that commit is named."""
    folder, hashes, results = planted
    found = regressions.find(results, repository=folder, detect=otava)
    (change,) = regressions.confirm(found, judge_of(hashes, 7)).changes

    assert change.candidate.series.params == ("squeezenet", 8)
    assert change.candidate.ratio == pytest.approx(1.1, abs=0.03)
    assert (change.state, change.commit) == ("confirmed", hashes[7])


def test_found_is_not_confirmed(planted):
    """Without a paired run a step is a candidate, and no commit is named."""
    folder, _, results = planted
    (change,) = regressions.find(results, repository=folder, detect=at(7)).changes

    assert (change.state, change.commit, change.paired) == ("candidate", None, None)


def test_commits_between_that_asv_skipped_are_searched(repository, stored):
    """Where asv measured every fifth commit, the culprit is found among those between."""
    folder, hashes = repository
    name = "step_time.StepTime.track_step_seconds"
    variables = {"FLOWERS_PRECISION": "mixed_bfloat16"}
    for number in (0, 5, 10):
        samples = [[1.1 if number >= 7 else 1.0] * 5]
        results = stored(hashes[number], {name: ([["squeezenet"], [8]], samples)}, variables=variables)
    found = regressions.find(results, repository=folder, detect=at(2))
    assert not found.changes  # three commits are too few for otava

    series = found.series[0]
    candidate = regressions.Candidate(series=series, before=hashes[5], after=hashes[10], ratio=1.1, p=None)
    known = regressions.replace(found, changes=(regressions.Change(candidate=candidate),))
    (change,) = regressions.confirm(known, judge_of(hashes, 7)).changes

    assert (change.commit, change.within) == (hashes[7], (hashes[6], hashes[7]))


def test_a_false_alarm_is_rejected(planted):
    """Otava's word alone changes nothing: a paired run that finds no difference rejects it."""
    folder, hashes, results = planted
    found = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(found, judge_of(hashes, 7)).changes

    assert (change.state, change.commit, change.paired.ratio) == ("rejected", None, 1.001)
    assert change.reason


def test_what_is_no_cell_stays_unconfirmed(repository, stored):
    """A paired run measures cells: an import time is not confirmed, and that is said."""
    folder, hashes = repository
    for commit in hashes:
        results = stored(commit, {"import_time.ImportTime.track_import_seconds": ([["flowers_core.cli"]], [[0.1] * 5])})
    found = regressions.find(results, repository=folder, detect=at(3))
    (change,) = regressions.confirm(found, lambda *_: pytest.fail("judged")).changes

    assert change.state == "unconfirmed"
    assert "cell" in change.reason


def test_what_is_decided_is_not_run_again(planted):
    """Confirming twice runs once."""
    folder, hashes, results = planted
    once = regressions.confirm(regressions.find(results, repository=folder, detect=at(7)), judge_of(hashes, 7))

    assert regressions.confirm(once, lambda *_: pytest.fail("judged")) == once


def test_no_step_no_change(planted):
    """A history without steps holds its series all the same."""
    folder, _, results = planted
    found = regressions.find(results, repository=folder, detect=quiet)

    assert (found.changes, len(found.series)) == ((), 2)
