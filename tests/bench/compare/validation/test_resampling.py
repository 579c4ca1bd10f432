"""Comparisons drawn from pair results."""

import random
from itertools import pairwise

import pytest

from bench.compare.sequential_test import Rule
from bench.compare.validation import resampling
from bench.compare.validation.resampling import Series


def series_of(pairs):
    return Series.of(pairs, [pair.seconds for pair in pairs])


@pytest.mark.parametrize(("count", "most"), [(4, 24), (24, 24), (25, 24), (61, 24), (61, 30), (1, 24)])
def test_draw_holds_no_place_twice(count, most):
    """As many different places come as are wanted, or all there are."""
    for seed in range(20):
        places = resampling.draw_places(count, most, random.Random(seed))

        assert len(places) == len(set(places)) == min(count, most)
        assert set(places) <= set(range(count))


def test_draw_keeps_neighbours_together():
    """At least every second place is followed by its neighbour, the last by the first, and every place may be first."""
    draws = [resampling.draw_places(60, 24, random.Random(seed)) for seed in range(400)]

    for places in draws:
        assert sum((after - before) % 60 == 1 for before, after in pairwise(places)) >= 11
    assert {places[0] for places in draws} == set(range(60))


def test_clear_case_ends_early(recorded):
    """20 % more work is found at the first look; minutes are those of the pairs it took."""
    series = series_of(recorded(24, wall=1.2, cpu=1.2))

    assert resampling.follow(series, Rule()) == resampling.Outcome(word="slower", pairs=4, minutes=4 * 12 / 60)


def test_too_few_pairs_are_inconclusive(recorded):
    """A drawn comparison whose pairs end before a verdict is inconclusive."""
    series = series_of(recorded(5, processes=0.2))

    outcomes = resampling.resample(series, Rule(), comparisons=20, dice=random.Random(1))

    assert [outcome.word for _, outcome in outcomes] == ["inconclusive"] * 20
    assert resampling.consecutive(series, Rule()) == []


def test_consecutive_comparisons_share_no_pair(recorded):
    """Comparisons one after another take all pairs but the last ones."""
    series = series_of(recorded(60, wall=1.2, cpu=1.2))

    assert [outcome.pairs for outcome in resampling.consecutive(series, Rule())] == [4] * 15
