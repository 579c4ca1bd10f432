"""What other rules would say of the same pair results: asv's own, and tests that pool all blocks of all processes.

All are given wall time. The processes of a pair alternated, so that a drift of the machine hit both variants alike;
asv runs one variant after the other. These results are kinder to it than its own would be.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from statistics import median
from typing import Any, NamedTuple

from bench.compare.pair_result import PairResult

FACTOR = 1.1  # `asv compare --factor`, its default
PROCESSES = 2  # asv's default `rounds`
BLOCKS = 5  # of each process: asv's default is ten samples a variant, halved where there are two rounds
SUITE_PROCESSES = 5  # what this project's own asv suites ask for, see `bench.suite`
P = 0.05  # of a pooled test, as it is commonly used

NAMES = {
    "asv": "asv compare, as it comes",
    "asv_suite": "asv compare, five processes",
    "asv_test": "asv's test without its factor",
    "mann_whitney": "Mann-Whitney over all blocks",
    "welch": "Welch's t over all blocks",
}


class StepSeconds(NamedTuple):
    """Wall seconds a step of each block of a pair."""

    base: tuple[float, ...]
    candidate: tuple[float, ...]

    @classmethod
    def of(cls, pair: PairResult) -> "StepSeconds":
        """What another test sees of a pair result."""
        return cls(*(tuple(pair.step_seconds(variant, "wall")) for variant in ("base", "candidate")))


Comparison = Sequence[StepSeconds]


def decide(comparisons: Sequence[Comparison], used: Sequence[int]) -> dict[str, list[str]]:
    """What each of `NAMES` says of each comparison: `slower`, `faster`, or `no change`.

    Args:
        comparisons: The pairs of each, of which asv takes the first 2 or 5: it does not look more than once.
        used: How many of them our rule needed: those go into the pooled tests.
    """
    needed = [pairs[:count] for pairs, count in zip(comparisons, used, strict=True)]
    return {
        "asv": [asv(pairs) for pairs in comparisons],
        "asv_suite": [asv_suite(pairs) for pairs in comparisons],
        "asv_test": [asv(pairs, factor=1.0) for pairs in comparisons],
        "mann_whitney": pooled_test("mannwhitneyu", needed),
        "welch": pooled_test("ttest_ind", needed),
    }


def asv(pairs: Comparison, *, factor: float = FACTOR) -> str:
    """`asv compare` of what asv would have kept by its defaults.

    Ten samples a variant: the first 5 blocks of the first 2 processes, seconds a step. A change is flagged if the
    medians differ by more than the factor and asv's Mann-Whitney test gives p < 0.002.
    """
    base, candidate = ([*chain(*(pair[number][:BLOCKS] for pair in pairs[:PROCESSES]))] for number in (0, 1))
    return _asv(base, candidate, factor)


def asv_suite(pairs: Comparison) -> str:
    """`asv compare` of what this project's asv suites give it: the median of each of the first 5 processes a variant.

    With so few samples asv asks, in place of its test, that the 99 % intervals of the medians do not overlap.
    """
    base, candidate = ([median(pair[number]) for pair in pairs[:SUITE_PROCESSES]] for number in (0, 1))
    return _asv(base, candidate, FACTOR)


def _asv(base: list[float], candidate: list[float], factor: float) -> str:
    """Runs asv's own code on samples of both variants."""
    from asv.commands.compare import _is_result_better
    from asv_runner.statistics import compute_stats

    (value, stats), (other, other_stats) = compute_stats(base, 1), compute_stats(candidate, 1)
    if _is_result_better(value, other, (stats, base), (other_stats, candidate), factor):
        return "slower"
    if _is_result_better(other, value, (other_stats, candidate), (stats, base), factor):
        return "faster"
    return "no change"


def pooled_test(test: str, comparisons: Iterable[Comparison]) -> list[str]:
    """A test of scipy.stats on all blocks of all pairs of each comparison, as if each block were independent.

    Args:
        test: `mannwhitneyu`, or `ttest_ind` with unequal variances.
        comparisons: The pairs of each.
    """
    import numpy as np
    from scipy import stats

    options: dict[str, Any] = {"mannwhitneyu": {"method": "asymptotic"}, "ttest_ind": {"equal_var": False}}[test]
    middle = np.median if test == "mannwhitneyu" else np.mean
    samples = [tuple([*chain(*(pair[number] for pair in pairs))] for number in (0, 1)) for pairs in comparisons]
    same_length: dict[tuple[int, int], list[int]] = {}  # tested in one call, which is far quicker
    for number, (base, candidate) in enumerate(samples):
        same_length.setdefault((len(base), len(candidate)), []).append(number)
    words = [""] * len(samples)
    for numbers in same_length.values():
        base, candidate = (np.array([samples[number][variant] for number in numbers]) for variant in (0, 1))
        changed = getattr(stats, test)(base, candidate, axis=1, **options).pvalue < P
        slower = middle(candidate, axis=1) > middle(base, axis=1)
        for place, number in enumerate(numbers):
            words[number] = ("slower" if slower[place] else "faster") if changed[place] else "no change"
    return words
