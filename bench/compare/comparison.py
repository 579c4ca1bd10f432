"""Runs a comparison: pairs of fresh processes, cell after cell in turn, until each cell has its verdict."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from time import perf_counter

from bench.compare import pair, sequential_test
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import LOOKS, Estimate, Rule, Verdict
from bench.compare.variant import Variant, cell_id
from bench.results import store
from flowers_core.errors import InputError

UNKNOWN_SECONDS = 20.0  # a unit, until one has been run: two imports of TensorFlow, warm-up, 32 turns
TYPICAL_UNITS = 6
MAX_FAILURES_IN_A_ROW = 3  # in a row; then the cell is given up


@dataclass(frozen=True)
class VariantPair:
    """One cell of a comparison: its base and its candidate."""

    base: Variant
    candidate: Variant

    @property
    def cell(self) -> str:
        """Names it in the store."""
        return cell_id(self.base, self.candidate)


@dataclass
class Trial:
    """How one cell stands; it changes as units come in.

    Attributes:
        variants: What is compared.
        pairs: Whole units so far.
        failures: Units that were dropped because a process died.
        failures_in_a_row: Since the last whole unit.
        seconds: What each unit took.
        verdict: Once there is one.
    """

    variants: VariantPair
    pairs: list[PairResult] = field(default_factory=list)
    failures: list[PairResult] = field(default_factory=list)
    failures_in_a_row: int = 0
    seconds: list[float] = field(default_factory=list)
    verdict: Verdict | None = None

    def values(self, rule: Rule) -> dict[str, list[float]]:
        """What its units say, by clock."""
        return {clock: [sequential_test.value(unit, clock) for unit in self.pairs] for clock in rule.clocks}

    def estimates(self) -> dict[str, Estimate]:
        """What its units say together, by clock; those of the verdict where there is one."""
        if self.verdict:
            return self.verdict.estimates
        rule = Rule(clocks=sequential_test.clocks([self.variants.base.cell, self.variants.candidate.cell]))
        some = self.values(rule) if len(self.pairs) > 1 else {}
        return {clock: sequential_test.estimate(values) for clock, values in some.items()}

    def unit_seconds(self) -> float:
        """What a unit of it takes."""
        return mean(self.seconds) if self.seconds else UNKNOWN_SECONDS

    def left_seconds(self) -> float:
        """How long until its verdict, if it needs the usual number of units; beyond that, until the next look."""
        if self.verdict:
            return 0.0
        wanted = next((look for look in LOOKS if look > len(self.pairs) and look >= TYPICAL_UNITS), LOOKS[-1])
        return (wanted - len(self.pairs)) * self.unit_seconds()


def check_budget(budget_seconds: float | None, cells: int) -> None:
    """Checks that a budget can hold the four units of the first look, for one cell at least.

    Raises:
        InputError: If it cannot.
    """
    least = LOOKS[0] * UNKNOWN_SECONDS
    if budget_seconds is not None and budget_seconds < least:
        raise InputError(
            f"`--budget` must allow at least {LOOKS[0]} units, about {least:.0f} s for a cell "
            f"({cells * least:.0f} s for all {cells}). Received: {budget_seconds:.0f} s. Give more time, or fewer cells"
        )


def run(
    variant_pairs: Sequence[VariantPair],
    results: Path,
    *,
    rule: Rule,
    budget_seconds: float | None = None,
    record: Callable[..., list[PairResult]] = pair.record,
    now: Callable[[], float] = perf_counter,
    draw: random.Random | None = None,
) -> Iterator[list[Trial]]:
    """Runs units, each stored the moment it ends, and gives the trials after each.

    Cells take turns, so that a drift of the machine hits all and an early end leaves each with something. A cell
    stops at its verdict.

    Args:
        variant_pairs: What to compare.
        results: The store.
        rule: How sure verdicts must be.
        budget_seconds: When to stop; what has no verdict then is inconclusive. None is no limit.
        record: Runs one unit.
        now: Clock in seconds.
        draw: Chooses orders at random.

    Yields:
        The same trials, as they change; after the last time all have a verdict.
    """
    begun = now()
    comparison = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    trials = [Trial(variants=match) for match in variant_pairs]
    yield trials
    while any(one.verdict is None for one in trials):
        for one in trials:
            if one.verdict:
                continue
            if budget_seconds is not None and now() - begun + one.unit_seconds() > budget_seconds:
                _close(one, rule, "the budget ended")
            else:
                unit = record(one.variants.base, one.variants.candidate, comparison=comparison, draw=draw)[0]
                unit = replace(unit, margin=rule.margin)  # so that whoever reads it judges by the same rule
                store.append(unit, results)
                _enter(one, unit, rule)
            yield trials
    for one, final in zip(trials, sequential_test.holm([one.verdict for one in trials], rule), strict=True):
        one.verdict = final
    yield trials


def interrupt(trials: Sequence[Trial], rule: Rule) -> None:
    """Gives those without a verdict the one that their units allow: inconclusive, and what they say so far."""
    for one in trials:
        if one.verdict is None:
            _close(one, rule, "interrupted")


def _close(one: Trial, rule: Rule, reason: str) -> None:
    one.verdict = sequential_test.partial(one.values(rule), rule, reason)


def _enter(one: Trial, unit: PairResult, rule: Rule) -> None:
    """Adds a unit to a trial, and gives the verdict if it is time."""
    one.seconds.append(unit.seconds)
    if unit.status != "ok":
        one.failures.append(unit)
        one.failures_in_a_row += 1
        if one.failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            _close(one, rule, f"{MAX_FAILURES_IN_A_ROW} processes in a row died: {unit.reason}")
        return
    one.failures_in_a_row = 0
    one.pairs.append(unit)
    if len(one.pairs) in LOOKS:
        one.verdict = sequential_test.follow(one.values(rule), rule)
