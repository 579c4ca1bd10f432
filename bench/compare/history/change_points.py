"""Finds where a series of timings steps, by seeded binary segmentation; a step is a candidate, not a verdict.

Why not asv's own step detection? It fits medians with a penalty that it chooses from the series itself, and misses
most steps that matter here. Of 10,080 made-up series (15 to 60 commits, noise of 1 to 5 %, half of them with drift):

| step                               | 3 % | 5 % | 10 % | none: false alarms | none, but drift: false alarms |
|------------------------------------|----:|----:|-----:|-------------------:|------------------------------:|
| found by asv's `detect_steps`      | 12 % | 30 % | 58 % | 0 % | 0 % |
| by apache-otava, p < 0.001         | 52 % | 69 % | 90 % | 2 % | 25 % |
| by this module                     | 48 % | 66 % | 88 % | 1 % | 14 % |

Otava needs an environment of its own for what 40 lines of numpy do. Drift passes every such test for a step, which is
why a paired run has to confirm each.

A split of a whole stretch does not see steps that cancel: of a commit that is 10 % slower, a faster and another slower
one among 15 it found none in 100 series at 1 % noise. So shorter stretches are searched as well ("seeded", Kovács et
al. 2020, arXiv:2002.06633), at a level shared among them: 95 % of such steps, a single step as often as before, and
1.1 % false alarms of 1,800 flat series in place of 0.4 %.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.compare.history.asv_series import Series

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.01  # of a stretch, shared among the places where it may step (Bonferroni)

# Where paired runs decide: of three steps of 10 % among 15 commits at 3 % noise it finds 1.7, LEVEL 0.4; of a series
# without any it sends 0.13 to the paired runs, LEVEL 0.02.
LEVEL_TO_CONFIRM = 0.1
MIN_STRETCH = 2  # commits on either side of a step: a single commit that stands out is noise as often as not

# A step of 10 % at 1 % noise is found in 98 of 100 series of 6 commits, and one of 5 % in half of them.
MIN_COMMITS = 6


@dataclass(frozen=True, kw_only=True)
class Step:
    """A place where a list of numbers steps.

    Attributes:
        index: The first value after the step.
        before: Mean of the stretch before it.
        after: Mean of the stretch after it.
        p: That chance makes such a step, by a t-test that takes the values as independent: they are not.
    """

    index: int
    before: float
    after: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A step in a series, not confirmed.

    Attributes:
        series: Where.
        before: The last measured commit before it.
        after: The first measured commit after it.
        ratio: Typical seconds of the stretch after it over those of the stretch before; above 1 is slower.
        p: See `Step`; None where a user names the step.
    """

    series: Series
    before: str
    after: str
    ratio: float
    p: float | None


@dataclass(frozen=True, kw_only=True)
class TooShort:
    """A series of which nothing can be said, and why."""

    series: Series
    reason: str


Detect = Callable[[Sequence[float]], list[Step]]


def detect(values: Sequence[float], *, level: float = LEVEL) -> list[Step]:
    """Finds the steps of a list of numbers.

    The place that divides a stretch best, or a shorter one within it, is a step where its t-test passes; both sides are
    then divided further.

    Args:
        values: The numbers.
        level: How probable a step may be by chance.
    """
    import numpy as np

    numbers = np.asarray(values, float)
    seeds = {(start, end): _best_split(numbers[start:end]) for start, end in _seeds(len(numbers))}
    found: dict[int, float] = {}
    stretches = [(0, len(numbers))]
    while stretches:
        start, end = stretches.pop()
        if end - start <= 2 * MIN_STRETCH:
            continue
        index, p = _best_split(numbers[start:end])
        splits = [(p, start + index)]
        inside = [(seed, split) for seed, split in seeds.items() if start <= seed[0] and seed[1] <= end]
        splits += [(p * len(inside), seed + index) for (seed, _), (index, p) in inside]
        p, index = min(splits)
        if p < level:
            found[index] = p
            stretches += [(start, index), (index, end)]
    edges = [0, *sorted(found), len(numbers)]
    means = [float(np.mean(numbers[start:end])) for start, end in itertools.pairwise(edges)]
    return [
        Step(index=index, before=means[number], after=means[number + 1], p=found[index])
        for number, index in enumerate(sorted(found))
    ]


def _seeds(count: int) -> set[tuple[int, int]]:
    """Stretches of a list of numbers, each length 0.7 times the one before, that overlap by half."""
    seeds, length = set(), count / math.sqrt(2)
    while length > 2 * MIN_STRETCH:
        whole = math.ceil(length)
        starts = [*range(0, count - whole, whole // 2), count - whole]
        seeds |= {(start, start + whole) for start in starts}
        length /= math.sqrt(2)
    return seeds


def _best_split(values: "np.ndarray") -> tuple[int, float]:
    """The place at which the means on both sides differ most clearly, and how probable that is by chance."""
    import numpy as np
    from scipy import special

    count, sums = len(values), np.cumsum(values - values.mean())
    places = np.arange(MIN_STRETCH, count - MIN_STRETCH + 1)
    left = sums[places - 1] / places
    right = -sums[places - 1] / (count - places)
    between = places * left**2 + (count - places) * right**2
    within = np.maximum(((values - values.mean()) ** 2).sum() - between, 1e-18) / (count - 2)
    t = np.abs(right - left) / np.sqrt(within * (1 / places + 1 / (count - places)))
    best = int(np.argmax(t))
    p = 2 * float(special.stdtr(count - 2, -t[best])) * len(places)
    return int(places[best]), min(1.0, p)


def find(series: Sequence[Series], *, detect: Detect = detect) -> tuple[tuple[Candidate, ...], tuple[TooShort, ...]]:
    """Finds the steps of series, on the logarithms of their seconds, and the series that are too short to tell.

    Args:
        series: What asv measured.
        detect: Finds the steps of a list of numbers.
    """
    candidates, too_short = [], []
    for timings in series:
        if len(timings.points) < MIN_COMMITS:
            reason = f"{len(timings.points)} commits measured: a step shows from {MIN_COMMITS}"
            too_short.append(TooShort(series=timings, reason=reason))
            continue
        candidates += [
            Candidate(
                series=timings,
                before=timings.points[step.index - 1].commit,
                after=timings.points[step.index].commit,
                ratio=math.exp(step.after - step.before),
                p=step.p,
            )
            for step in detect([math.log(point.value_seconds) for point in timings.points])
        ]
    return tuple(candidates), tuple(too_short)
