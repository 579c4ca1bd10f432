"""Counts the verdicts of stored comparisons by direction: a rule that only ever says slower is itself alarming."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.compare.comparison_result import Comparison
from bench.results import store

LEVEL = 0.01  # below which a count is lopsided: looked at after each comparison, so once in some hundred by luck


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How often something came out to either side, of which neither should be favoured.

    Attributes:
        slower: How often the candidate, or the base's second run, came out slower.
        faster: How often faster.
    """

    slower: int = 0
    faster: int = 0

    @property
    def p(self) -> float:
        """The probability of a count at least as lopsided to either side, were both as likely: a binomial test."""
        count, most = self.slower + self.faster, max(self.slower, self.faster)
        if not count:
            return 1.0
        return min(1.0, 2 * math.fsum(math.comb(count, number) for number in range(most, count + 1)) / 2**count)

    @property
    def is_lopsided(self) -> bool:
        """Whether luck is a poor explanation."""
        return self.p < LEVEL


def count(comparisons: Iterable[Comparison]) -> Tally:
    """How many comparisons found only slower cells, or only faster ones.

    Cells of one comparison share their cause, so a comparison counts once; of two comparisons of the same code the
    later one counts. What is unproven or mixed counts to neither side.
    """
    latest = {_comparison_key(comparison): comparison for comparison in _in_order(comparisons)}
    words = [{cell.verdict.word for cell in comparison.cells} for comparison in latest.values()]
    return Tally(
        slower=sum("slower" in found and "faster" not in found for found in words),
        faster=sum("faster" in found and "slower" not in found for found in words),
    )


def count_controls(comparisons: Iterable[Comparison]) -> Tally:
    """How often the base against itself came out above and below 1, on the wall clock."""
    estimates = [
        comparison.control.verdict.estimates.get("wall") for comparison in comparisons if comparison.control is not None
    ]
    ratios = [estimate.ratio for estimate in estimates if estimate]
    return Tally(slower=sum(ratio > 1 for ratio in ratios), faster=sum(ratio < 1 for ratio in ratios))


def _in_order(comparisons: Iterable[Comparison]) -> list[Comparison]:
    return sorted(comparisons, key=lambda comparison: comparison.started)


def _comparison_key(comparison: Comparison) -> tuple:
    sides = (comparison.base, comparison.candidate)
    return (
        comparison.machine.get("id"),
        *(side.get("digest") or side.get("commit") or side.get("name") for side in sides),
        comparison.title,
    )


def sentences(comparisons: Iterable[Comparison]) -> list[str]:
    """What is lopsided, a sentence each; none where nothing is."""
    comparisons = list(comparisons)
    alarms, controls = count(comparisons), count_controls(comparisons)
    said = []
    if alarms.is_lopsided:
        said.append(
            f"verdicts are lopsided: of {alarms.slower + alarms.faster} stored comparisons that found a change, "
            f"{alarms.slower} said slower and {alarms.faster} faster (binomial test, p = {alarms.p:.2g}); either "
            f"changes really went one way, or the rule leans: the base against itself came out slower in "
            f"{controls.slower} and faster in {controls.faster}"
        )
    if controls.is_lopsided:
        said.append(
            f"controls are lopsided: over the stored comparisons the base against itself came out slower in "
            f"{controls.slower} and faster in {controls.faster} (binomial test, p = {controls.p:.2g}); something "
            "favours a side, so doubt every verdict: `python -m bench doctor`, `python -m bench noise`"
        )
    return said


def said_by(results: Path) -> list[str]:
    """The sentences of a store."""
    return sentences(store.load(Comparison, results).results)
