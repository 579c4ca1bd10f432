"""Comparisons drawn from recorded pair results: what the rule would have said, many times over."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare import sequential_test
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Rule, Verdict
from bench.compare.validation.other_tests import StepSeconds

NEIGHBOURS = 2  # that stay together: the state of the machine lasts longer than a pair
MAX_PAIRS = LOOKS[-1]  # of a comparison


@dataclass(frozen=True, kw_only=True)
class Series:
    """Pair results of one kind in the order of their recording, each reduced to numbers once.

    Attributes:
        values: The number each gives, by clock.
        step_seconds: What the other tests see of each.
        seconds: How long each would have taken on its own, start of both processes included.
    """

    values: dict[str, Sequence[float]]
    step_seconds: tuple[StepSeconds, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, pairs: Sequence[PairResult], seconds: Sequence[float]) -> "Series":
        """Computes once what is needed of pair results again and again."""
        return cls(
            values={clock: tuple(sequential_test.value(pair, clock) for pair in pairs) for clock in CLOCKS},
            step_seconds=tuple(map(StepSeconds.of, pairs)),
            seconds=tuple(seconds),
        )

    def __len__(self) -> int:
        return len(self.step_seconds)

    def pick(self, places: Sequence[int]) -> "Series":
        """The pair results at these places, in this order."""
        return Series(
            values={clock: tuple(values[place] for place in places) for clock, values in self.values.items()},
            step_seconds=tuple(self.step_seconds[place] for place in places),
            seconds=tuple(self.seconds[place] for place in places),
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the rule says of one comparison.

    Attributes:
        word: One of `sequential_test.WORDS`; `inconclusive`, too, where the pairs ended before a verdict.
        pairs: How many it took.
        minutes: How long they took.
    """

    word: str
    pairs: int
    minutes: float

    @classmethod
    def of(cls, verdict: Verdict, series: Series) -> "Outcome":
        """A verdict with the time that its pairs took."""
        return cls(word=verdict.word, pairs=verdict.pairs, minutes=sum(series.seconds[: verdict.pairs]) / 60)


def draw_places(count: int, most: int, dice: random.Random) -> list[int]:
    """Draws up to `most` of `count` places: groups of neighbours in random order, the last beside the first.

    No place comes twice: a comparison never records a pair twice, and two copies of one would look like agreement.
    Over all that could have been recorded, such a comparison is like a real one.
    """
    start = dice.randrange(count)
    firsts = range(0, count, NEIGHBOURS)
    # One group more than needed: that at the end may be short.
    order = dice.sample(firsts, min(len(firsts), -(-most // NEIGHBOURS) + 1))
    groups = [range(first, min(first + NEIGHBOURS, count)) for first in order]
    return [(start + place) % count for group in groups for place in group][:most]


def follow(series: Series, rule: Rule) -> Outcome | None:
    """What the rule says of pairs in this order; None where they end before it decides."""
    verdict = sequential_test.follow(series.values, rule)
    return Outcome.of(verdict, series) if verdict else None


def resample(series: Series, rule: Rule, *, comparisons: int, dice: random.Random) -> list[tuple[Series, Outcome]]:
    """Draws comparisons and follows each to its verdict."""
    outcomes = []
    for _ in range(comparisons):
        comparison = series.pick(draw_places(len(series), MAX_PAIRS, dice))
        undecided = Outcome(word="inconclusive", pairs=len(comparison), minutes=sum(comparison.seconds) / 60)
        outcomes.append((comparison, follow(comparison, rule) or undecided))
    return outcomes


def consecutive(series: Series, rule: Rule) -> list[Outcome]:
    """Comparisons one after another as the pairs were recorded, each pair in one of them.

    They are few and independent. What is left at the end without a verdict is not counted.
    """
    outcomes, place = [], 0
    while place < len(series):
        outcome = follow(series.pick(range(place, min(len(series), place + MAX_PAIRS))), rule)
        if outcome is None:
            break
        outcomes.append(outcome)
        place += outcome.pairs
    return outcomes
