"""The minimum detectable effect: the slowdown that the sequential test finds in 9 of 10 made-up comparisons.

No formula gives this: looks end a comparison early, either clock may decide, and what is `same` is never found. So
pair results are drawn from the noise of real ones, and each comparison is followed as `sequential_test.follow` would,
all at once.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from bench.compare.sequential_test import CONFIDENCE, LOOKS, MIN_SPREAD, SAME_CONFIDENCE, Rule

if TYPE_CHECKING:
    import numpy as np

POWER = 0.9
COMPARISONS = 2000  # the power is known to ±0.7 % then
LIMIT_CONFIDENCE = 0.8
PRECISION = 0.01  # of the slowdown
LEAST = 1e-5  # without noise there is no smallest one
MOST = 10.0  # a slowdown larger than that is not looked for
LOUDEST = 100.0  # standard deviation of a logarithm: a damaged line may say more, and no figure could hold what follows


class Noise(NamedTuple):
    """How the pair results of identical processes scatter.

    Attributes:
        wall: Standard deviation of their logarithms on the wall clock.
        cpu: The same on the CPU clock.
        correlation: Between the two.
    """

    wall: float
    cpu: float
    correlation: float = 0.0


def limit(pairs: int) -> float:
    """By how much the true deviation may exceed what so many pairs show: the upper end of its one-sided interval.

    It is 1.7 times as large with 4 pairs, 1.35 with 8, 1.16 with 24, 1.07 with 100.
    """
    from scipy import stats

    return math.sqrt((pairs - 1) / stats.chi2.ppf(1 - LIMIT_CONFIDENCE, pairs - 1))


def minimum_effect(
    noise: Noise,
    pairs: int,
    *,
    waiting: bool = False,
    rule: Callable[[float], Rule] = Rule.for_effect,
) -> float | None:
    """The smallest slowdown that a comparison of so many pairs calls slower in 9 of 10 cases.

    Args:
        noise: How pair results scatter.
        pairs: How many there is time for.
        waiting: Whether the candidate waits longer, which CPU seconds do not see, rather than works longer.
        rule: Gives the rule that is used for finding a slowdown.

    Returns:
        A share, e.g. 0.05; None with fewer pairs than the first look needs, if it would be larger than `MOST`, or if
        the noise is none that a clock could have.
    """
    if pairs < LOOKS[0] or max(abs(noise.wall), abs(noise.cpu)) > LOUDEST:
        return None
    wall, cpu = draw(noise, min(pairs, LOOKS[-1]))

    def is_found(slowdown: float) -> bool:
        """The same draws for every slowdown: chance does not make a larger one harder to find."""
        values = {"wall": wall + math.log1p(slowdown), "cpu": cpu + (0.0 if waiting else math.log1p(slowdown))}
        return slower(values, rule(slowdown)).mean() >= POWER

    low, high = 0.0, max(noise.wall, 0.001)
    while not is_found(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > max(PRECISION * high, LEAST):
        middle = (low + high) / 2
        low, high = (low, middle) if is_found(middle) else (middle, high)
    return high


def draw(
    noise: Noise, pairs: int, *, comparisons: int = COMPARISONS, seed: int = 0
) -> tuple["np.ndarray", "np.ndarray"]:
    """Pair results of identical code on the wall and the CPU clock, each of shape `(comparisons, pairs)`."""
    import numpy as np

    own, other = np.random.default_rng(seed).standard_normal((2, comparisons, pairs))
    rest = math.sqrt(max(0.0, 1 - noise.correlation**2))
    return noise.wall * own, noise.cpu * (noise.correlation * own + rest * other)


def slower(values: dict[str, "np.ndarray"], rule: Rule) -> "np.ndarray":
    """Which of many comparisons end as `slower`: `sequential_test.follow` of each.

    Args:
        values: What each pair says, by clock; arrays of shape `(comparisons, pairs)`.
        rule: How sure a verdict must be.

    Returns:
        Truth values, shape `(comparisons,)`.
    """
    import numpy as np

    comparisons, pairs = values["wall"].shape
    undecided, found_slower = np.ones(comparisons, bool), np.zeros(comparisons, bool)
    for looked in (number for number in LOOKS if number <= pairs):
        sure, same = _look({clock: values[clock][:, :looked] for clock in {"wall", *rule.clocks}}, rule)
        found_slower |= undecided & (sure > 0)
        undecided &= (sure == 0) & ~same
    return found_slower


def _look(values: dict[str, "np.ndarray"], rule: Rule) -> tuple["np.ndarray", "np.ndarray"]:
    """Of each comparison at one look: 1 for slower, -1 for faster, 0 for neither; and whether it is the same."""
    import numpy as np
    from scipy import special  # a tenth of what scipy.stats takes to load

    comparisons, count = values["wall"].shape
    levels = [1 - rule.level / 2, (1 + CONFIDENCE) / 2, (1 + SAME_CONFIDENCE) / 2]
    surely, outer, inner = special.stdtrit(count - 1, levels)
    means = {clock: numbers.mean(axis=1) for clock, numbers in values.items()}
    errors = {
        clock: np.maximum(numbers.std(axis=1, ddof=1), MIN_SPREAD) / math.sqrt(count)
        for clock, numbers in values.items()
    }
    sure, same = np.zeros(comparisons), np.ones(comparisons, bool)
    for clock in rule.clocks:  # wall first
        mean, error = means[clock], errors[clock]
        excluded = np.abs(mean - means["wall"]) > outer * errors["wall"]
        contradicted = excluded & (np.sign(mean) != np.sign(means["wall"]))
        passed = (np.abs(mean) > surely * error) & ~contradicted
        sure = np.where((sure == 0) & passed, np.sign(mean), sure)
        wide = clock == "wall" and len(rule.clocks) > 1
        margin = max(rule.margin, rule.wall_margin) if wide else rule.margin
        same &= (1 / (1 + margin) < np.exp(mean - inner * error)) & (np.exp(mean + inner * error) < 1 + margin)
    return sure, same
