"""Steps in series: where they are found, in commits, and what is too short."""

import random

import pytest

from bench.compare.history import change_points
from bench.compare.history.asv_series import Point, Series


def make(values):
    points = tuple(Point(commit=f"c{number}", value_seconds=value) for number, value in enumerate(values))
    return Series(benchmark="a.B.track_c", params=(len(values),), machine="lab", environment="e", points=points)


def noise(dice, commits=12, deviation=0.015):
    return [0.2 * (1 + dice.gauss(0, deviation)) for _ in range(commits)]


@pytest.mark.parametrize(("at", "ratio"), [(7, 1.1), (4, 0.9)], ids=["slower", "faster"])
def test_find_names_the_commits_beside_a_step(at, ratio):
    """At 1.5 % noise a step of 10 % among 12 commits is found where it is, in milliseconds as in seconds."""
    values = [value * (ratio if number >= at else 1) for number, value in enumerate(noise(random.Random(1)))]
    for series in (make(values), make([value / 1000 for value in values])):
        (candidate,), too_short = change_points.find([series])

        assert (candidate.series, candidate.before, candidate.after) == (series, f"c{at - 1}", f"c{at}")
        assert candidate.ratio == pytest.approx(ratio, abs=0.03)
        assert candidate.p < change_points.LEVEL
        assert not too_short


def test_detect_divides_stretches_further():
    """Two steps are two steps, in the order of the commits."""
    dice = random.Random(2)
    values = [dice.gauss(0, 0.01) + 0.1 * (number >= 10) + 0.1 * (number >= 20) for number in range(30)]

    assert [step.index for step in change_points.detect(values)] == [10, 20]


def test_detect_sees_steps_that_cancel():
    """Slower, faster and slower again among 15 commits: no single place divides the series, shorter stretches do."""
    dice, found = random.Random(4), 0
    for _ in range(20):
        values = [dice.gauss(0, 0.01) + 0.1 * (3 <= number < 7) + 0.1 * (number >= 11) for number in range(15)]
        found += [step.index for step in change_points.detect(values)] == [3, 7, 11]

    assert found >= 15


def test_detect_looks_closer_where_paired_runs_decide():
    """At 3 % noise it finds most of three steps of 10 %, and sends few of flat series to the paired runs."""
    dice, found, alarms = random.Random(5), 0, 0
    for _ in range(50):
        values = [dice.gauss(0, 0.03) + 0.1 * (4 <= number < 8) + 0.1 * (number >= 12) for number in range(15)]
        found += len(change_points.detect(values, level=change_points.LEVEL_TO_CONFIRM))
        flat = [dice.gauss(0, 0.03) for _ in range(15)]
        alarms += len(change_points.detect(flat, level=change_points.LEVEL_TO_CONFIRM))

    assert found > 60
    assert alarms < 20


def test_detect_rarely_alarms_without_a_step():
    """Of 300 flat series of 20 commits about 1 % alarm; a series without any noise never does."""
    dice = random.Random(3)
    alarms = sum(bool(change_points.detect([dice.gauss(0, 1) for _ in range(20)])) for _ in range(300))

    assert alarms <= 9
    assert not change_points.detect([1.0] * 20)


def test_find_reports_short_series():
    """A series of too few commits is no series without a step."""
    short = make([1.0] * (change_points.MIN_COMMITS - 1))
    candidates, too_short = change_points.find([short], detect=lambda _: pytest.fail("asked"))

    assert not candidates
    assert [series.series for series in too_short] == [short]
    assert "5 commits measured" in too_short[0].reason
