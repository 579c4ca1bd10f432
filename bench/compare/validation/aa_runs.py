"""Whole comparisons of a cell with itself, from start to verdict, followed once more: nothing in them is drawn."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.compare import sequential_test
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Rule
from bench.compare.validation import other_tests, resampling
from bench.compare.validation.resampling import Outcome, Series

FIND = 0.05


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """Comparisons of identical sides beside one load.

    Attributes:
        load: Name of the load beside; empty for none.
        foreign_cpu_share: Median over units of what others used of the machine's CPU time.
        comparisons: In how many runs of a command they were.
        cells: By cell, how many comparisons ended in a verdict.
        words: How many came to each verdict.
        unfinished: How many were stopped before.
        units: Median units of a comparison.
        minutes: Median minutes of a comparison.
        rivals: By name, how many of the same comparisons each rival called what; asv's take the first 2 and 5 units,
            and of a comparison of 4 those.
        alarms: The false alarms by name.
    """

    load: str
    foreign_cpu_share: float | None
    comparisons: int
    cells: dict[str, int]
    words: dict[str, int]
    unfinished: int
    units: float | None
    minutes: float | None
    rivals: dict[str, dict[str, int]]
    alarms: tuple[str, ...]

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)


def is_fresh(unit: PairResult) -> bool:
    """Whether a unit is of a comparison that ran to its verdict: one marked by its date, and no word before it."""
    return unit.comparison[:1].isdigit()


def replay(units: Iterable[PairResult]) -> list[Fresh]:
    """Follows every comparison of identical sides, by the rule for finding 5 %; a result for each load."""
    loads: dict[str, dict[str, dict[str, list[PairResult]]]] = {}
    for unit in units:
        if is_fresh(unit) and unit.identical:
            cells = loads.setdefault(unit.load, {}).setdefault(unit.comparison, {})
            cells.setdefault(unit.cell, []).append(unit)
    return [_followed(load, comparisons) for load, comparisons in sorted(loads.items())]


def _followed(load: str, comparisons: dict[str, dict[str, list[PairResult]]]) -> Fresh:
    """What comparisons beside one load came to."""
    ended = [
        (comparison, *match) for comparison, cells in comparisons.items() for match in _verdicts(cells) if match[1]
    ]
    units = [unit for cells in comparisons.values() for some in cells.values() for unit in some]
    shares = [unit.foreign_cpu_share for unit in units if unit.foreign_cpu_share is not None]
    outcomes = [outcome for _, _, outcome, _ in ended]
    said = other_tests.judge([some.turns for *_, some in ended], [outcome.units for outcome in outcomes])
    return Fresh(
        load=load,
        foreign_cpu_share=_middle(shares),
        comparisons=len(comparisons),
        cells=dict(Counter(cell for _, cell, _, _ in ended)),
        words=dict(Counter(outcome.word for outcome in outcomes)),
        unfinished=sum(map(len, comparisons.values())) - len(ended),
        units=_middle([outcome.units for outcome in outcomes]),
        minutes=_middle([outcome.minutes for outcome in outcomes]),
        rivals={name: dict(Counter(words)) for name, words in said.items()},
        alarms=tuple(
            f"{cell} {outcome.word} in {comparison}"
            for comparison, cell, outcome, _ in ended
            if outcome.word in ("slower", "faster")
        ),
    )


def _verdicts(cells: dict[str, list[PairResult]]) -> Iterator[tuple[str, Outcome | None, Series]]:
    """Cell, outcome and units of each cell of a comparison, by one level for all as when they ran; None if stopped."""
    rule = Rule.for_effect(FIND, cells=len(cells))
    seen = [resampling.series(units, [unit.seconds for unit in units]) for units in cells.values()]
    first = [sequential_test.follow(some.values, rule) for some in seen]
    whole = [
        one or sequential_test.partial(some.values, rule, "stopped") for one, some in zip(first, seen, strict=True)
    ]
    for cell, some, one, final in zip(cells, seen, first, sequential_test.holm(whole, rule), strict=True):
        stopped = one is None and final.word == "inconclusive"
        yield cell, None if stopped else resampling.outcome(final, some), some


def _middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None
