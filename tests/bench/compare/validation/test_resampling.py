"""Comparisons drawn from units."""

import random
from itertools import pairwise

import pytest

from bench.compare.sequential_test import Rule
from bench.compare.validation import resampling


def series(units):
    return resampling.series(units, [unit.seconds for unit in units])


@pytest.mark.parametrize(("count", "most"), [(4, 24), (24, 24), (25, 24), (61, 24), (61, 30), (1, 24)])
def test_a_comparison_holds_no_unit_twice(count, most):
    """As many different places come as are wanted, or all there are."""
    for seed in range(20):
        places = resampling.drawn(count, most, random.Random(seed))

        assert len(places) == len(set(places)) == min(count, most)
        assert set(places) <= set(range(count))


def test_neighbours_stay_together():
    """At least every second unit is followed by its neighbour, the last by the first, and every unit may begin."""
    draws = [resampling.drawn(60, 24, random.Random(seed)) for seed in range(400)]

    for places in draws:
        assert sum((after - before) % 60 == 1 for before, after in pairwise(places)) >= 11
    assert {places[0] for places in draws} == set(range(60))


def test_a_clear_case_ends_early(recorded):
    """20 % more work is found at the first look; minutes are those of the units it took."""
    some = series(recorded(24, wall=1.2, cpu=1.2))

    assert resampling.follow(some, Rule()) == resampling.Outcome(word="slower", units=4, minutes=4 * 12 / 60)


def test_units_that_end_are_no_verdict(recorded):
    """A drawn comparison whose units end before a verdict is inconclusive."""
    some = series(recorded(5, processes=0.2))

    outcomes = resampling.resample(some, Rule(), comparisons=20, dice=random.Random(1))

    assert [outcome.word for _, outcome in outcomes] == ["inconclusive"] * 20
    assert resampling.apart(some, Rule()) == []


def test_each_unit_is_in_one_comparison(recorded):
    """Comparisons one after another take the units there are, but for the last ones."""
    some = series(recorded(60, wall=1.2, cpu=1.2))

    assert [outcome.units for outcome in resampling.apart(some, Rule())] == [4] * 15


def test_halves_hold_whole_comparisons(recorded):
    """With fewer than twice 24 units there are no halves; else there is a share for each, in order."""
    how = {"sets": 5, "comparisons": 10}
    few, many = series(recorded(47)), series(recorded(48, wall=1.2, cpu=1.2))

    assert resampling.halves(few, Rule(), ["slower"], dice=random.Random(1), **how) == []
    assert resampling.halves(many, Rule(), ["slower"], dice=random.Random(1), **how) == [1.0] * 5
