"""How often the rule is right about pairs of known truth: false alarms, slowdowns found, minutes; other tests too."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from bench.compare import sequential_test
from bench.compare.inject import KINDS
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Estimate, Rule
from bench.compare.validation import aa_runs, other_tests, resampling
from bench.compare.validation.aa_runs import AARuns
from bench.compare.validation.resampling import MAX_PAIRS, Outcome, Series
from flowers_core import progress
from flowers_core.errors import InputError

RECORDED = ("validation-", "proof-")  # how comparisons begin whose pairs were recorded for this, now and in old stores
COMPARISONS = 1000
SEED = 20261124

RULES = {min_effect: Rule.for_effect(min_effect) for min_effect in (0.05, 0.02)}  # by `--min-effect`
FINEST = 0.02  # of injected slowdowns: only those, and none at all, are decided by the finer rule, too


@dataclass(frozen=True, kw_only=True)
class ErrorRates:
    """What one rule made of one injection in one cell under one load.

    Attributes:
        load: Name of the background load; empty for none.
        foreign_cpu_share: Median over pairs of the machine's CPU time that others used.
        cell: Id of the cell; empty for all cells together.
        kind: What was injected, see `bench.compare.inject`.
        share: How much.
        min_effect: Which of `RULES`.
        results: How many pair results were recorded.
        pairs: Of how many different pairs of processes.
        effects: By clock, what the injection really did; empty for all cells together.
        verdicts: How many of the drawn comparisons came to each verdict.
        consecutive: How many of the comparisons one after another did.
        spent: Median and 95th percentile of pairs and minutes of a drawn comparison.
        other_tests: By name, how many of the drawn comparisons each other test called what.
        warning: Why there are no figures, or why to doubt them.
    """

    load: str
    foreign_cpu_share: float | None
    cell: str
    kind: str
    share: float
    min_effect: float
    results: int
    pairs: int
    effects: dict[str, Estimate] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)
    consecutive: dict[str, int] = field(default_factory=dict)
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)
    other_tests: dict[str, dict[str, int]] = field(default_factory=dict)
    warning: str = ""

    @property
    def hit_words(self) -> tuple[str, ...]:
        """The verdicts counted: any alarm where nothing was injected, else that the slowdown was found."""
        return ("slower", "faster") if self.kind == "none" else ("slower",)

    def hits(self, verdicts: dict[str, int]) -> tuple[int, int]:
        """How many of the verdicts are hits, and how many there are."""
        return sum(verdicts.get(word, 0) for word in self.hit_words), sum(verdicts.values())


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All that the pair results of a store say about the rule.

    Attributes:
        cells: Each cell on its own.
        overall: All cells together.
        aa_runs: Comparisons of a cell with itself, as they were run.
        pairs: The pair results that were used.
        left_out: How many are of another machine or another harness version.
        died: How many pairs gave no figure because a process died.
    """

    cells: tuple[ErrorRates, ...]
    overall: tuple[ErrorRates, ...]
    aa_runs: tuple[AARuns, ...]
    pairs: tuple[PairResult, ...]
    left_out: int
    died: int

    def to_json(self) -> dict:
        """Plain values; of the pair results their number and the machine."""
        values = {name: list(map(asdict, getattr(self, name))) for name in ("overall", "cells", "aa_runs")}
        counts = {"pairs": len(self.pairs), "left_out": self.left_out, "died": self.died}
        return {**values, **counts, "machine": self.pairs[-1].machine}


def validate(pairs: Sequence[PairResult], *, comparisons: int = COMPARISONS, seed: int = SEED) -> Validation:
    """Tests the rule on pair results of one machine and one harness version: those of which there are most.

    Args:
        pairs: Pair results of a store, in the order of recording.
        comparisons: How many to draw from the results of each injection in each cell.
        seed: Of the draws; the same figures come out again.

    Raises:
        InputError: If there are no pair results with a figure.
    """
    pairs = [pair for pair in pairs if pair.comparison.startswith(RECORDED) or aa_runs.is_live(pair)]
    places = Counter(_place(pair) for pair in pairs if pair.status == "ok")
    if not places:
        raise InputError(
            "The store must hold pair results to validate verdicts. Received: no pair results with a figure. Record "
            "them by `python -m bench.compare.validation record --minutes 10`"
        )
    usable = [pair for pair in pairs if _place(pair) == places.most_common(1)[0][0]]
    good = [pair for pair in usable if pair.status == "ok"]
    # Of a pair, what its first result took: the others are spared the start of its processes.
    seconds = {pair.pair: pair.seconds for pair in reversed(good)}
    groups: dict[tuple, list[PairResult]] = {}
    for pair in good:
        if pair.comparison.startswith(RECORDED):
            groups.setdefault(_injection(pair), []).append(pair)
    tasks = [
        (injection, results, min_effect)
        for injection, results in sorted(groups.items(), key=_order)
        for min_effect in RULES
        if min_effect > FINEST or injection[-1] <= FINEST
    ]
    cells = []
    for injection, results, min_effect in progress.track(tasks, "drawing comparisons", len(tasks)):
        series = Series.of(results, [seconds[pair.pair] for pair in results])
        dice = random.Random(f"{seed} {injection} {min_effect}")
        cells.append(_error_rates(results, series, min_effect, comparisons=comparisons, dice=dice))
    return Validation(
        cells=tuple(cells),
        overall=tuple(_overall(cells)),
        aa_runs=tuple(aa_runs.follow(good)),
        pairs=tuple(good),
        left_out=len(pairs) - len(usable),
        died=len(usable) - len(good),
    )


def _place(pair: PairResult) -> tuple[str, str]:
    return pair.machine.get("id", ""), pair.harness_version


def _injection(pair: PairResult) -> tuple[str, str, str, float]:
    return pair.load, pair.cell, pair.injection["kind"], pair.injection["share"]


def _order(group: tuple[tuple, list[PairResult]]) -> tuple:
    (load, cell, kind, share), _ = group
    return load, cell, KINDS.index(kind), share


def _error_rates(
    results: Sequence[PairResult],
    series: Series,
    min_effect: float,
    *,
    comparisons: int,
    dice: random.Random,
) -> ErrorRates:
    """Draws comparisons from the results of one injection in one cell, and counts verdicts."""
    load, cell, kind, share = _injection(results[0])
    empty = ErrorRates(
        load=load,
        foreign_cpu_share=aa_runs.median_of(pair.foreign_cpu_share for pair in results),
        cell=cell,
        kind=kind,
        share=share,
        min_effect=min_effect,
        results=len(results),
        pairs=len({pair.pair for pair in results}),
    )
    if len(results) < LOOKS[0]:
        return replace(empty, warning=f"n/a: {len(results)} of at least {LOOKS[0]} pairs")
    rule = RULES[min_effect]
    followed = resampling.resample(series, rule, comparisons=comparisons, dice=dice)
    outcomes = [outcome for _, outcome in followed]
    others = other_tests.decide(
        [comparison.step_seconds for comparison, _ in followed], [outcome.pairs for outcome in outcomes]
    )
    return replace(
        empty,
        effects={clock: sequential_test.estimate(series.values[clock]) for clock in CLOCKS},
        verdicts=_count(outcomes),
        consecutive=_count(resampling.consecutive(series, rule)),
        spent={name: _spent([getattr(outcome, name) for outcome in outcomes]) for name in ("pairs", "minutes")},
        other_tests={name: dict(Counter(words)) for name, words in others.items()},
        warning=f"{len(results)} pairs: a whole comparison may need {MAX_PAIRS}" if len(results) < MAX_PAIRS else "",
    )


def _count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(Counter(outcome.word for outcome in outcomes))


def _spent(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return median(values), sorted(values)[int(0.95 * len(values))]


def _overall(cells: Iterable[ErrorRates]) -> list[ErrorRates]:
    """All cells together: as many comparisons of each."""
    alike: dict[tuple, list[ErrorRates]] = {}
    for rates in cells:
        if rates.verdicts:
            alike.setdefault((rates.load, rates.kind, rates.share, rates.min_effect), []).append(rates)
    return list(map(_sum, alike.values()))


def _sum(cells: list[ErrorRates]) -> ErrorRates:
    """Counts added up; of what comparisons took, the median of the medians and the largest 95th percentile."""
    return replace(
        cells[0],
        cell="",
        foreign_cpu_share=aa_runs.median_of(rates.foreign_cpu_share for rates in cells),
        results=sum(rates.results for rates in cells),
        pairs=sum(rates.pairs for rates in cells),
        effects={},
        verdicts=_add(rates.verdicts for rates in cells),
        consecutive=_add(rates.consecutive for rates in cells),
        spent={
            name: (median(rates.spent[name][0] for rates in cells), max(rates.spent[name][1] for rates in cells))
            for name in ("pairs", "minutes")
        },
        other_tests={name: _add(rates.other_tests[name] for rates in cells) for name in other_tests.NAMES},
        warning="; ".join(sorted({rates.warning for rates in cells} - {""})),
    )


def _add(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()))


def interval(hits: int, total: int) -> tuple[float, float]:
    """Exact 95 % interval of a share, by Clopper and Pearson."""
    from scipy import stats

    bounds = stats.binomtest(hits, total).proportion_ci(sequential_test.CONFIDENCE)
    return float(bounds.low), float(bounds.high)
