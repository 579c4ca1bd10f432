"""A/A runs: comparisons of a cell with itself, from start to verdict, followed once more; nothing in them is drawn."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bench.compare import sequential_test
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Rule
from bench.compare.validation import other_tests
from bench.compare.validation.resampling import Outcome, Series

MIN_EFFECT = 0.05


@dataclass(frozen=True, kw_only=True)
class AARuns:
    """Comparisons of identical variants under one load.

    Attributes:
        load: Name of the background load; empty for none.
        foreign_cpu_share: Median over pairs of the machine's CPU time that others used.
        runs: How many runs of a command the comparisons come from.
        cells: By cell, how many comparisons ended in a verdict.
        verdicts: How many came to each verdict.
        unfinished: How many were stopped before.
        pairs: Median pairs of a comparison.
        minutes: Median minutes of a comparison.
        other_tests: By name, how often each other test said what of the same comparisons; asv's take the first 2 and
            5 pairs, and of a comparison of 4 those.
        false_alarms: Where and when each was.
    """

    load: str
    foreign_cpu_share: float | None
    runs: int
    cells: dict[str, int]
    verdicts: dict[str, int]
    unfinished: int
    pairs: float | None
    minutes: float | None
    other_tests: dict[str, dict[str, int]]
    false_alarms: tuple[str, ...]


def is_live(pair: PairResult) -> bool:
    """Whether a pair is of a comparison that ran to its verdict: such are marked by a date and nothing before it."""
    return pair.comparison[:1].isdigit()


def follow(pairs: Iterable[PairResult]) -> list[AARuns]:
    """Follows every comparison of identical variants, by the rule for an effect of 5 %; a result for each load."""
    loads: dict[str, dict[str, dict[str, list[PairResult]]]] = {}
    for pair in pairs:
        if is_live(pair) and pair.identical:
            cells = loads.setdefault(pair.load, {}).setdefault(pair.comparison, {})
            cells.setdefault(pair.cell, []).append(pair)
    return [_summarize(load, runs) for load, runs in sorted(loads.items())]


def _summarize(load: str, runs: dict[str, dict[str, list[PairResult]]]) -> AARuns:
    """The outcome of the comparisons under one load."""
    ends = [(run, cell, *end) for run, cells in runs.items() for cell, end in _outcomes(cells).items()]
    outcomes = [outcome for *_, outcome, _ in ends]
    others = other_tests.decide([series.step_seconds for *_, series in ends], [outcome.pairs for outcome in outcomes])
    pairs = [pair for cells in runs.values() for pairs in cells.values() for pair in pairs]
    return AARuns(
        load=load,
        foreign_cpu_share=median_of(pair.foreign_cpu_share for pair in pairs),
        runs=len(runs),
        cells=dict(Counter(cell for _, cell, *_ in ends)),
        verdicts=dict(Counter(outcome.word for outcome in outcomes)),
        unfinished=sum(map(len, runs.values())) - len(ends),
        pairs=median_of(outcome.pairs for outcome in outcomes),
        minutes=median_of(outcome.minutes for outcome in outcomes),
        other_tests={name: dict(Counter(words)) for name, words in others.items()},
        false_alarms=tuple(
            f"{cell} {outcome.word} in {run}" for run, cell, outcome, _ in ends if outcome.word in ("slower", "faster")
        ),
    )


def _outcomes(cells: dict[str, list[PairResult]]) -> dict[str, tuple[Outcome, Series]]:
    """Outcome and pairs of each cell of a run that was not stopped, by one level for all as when they ran."""
    rule = Rule.for_effect(MIN_EFFECT, cells=len(cells))
    series = [Series.of(pairs, [pair.seconds for pair in pairs]) for pairs in cells.values()]
    verdicts = [sequential_test.follow(values.values, rule) for values in series]
    all_verdicts = [
        verdict or sequential_test.partial(values.values, rule, "stopped")
        for verdict, values in zip(verdicts, series, strict=True)
    ]
    final = sequential_test.holm(all_verdicts, rule)
    return {
        cell: (Outcome.of(last, values), values)
        for cell, values, first, last in zip(cells, series, verdicts, final, strict=True)
        if first or last.word != "inconclusive"
    }


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return median(known) if known else None
