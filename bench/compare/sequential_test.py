"""Decides whether a candidate is slower, the same or faster: the one rule for live pairs, stored sets and validation.

A pair of processes gives one number a clock: the logarithm of candidate over base. These are tested against no
difference at fixed looks, so that a clear case ends early, at a level that allows for looking more than once. Stored
sets have no pairs: their processes are tested once, by Welch's test on the logarithms of their medians. CPU seconds are
several times steadier on a CPU, but do not see waiting or lost parallelism; wall time sees everything. Both are
tested; where both speak, the wall clock decides, for it is what a user waits for.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.compare.pair_result import CLOCKS, INSTRUCTIONS, PairResult
from bench.results.cell import Cell

# Six looks at p < 0.001, shared between two clocks, raise 0.45 % false alarms in all (by simulation: what all looks
# come to together is 4.5 times the level of one): half of the 1 % that is promised, for noise is never quite normal.
LOOKS = (4, 6, 8, 12, 16, 24)
LOOK_LEVEL = 0.001
SINGLE_LOOK_LEVEL = 4.5 * LOOK_LEVEL  # as many false alarms where there is but one look

MIN_SPREAD = 0.001  # pairs or processes that agree better do so by chance
MIN_PROCESSES = 3  # a side, for Welch's test: two make intervals from 0.0004 to 3,000

TRIM = 0.25  # of the blocks of a pair at either end: a disturbed block does not count, and none is chosen by hand
CONFIDENCE = 0.95
SAME_CONFIDENCE = 0.90  # two one-sided tests at 5 %

WORDS = ("slower", "unproven", "inconclusive", "faster", "same")  # what a reviewer must see first, first


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How sure a verdict must be.

    Attributes:
        margin: On the deciding clock `same` means that the 90 % interval lies inside ±margin.
        wall_margin: The same for the wall clock where CPU seconds decide as well: it is noisier, and what it alone
            can see (waiting, lost parallelism) is large.
        cells: How many cells are tested together: the level is shared among them and their clocks.
        clocks: `wall` and `cpu`, or `wall` alone on an accelerator, whose work no CPU second shows; `instructions` as
            well where the machine counts them.
        look_level: What p must be below at a look at one cell on one clock.
    """

    margin: float = 0.03
    wall_margin: float = 0.05
    cells: int = 1
    clocks: tuple[str, ...] = CLOCKS
    look_level: float = LOOK_LEVEL

    @classmethod
    def for_effect(cls, min_effect: float, **others: Any) -> "Rule":
        """The rule for finding a slowdown of this share, the smallest that matters.

        Nothing that is `same` may hide it: at 5 % the margin is 3 %, at 2 % it is 1 %.
        """
        return cls(margin=min_effect / 2 if min_effect < 0.05 else 0.6 * min_effect, **others)

    @property
    def level(self) -> float:
        """What p must be below at a look, shared among all cells and clocks."""
        return self.look_level / (self.cells * len(self.clocks))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the pair results, or the processes of two sets, say on one clock.

    Attributes:
        ratio: Candidate over base; above 1 the candidate is slower.
        low: Lower end of the 95 % interval of the ratio.
        high: Its upper end.
        deviation: Standard deviation of their logarithms: the noise of one pair, or of one process.
        p: Of the t-test that the ratio is 1.
        inner: The 90 % interval, for `same`.
    """

    ratio: float
    low: float
    high: float
    deviation: float
    p: float
    inner: tuple[float, float]

    def is_inside(self, margin: float) -> bool:
        """Whether the 90 % interval lies within ±margin, and so would that of base over candidate."""
        return 1 / (1 + margin) < self.inner[0] and self.inner[1] < 1 + margin


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of a comparison of one cell.

    Attributes:
        word: One of `WORDS`.
        clock: The clock that decided: `wall`, `cpu`, or both as `wall+cpu` for `same`; empty when inconclusive.
        pairs: How many pair results it rests on; 0 for stored sets.
        estimates: By clock; empty with fewer than 2 pair results.
        reason: Why it is inconclusive, or what a reader should know.
    """

    word: str
    clock: str = ""
    pairs: int = 0
    estimates: dict[str, Estimate]
    reason: str = ""

    @property
    def estimate(self) -> Estimate | None:
        """On the clock that decided, else on the wall clock."""
        return self.estimates.get(self.clock.partition("+")[0] or "wall")

    @property
    def ratio(self) -> float | None:
        """Of that estimate."""
        return self.estimate.ratio if self.estimate else None

    @property
    def importance(self) -> tuple[int, float]:
        """Sorts verdicts as a reviewer reads them: by `WORDS`, the slowest first, of what is faster the fastest."""
        if self.word not in WORDS:  # n/a
            return len(WORDS), 0.0
        ratio = self.ratio or 1.0
        return WORDS.index(self.word), {"faster": ratio, "same": 0.0}.get(self.word, -ratio)


def clocks(cells: Iterable[Cell]) -> tuple[str, ...]:
    """What a verdict of cells looks at: CPU seconds say nothing of an accelerator."""
    return CLOCKS if all(cell.device == "cpu" for cell in cells) else ("wall",)


def value(result: PairResult, clock: str) -> float:
    """What a pair says: the trimmed mean over its blocks of log(candidate / base).

    CPU seconds are those of a machine of one's own: see `contention`. Wall time is as it was.
    """
    from scipy import stats

    pairs = zip(result.step_seconds("base", clock), result.step_seconds("candidate", clock), strict=True)
    logs = [math.log(candidate / base) for base, candidate in pairs]
    if clock == "cpu":
        logs = [log - part for log, part in zip(logs, contention(result, logs), strict=True)]
    return float(stats.trim_mean(logs, TRIM))


def contention(result: PairResult, logs: Sequence[float]) -> list[float]:
    """The part of each block's number that others caused, by taking the cores that threads were ready to run on.

    Where threads wait for cores, a step costs other CPU seconds than where they do not: caches go cold, and a thread
    that spins for a neighbour spins longer. How much is the slope, over the blocks of the pair itself, of its numbers
    against the difference in the share of time that threads waited (Theil and Sen's: the median of the slopes between
    blocks). Where one process waited more in every block, that is its own doing, and nothing is taken off.

    Why not leave CPU seconds as the kernel counts them? Beside another load they favour whichever process met it less,
    and the test would call that a difference.
    """
    from scipy import stats

    shares = (
        [sample.delay_seconds / sample.wall_seconds for sample in samples]
        for samples in (result.base_samples, result.candidate_samples)
    )
    more = [candidate - base for base, candidate in zip(*shares, strict=True)]
    if not min(more) < 0 < max(more):
        return [0.0] * len(more)
    slope = stats.theilslopes(logs, more).slope
    return [slope * share for share in more]


def estimate(values: Sequence[float]) -> Estimate:
    """What at least 2 pair results say on one clock: the t-test over them, its interval, and their scatter."""
    mean, variance = _mean_and_variance(values)
    error = math.sqrt(max(variance, MIN_SPREAD**2) / len(values))
    return _estimate(mean, error, len(values) - 1, deviation=math.sqrt(variance))


def welch(base: Sequence[float], candidate: Sequence[float], *, extra_variance: float = 0.0) -> Estimate:
    """What two sets of processes say on one clock, by Welch's test.

    Args:
        base: Logarithms of the median seconds of each process, at least `MIN_PROCESSES` of them.
        candidate: Likewise.
        extra_variance: Of the difference, beside what processes scatter: it is known, and costs no degree of freedom.
    """
    (mean, variance), (other_mean, other_variance) = map(_mean_and_variance, (base, candidate))
    variance, other_variance = max(variance, MIN_SPREAD**2), max(other_variance, MIN_SPREAD**2)
    parts = variance / len(base), other_variance / len(candidate)
    total = sum(parts) + extra_variance
    lost = parts[0] ** 2 / (len(base) - 1) + parts[1] ** 2 / (len(candidate) - 1)
    freedom = min(total**2 / lost, 1e9)  # scipy gives no quantile for more
    deviation = math.sqrt((variance + other_variance) / 2)
    return _estimate(other_mean - mean, math.sqrt(total), freedom, deviation=deviation)


def _mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _estimate(mean: float, error: float, freedom: float, *, deviation: float) -> Estimate:
    """The estimate of a mean logarithm with its standard error."""
    # Student's distribution without what `scipy.stats` adds to it: a validation asks 100,000 times.
    from scipy import special

    outer, inner = (error * float(special.stdtrit(freedom, (1 + share) / 2)) for share in (CONFIDENCE, SAME_CONFIDENCE))
    return Estimate(
        ratio=math.exp(mean),
        low=math.exp(mean - outer),
        high=math.exp(mean + outer),
        deviation=deviation,
        p=float(2 * special.stdtr(freedom, -abs(mean) / error)),
        inner=(math.exp(mean - inner), math.exp(mean + inner)),
    )


def decide(estimates: dict[str, Estimate], rule: Rule) -> tuple[str, str] | None:
    """The word that estimates allow and the clock that decides; None where they allow none yet.

    `slower` and `faster` need a p below the level of the rule, on the wall clock first; `same` needs the intervals of
    all clocks to lie inside their margins.
    """
    for clock, clock_estimate in estimates.items():  # wall first
        if clock_estimate.p < rule.level and not _is_contradicted(clock_estimate, estimates["wall"]):
            return "slower" if clock_estimate.ratio > 1 else "faster", clock
    if all(clock_estimate.is_inside(_margin(clock, rule)) for clock, clock_estimate in estimates.items()):
        return "same", "+".join(sorted(estimates))
    return None


def _margin(clock: str, rule: Rule) -> float:
    """The margin of a clock: a steadier one beside it sees the rest, CPU seconds or instructions."""
    if clock == "wall" and len(rule.clocks) > 1:
        return max(rule.margin, rule.wall_margin)
    return max(rule.margin, Rule.margin) if clock == "cpu" and INSTRUCTIONS in rule.clocks else rule.margin


def _is_contradicted(estimate: Estimate, wall: Estimate) -> bool:
    """Whether the wall clock excludes what another clock says: more work may well be done in less time."""
    return not wall.low <= estimate.ratio <= wall.high and (estimate.ratio > 1) != (wall.ratio > 1)


def look(values: Mapping[str, Sequence[float]], rule: Rule) -> Verdict | None:
    """The verdict at one of the looks, or None where more pair results are needed.

    Args:
        values: What each pair says, by clock.
        rule: How sure the verdict must be.
    """
    estimates = {clock: estimate(values[clock]) for clock in rule.clocks}
    decision = decide(estimates, rule)
    if decision is None:
        return None
    word, clock = decision
    return Verdict(word=word, clock=clock, pairs=len(values["wall"]), estimates=estimates)


def follow(values: Mapping[str, Sequence[float]], rule: Rule) -> Verdict | None:
    """The verdict of pairs in their order, by what each says: at the first look that allows any.

    Returns:
        None where more pairs are needed; `inconclusive` when the last look allows no other.
    """
    count = len(values["wall"])
    for looked in (number for number in LOOKS if number <= count):
        verdict = look({clock: numbers[:looked] for clock, numbers in values.items()}, rule)
        if verdict:
            return verdict
    return partial(values, rule, f"undecided after {count} pairs") if count >= LOOKS[-1] else None


def control(values: Mapping[str, Sequence[float]], rule: Rule) -> Verdict:
    """What pairs of the base against itself say, at their single look: `same`, or `unproven` where they moved.

    They may be as noisy as they like: what they must not do is lean to a side, as the second of two runs does on a
    machine that slows down, or the one that lies deeper in the file system.
    """
    estimates = {clock: estimate(values[clock]) for clock in rule.clocks}
    level = SINGLE_LOOK_LEVEL / len(rule.clocks)
    count = len(values["wall"])
    for clock, clock_estimate in estimates.items():
        if clock_estimate.p < level:
            figures = f"{clock} {clock_estimate.ratio:.3f} [{clock_estimate.low:.3f},{clock_estimate.high:.3f}]"
            reason = f"the base against itself came out {figures}: something favours a side"
            return Verdict(word="unproven", clock=clock, pairs=count, estimates=estimates, reason=reason)
    return Verdict(word="same", clock="+".join(sorted(estimates)), pairs=count, estimates=estimates)


def partial(values: Mapping[str, Sequence[float]], rule: Rule, reason: str) -> Verdict:
    """Inconclusive, with what so many pairs say."""
    count = len(values["wall"])
    estimates = {clock: estimate(values[clock]) for clock in rule.clocks} if count > 1 else {}
    return Verdict(word="inconclusive", pairs=count, estimates=estimates, reason=reason)


def holm(verdicts: Sequence[Verdict], rule: Rule) -> list[Verdict]:
    """Verdicts of all cells together, by Holm's steps over cells and clocks.

    A cell that the level shared among all left inconclusive may pass at one of Holm's later steps, where the clearest
    cells have been set aside. It never takes a verdict back.
    """
    tests = sorted(
        (clock_estimate.p, number, clock)
        for number, verdict in enumerate(verdicts)
        for clock, clock_estimate in verdict.estimates.items()
    )
    changed = list(verdicts)
    for rank, (p, number, clock) in enumerate(tests):
        if p >= rule.look_level / max(1, rule.cells * len(rule.clocks) - rank):
            break
        verdict, clock_estimate = changed[number], verdicts[number].estimates[clock]
        if verdict.word == "inconclusive" and not _is_contradicted(clock_estimate, verdict.estimates["wall"]):
            word = "slower" if clock_estimate.ratio > 1 else "faster"
            changed[number] = replace(verdict, word=word, clock=clock, reason="by Holm's later steps")
    return changed
