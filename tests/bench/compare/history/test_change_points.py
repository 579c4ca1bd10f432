"""Steps in series: otava's answer in words of commits, and what is too short."""

import math
import random

import pytest

from bench.compare.history import change_points
from bench.compare.history.asv_series import Point, Series
from flowers_core.errors import RunFailed


def make(values):
    points = tuple(Point(commit=f"c{number}", value_seconds=value) for number, value in enumerate(values))
    return Series(benchmark="a.B.track_c", params=(len(values),), machine="lab", environment="e", points=points)


def test_a_change_point_is_a_pair_of_commits():
    """Index, means of logarithms and p become the commits around the step and their ratio."""
    one = make([1.0] * 4 + [1.1] * 4)
    found = change_points.find(
        [one], detect=lambda _: [[{"index": 4, "p": 1e-4, "before": 0.0, "after": math.log(1.1)}]]
    )

    assert found.candidates == (
        change_points.Candidate(series=one, before="c3", after="c4", ratio=pytest.approx(1.1), p=1e-4),
    )
    assert not found.unjudged


def test_otava_gets_logarithms_as_lists():
    """A step of 10 % is as high in a series of milliseconds as in one of seconds."""
    asked = []
    change_points.find([make([0.001, 1.0, math.e] * 2)], detect=lambda values: asked.extend(values) or [[]])

    assert asked == [[pytest.approx(math.log(0.001)), 0.0, 1.0] * 2]


def test_short_series_are_said_not_dropped():
    """A series with too few commits is no series without a step; otava is not even asked."""
    short = make([1.0] * (change_points.LEAST_POINTS - 1))
    found = change_points.find([short], detect=lambda _: pytest.fail("asked"))

    assert not found.candidates
    assert [one.series for one in found.unjudged] == [short]
    assert "5 commits measured" in found.unjudged[0].reason


def test_otava_finds_the_planted_step(otava):
    """At 1.5 % noise a step of +10 %, or of -10 %, among 12 commits is found where it is; a flat series has none."""
    dice = random.Random(1)
    noise = [[0.2 * (1 + dice.gauss(0, 0.015)) for _ in range(12)] for _ in range(3)]
    slower = make([value * (1.1 if number >= 7 else 1) for number, value in enumerate(noise[0])])
    faster = make([value * (0.9 if number >= 4 else 1) for number, value in enumerate(noise[1])])
    found = change_points.find([slower, faster, make(noise[2])], detect=otava)

    assert [(one.series, one.before, one.after) for one in found.candidates] == [
        (slower, "c6", "c7"),
        (faster, "c3", "c4"),
    ]
    assert [one.ratio for one in found.candidates] == pytest.approx([1.1, 0.9], abs=0.03)
    assert all(one.p < change_points.MAX_PVALUE for one in found.candidates)


def test_otava_failing_is_said(otava):
    """What otava cannot read is an error in a sentence, with its last word."""
    with pytest.raises(RunFailed, match=r"apache-otava .* failed"):
        otava([["no number"] * 12])
