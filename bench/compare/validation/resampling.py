"""Comparisons drawn from units that were recorded: what the rule would have said, many times over."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare import sequential_test
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Rule, Verdict
from bench.compare.validation import other_tests
from bench.compare.validation.other_tests import Turns

BLOCK = 2  # neighbours stay together: the mood of the machine lasts longer than a unit
MOST = LOOKS[-1]  # units of a comparison


@dataclass(frozen=True, kw_only=True)
class Series:
    """Units of one kind in the order of their recording, each looked at once.

    Attributes:
        values: What each says, by clock.
        turns: What a rival sees of each.
        seconds: How long each would have taken on its own, start of both processes included.
    """

    values: dict[str, tuple[float, ...]]
    turns: tuple[Turns, ...]
    seconds: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.turns)

    def pick(self, places: Sequence[int]) -> "Series":
        """Some of the units, in this order."""
        return Series(
            values={clock: tuple(some[place] for place in places) for clock, some in self.values.items()},
            turns=tuple(self.turns[place] for place in places),
            seconds=tuple(self.seconds[place] for place in places),
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the rule says of one comparison.

    Attributes:
        word: One of `sequential_test.WORDS`; `inconclusive`, too, where the units ended before a verdict.
        units: How many it took.
        minutes: How long they took.
    """

    word: str
    units: int
    minutes: float


def series(units: Sequence[PairResult], seconds: Sequence[float]) -> Series:
    """Computes once what is needed of units again and again."""
    return Series(
        values={clock: tuple(sequential_test.value(unit, clock) for unit in units) for clock in CLOCKS},
        turns=tuple(map(other_tests.turns, units)),
        seconds=tuple(seconds),
    )


def drawn(count: int, most: int, dice: random.Random) -> list[int]:
    """Places of up to `most` of `count` units: blocks of neighbours in random order, the last beside the first.

    No unit comes twice: a comparison never records a unit twice, and two copies of one would look like agreement.
    Over all that could have been recorded, such a comparison is as a real one.
    """
    start = dice.randrange(count)
    firsts = range(0, count, BLOCK)
    order = dice.sample(firsts, min(len(firsts), -(-most // BLOCK) + 1))  # one more: the block at the end may be short
    places = [(start + place) % count for first in order for place in range(first, min(first + BLOCK, count))]
    return places[:most]


def follow(some: Series, rule: Rule) -> Outcome | None:
    """What the rule says of units in this order; None where they end before it decides."""
    found = sequential_test.follow(some.values, rule)
    return found and outcome(found, some)


def outcome(found: Verdict, some: Series) -> Outcome:
    """A verdict, with the time that its units took."""
    return Outcome(word=found.word, units=found.pairs, minutes=sum(some.seconds[: found.pairs]) / 60)


def resample(some: Series, rule: Rule, *, comparisons: int, dice: random.Random) -> list[tuple[Series, Outcome]]:
    """Draws comparisons and follows each to its verdict."""
    outcomes = []
    for _ in range(comparisons):
        one = some.pick(drawn(len(some), MOST, dice))
        ended = Outcome(word="inconclusive", units=len(one), minutes=sum(one.seconds) / 60)
        outcomes.append((one, follow(one, rule) or ended))
    return outcomes


def apart(some: Series, rule: Rule) -> list[Outcome]:
    """Comparisons one after another as the units were recorded, each unit in one of them.

    They are few and independent. What is left at the end without a verdict is not counted.
    """
    outcomes, place = [], 0
    while place < len(some):
        ended = follow(some.pick(range(place, min(len(some), place + MOST))), rule)
        if ended is None:
            break
        outcomes.append(ended)
        place += ended.units
    return outcomes


def halves(
    some: Series, rule: Rule, words: Sequence[str], *, sets: int, comparisons: int, dice: random.Random
) -> list[float]:
    """The share of verdicts among `words` in comparisons drawn from each of many random halves of the units.

    Halves of blocks scatter as much as other recordings of all units would, and hold no unit twice, as bootstrapped
    sets do. Empty where a half would be too small for a whole comparison.
    """
    if len(some) < 2 * MOST:
        return []
    shares = []
    for _ in range(sets):
        half = some.pick(sorted(drawn(len(some), len(some) // 2, dice)))
        outcomes = resample(half, rule, comparisons=comparisons, dice=dice)
        shares.append(sum(one.word in words for _, one in outcomes) / comparisons)
    return sorted(shares)
