"""What other rules would say of the same units: asv's own, and tests that pool all turns of all processes.

All are fed wall time. The units' processes took turns, so that a drift of the machine hit both sides alike; asv runs
one side after the other. These records are kinder to it than its own would be.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.compare.pair_result import PairResult

FACTOR = 1.1  # `asv compare --factor`, its default
PROCESSES = 2  # asv's default `rounds`
TURNS = 5  # of each: asv's default is ten samples a side, halved where there are two rounds
SUITE_PROCESSES = 5  # what this house's own asv suites ask for, see `bench.suite`
P = 0.05  # of a pooled test, as it is commonly used

NAMES = {
    "asv": "asv compare, as it comes",
    "asv_suite": "asv compare, five processes",
    "asv_test": "asv's test without its factor",
    "mann_whitney": "Mann-Whitney over all turns",
    "welch": "Welch's t over all turns",
}


class Turns(NamedTuple):
    """Wall seconds a step of each turn of a unit."""

    base: tuple[float, ...]
    candidate: tuple[float, ...]


def turns(unit: PairResult) -> Turns:
    """What a rival sees of a unit."""
    return Turns(*(tuple(unit.step_seconds(side, "wall")) for side in ("base", "candidate")))


def judge(comparisons: Sequence[Sequence[Turns]], used: Sequence[int]) -> dict[str, list[str]]:
    """What each of `NAMES` says of each comparison: `slower`, `faster`, or `no change`.

    Args:
        comparisons: The units of each, of which asv takes the first 2 or 5: it does not look more than once.
        used: How many of them our rule needed: those go into the pooled tests.
    """
    needed = [one[:count] for one, count in zip(comparisons, used, strict=True)]
    return {
        "asv": [asv(one) for one in comparisons],
        "asv_suite": [asv_suite(one) for one in comparisons],
        "asv_test": [asv(one, factor=1.0) for one in comparisons],
        "mann_whitney": pooled("mannwhitneyu", needed),
        "welch": pooled("ttest_ind", needed),
    }


def asv(units: Sequence[Turns], *, factor: float = FACTOR) -> str:
    """`asv compare` of what asv would have kept by its defaults.

    Ten samples a side: the first 5 turns of the first 2 processes, seconds a step. A change is flagged if the
    medians differ by more than the factor and asv's Mann-Whitney test gives p < 0.002.
    """
    return _asv(*(_pool(one[side][:TURNS] for one in units[:PROCESSES]) for side in (0, 1)), factor)


def asv_suite(units: Sequence[Turns], *, factor: float = FACTOR) -> str:
    """`asv compare` as this house's asv suites feed it: the median of each of the first 5 processes a side.

    With so few samples asv asks, in place of its test, that the 99 % intervals of the medians lie apart.
    """
    from statistics import median

    return _asv(*([median(one[side]) for one in units[:SUITE_PROCESSES]] for side in (0, 1)), factor)


def _asv(base: list[float], candidate: list[float], factor: float) -> str:
    """Runs asv's own code on samples of both sides."""
    from asv.commands.compare import _is_result_better
    from asv_runner.statistics import compute_stats

    (value, stats), (other, other_stats) = compute_stats(base, 1), compute_stats(candidate, 1)
    if _is_result_better(value, other, (stats, base), (other_stats, candidate), factor):
        return "slower"
    if _is_result_better(other, value, (other_stats, candidate), (stats, base), factor):
        return "faster"
    return "no change"


def pooled(test: str, comparisons: Sequence[Sequence[Turns]]) -> list[str]:
    """A test of scipy.stats on all turns of all units of each comparison, as if each turn stood for itself.

    Args:
        test: `mannwhitneyu`, or `ttest_ind` with unequal variances.
        comparisons: The units of each.
    """
    import numpy as np
    from scipy import stats

    more = {"mannwhitneyu": {"method": "asymptotic"}, "ttest_ind": {"equal_var": False}}[test]
    middle = np.median if test == "mannwhitneyu" else np.mean
    alike: dict[tuple[int, int], list[int]] = {}  # tested together where there are as many samples: far quicker
    samples = [tuple(_pool(one[side] for one in units) for side in (0, 1)) for units in comparisons]
    for number, (base, candidate) in enumerate(samples):
        alike.setdefault((len(base), len(candidate)), []).append(number)
    words = [""] * len(samples)
    for numbers in alike.values():
        base, candidate = (np.array([samples[number][side] for number in numbers]) for side in (0, 1))
        found = getattr(stats, test)(base, candidate, axis=1, **more).pvalue < P
        longer = middle(candidate, axis=1) > middle(base, axis=1)
        for number, changed, slower in zip(numbers, found, longer, strict=True):
            words[number] = ("slower" if slower else "faster") if changed else "no change"
    return words


def _pool(parts: Iterable[Iterable[float]]) -> list[float]:
    return [one for part in parts for one in part]
