"""Runs a comparison: pairs of fresh processes, cell after cell in turn, until each cell has its verdict."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from time import perf_counter

from bench.compare import pair, revision, sequential_test
from bench.compare.comparison_result import CellVerdict, Comparison, describe
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import LOOKS, Estimate, Rule, Verdict
from bench.compare.variant import Variant, VariantPair
from bench.results import store
from flowers_core.errors import InputError

UNKNOWN_SECONDS = 20.0  # a pair, until the first has run: two imports of TensorFlow, warm-up, 32 blocks
TYPICAL_PAIRS = 6
MAX_FAILURES_IN_A_ROW = 3  # then the cell is given up


@dataclass
class Trial:
    """How one cell stands; it changes as pair results come in.

    Attributes:
        variants: What is compared.
        pairs: Pair results so far.
        failures: Those that were dropped because a process died.
        failures_in_a_row: Since the last whole pair result.
        verdict: Once there is one.
    """

    variants: VariantPair
    pairs: list[PairResult] = field(default_factory=list)
    failures: list[PairResult] = field(default_factory=list)
    failures_in_a_row: int = 0
    verdict: Verdict | None = None

    def enter(self, result: PairResult, rule: Rule) -> None:
        """Adds a pair result, and decides if it is time."""
        if result.status != "ok":
            self.failures.append(result)
            self.failures_in_a_row += 1
            if self.failures_in_a_row == MAX_FAILURES_IN_A_ROW:
                self.close(rule, f"{MAX_FAILURES_IN_A_ROW} processes in a row died: {result.reason}")
            return
        self.failures_in_a_row = 0
        self.pairs.append(result)
        if len(self.pairs) in LOOKS:
            self.verdict = sequential_test.follow(self._values(rule), rule)

    def close(self, rule: Rule, reason: str) -> None:
        """Leaves it inconclusive, with what its pairs say so far."""
        self.verdict = sequential_test.partial(self._values(rule), rule, reason)

    @property
    def final(self) -> Verdict:
        """Its verdict, once the comparison has ended."""
        if self.verdict is None:
            raise RuntimeError(f"{self.variants.cell} has no verdict yet")
        return self.verdict

    def estimates(self) -> dict[str, Estimate]:
        """What its pairs say together, by clock; those of the verdict where there is one."""
        if self.verdict:
            return self.verdict.estimates
        if len(self.pairs) < 2:
            return {}
        rule = Rule(clocks=sequential_test.clocks([self.variants.base.cell, self.variants.candidate.cell]))
        return {clock: sequential_test.estimate(values) for clock, values in self._values(rule).items()}

    def step_seconds(self, clock: str) -> tuple[float, float]:
        """Base's and candidate's: the median over all blocks of all pairs."""
        base, candidate = (
            median(seconds for result in self.pairs for seconds in result.step_seconds(name, clock))
            for name in ("base", "candidate")
        )
        return base, candidate

    def total_seconds(self) -> float:
        """How long its pairs took, failures included."""
        return sum(result.seconds for result in (*self.pairs, *self.failures))

    def pair_seconds(self) -> float:
        """How long the next pair will probably take."""
        taken = [result.seconds for result in (*self.pairs, *self.failures)]
        return mean(taken) if taken else UNKNOWN_SECONDS

    def left_seconds(self) -> float:
        """How long until its verdict, if it needs the usual number of pairs; beyond that, until the next look."""
        if self.verdict:
            return 0.0
        wanted = next((look for look in LOOKS if look > len(self.pairs) and look >= TYPICAL_PAIRS), LOOKS[-1])
        return (wanted - len(self.pairs)) * self.pair_seconds()

    def _values(self, rule: Rule) -> dict[str, list[float]]:
        """What its pairs say, by clock."""
        return {clock: [sequential_test.value(result, clock) for result in self.pairs] for clock in rule.clocks}


def check_budget(budget_seconds: float | None, cells: int) -> None:
    """Checks that a budget can hold the four pairs of the first look, for one cell at least.

    Raises:
        InputError: If it cannot.
    """
    least = LOOKS[0] * UNKNOWN_SECONDS
    if budget_seconds is not None and budget_seconds < least:
        raise InputError(
            f"`--budget` must allow at least {LOOKS[0]} pairs, about {least:.0f} s for a cell "
            f"({cells * least:.0f} s for all {cells}). Received: {budget_seconds:.0f} s. Give more time, or fewer cells"
        )


def run(
    variant_pairs: Sequence[VariantPair],
    results: Path,
    *,
    rule: Rule,
    title: str = "",
    budget_seconds: float | None = None,
    record: Callable[..., list[PairResult]] = pair.record,
    now: Callable[[], float] = perf_counter,
) -> Generator[list[Trial]]:
    """Runs pairs, stores each the moment it ends, and stores the verdicts at the end, also after Ctrl-C.

    Cells take turns, so that a drift of the machine hits all and an early end leaves each with something. A cell
    stops at its verdict.

    Args:
        variant_pairs: What to compare.
        results: The store.
        rule: How sure verdicts must be.
        title: What is compared, for a reader of the store.
        budget_seconds: When to stop; what has no verdict then is inconclusive. None is no limit.
        record: Runs one pair.
        now: Clock in seconds.

    Yields:
        The same trials, as they change; after the last time all have a verdict.
    """
    begun, started = now(), datetime.now(UTC)
    mark = started.strftime("%Y%m%dT%H%M%S%fZ")
    trials = [Trial(variants=variants) for variants in variant_pairs]
    try:
        yield trials
        while any(trial.verdict is None for trial in trials):
            for trial in trials:
                if trial.verdict:
                    continue
                if budget_seconds is not None and now() - begun + trial.pair_seconds() > budget_seconds:
                    trial.close(rule, "the budget ended")
                else:
                    result = record(trial.variants.base, trial.variants.candidate, comparison=mark)[0]
                    result = replace(result, margin=rule.margin)
                    store.append(result, results)
                    trial.enter(result, rule)
                yield trials
        verdicts = sequential_test.holm([trial.final for trial in trials], rule)
        for trial, verdict in zip(trials, verdicts, strict=True):
            trial.verdict = verdict
        yield trials
    finally:
        for trial in trials:
            if trial.verdict is None:
                trial.close(rule, "interrupted")
        if any(trial.pairs or trial.failures for trial in trials):
            store.append(_comparison(trials, rule, title, mark, started), results)


def _comparison(trials: Sequence[Trial], rule: Rule, title: str, mark: str, started: datetime) -> Comparison:
    """What is stored of a comparison in the end."""
    variants = trials[0].variants
    pairs = [result for trial in trials for result in (*trial.pairs, *trial.failures)]
    shares = [result.foreign_cpu_share for result in pairs if result.foreign_cpu_share is not None]
    return Comparison(
        comparison=mark,
        title=title or f"{variants.base.name} v {variants.candidate.name}",
        base=_summary(variants.base),
        candidate=_summary(variants.candidate),
        rule=asdict(rule),
        cells=tuple(
            CellVerdict(
                cell=trial.variants.cell,
                verdict=trial.final,
                step_seconds={clock: trial.step_seconds(clock) for clock in rule.clocks} if trial.pairs else {},
                failures=len(trial.failures),
                seconds=trial.total_seconds(),
            )
            for trial in trials
        ),
        foreign_cpu_share=median(shares) if shares else None,
        started=started.isoformat(timespec="milliseconds"),
        data=next((result.data for result in pairs if "photos" in result.data), {}),
        machine=pairs[-1].machine,
    )


def title(variants: VariantPair) -> str:
    """Names what is compared by revisions, commits and the titles of these."""
    return " v ".join(describe(**_summary(variant)) for variant in (variants.base, variants.candidate))


def _summary(variant: Variant) -> dict:
    """Which code a variant ran, in words as well."""
    return {"name": variant.name, **variant.code, "subject": revision.subject(variant.code.get("commit", ""))}
