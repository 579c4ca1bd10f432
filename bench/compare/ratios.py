"""Seconds of two sets, process by process -> their ratio, with an interval that holds processes and sessions."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import fmean, variance

# Standard deviation of log seconds between two sessions of one machine and one code. Measured, see the guide: shared
# machines differ by up to 20 % from day to day (20 % is the 95 % bound of a difference, 1.96 * sqrt(2) * sd, at 0.066)
# and a process drifts by 6 to 9 % between two blocks of one hour.
SESSION_SD = 0.07

# The same between fresh processes of one session: the 17 cells of results/reference that have 2 processes have a median
# of 8 %; the guide says 3 to 5 % on a quiet machine and 18 to 24 % under load.
PROCESS_SD = 0.08

# A stated sd counts as if seen with so many degrees of freedom, so that two sessions that agree prove little. Simulated
# (3 cells, 1,500 pairs of identical truth): up to 0.5 % of pairs alarm where sessions differ by what is stated; where
# they differ by twice that, 2.3 % from two sessions a side, but 13 % from one, which cannot know.
STATED_WEIGHT = 2
FLOOR = 0.001  # processes that agree better than 0.1 % do so by chance

SHOWN, SURE, ALIKE = 0.95, 0.99, 0.90  # intervals: the one that is shown; for slower or faster; for the same

Side = dict[str, list[float]]  # seconds of one cell's processes, by session
Parts = tuple[tuple[float, float], ...]  # a variance as a sum of parts, each with its degrees of freedom


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How much processes and sessions differ, pooled over the cells of both sets.

    Attributes:
        process: Variance of log seconds between processes of a session.
        session: Variance between sessions.
        session_freedom: Degrees of freedom that the sets themselves give to the latter; 0 where it is only stated.
    """

    process: Parts
    session: Parts
    session_freedom: int

    @property
    def session_sd(self) -> float:
        """Standard deviation between sessions."""
        return sqrt(sum(size for size, _ in self.session))


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio of two geometric means over processes.

    Attributes:
        log: Its natural logarithm.
        error: Standard error of that.
        freedom: Degrees of freedom of the error, by Welch and Satterthwaite.
        apart: Whether the sides were measured in different sessions, so that the error holds their drift.
    """

    log: float
    error: float
    freedom: float
    apart: bool

    @property
    def centre(self) -> float:
        """The ratio itself."""
        return exp(self.log)

    def interval(self, confidence: float = SHOWN) -> tuple[float, float]:
        """Lower and upper end."""
        from scipy import stats

        reach = self.error * float(stats.t.ppf((1 + confidence) / 2, self.freedom))
        return exp(self.log - reach), exp(self.log + reach)

    def chance(self) -> float:
        """Probability of a ratio at least so far from 1 if nothing differed (two-sided p)."""
        from scipy import stats

        return float(2 * stats.t.sf(abs(self.log) / self.error, self.freedom))

    def is_same(self, margin: float) -> bool:
        """Whether the 90 % interval lies inside 1 +- margin: two one-sided tests at 5 %."""
        low, high = self.interval(ALIKE)
        return 1 - margin < low and high < 1 + margin


def noise(pairs: Iterable[tuple[Side, Side]]) -> Noise:
    """What all cells say together of processes and sessions, beside what is stated.

    Cells share their sessions: more cells give no more freedom to the variance between sessions. The processes' own
    noise in the means of sessions is not taken off: the interval becomes rather too wide.
    """
    squares = within = between = weight = most = 0.0
    for pair in pairs:
        for side in map(_logs, pair):
            seen, freedom = _within(side)
            squares, within = squares + seen * freedom, within + freedom
            if len(side) > 1:
                between += variance(map(fmean, side.values())) * (len(side) - 1)
                weight += len(side) - 1
        most = max(most, min(sum(len(side) - 1 for side in pair), len({*pair[0], *pair[1]}) - 1))
    return Noise(
        process=_blend(PROCESS_SD, squares / within if within else 0.0, within),
        session=_blend(SESSION_SD, between / weight if weight else 0.0, most),
        session_freedom=int(most),
    )


def ratio(base: Side, candidate: Side, common: Noise) -> Ratio:
    """Candidate over base.

    Processes: Welch's error where a side has two in a session, else the pooled one. Sessions: each weighs by its share
    of a side's processes; one that both sides share alike drifts for both, and cancels.
    """
    mine, theirs = _logs(base), _logs(candidate)
    apart = sum((_share(mine, name) - _share(theirs, name)) ** 2 for name in {*mine, *theirs})
    parts = [*_error(mine, common), *_error(theirs, common), *((size * apart, free) for size, free in common.session)]
    total, lost = sum(size for size, _ in parts), sum(size**2 / free for size, free in parts)
    return Ratio(
        log=_mean(theirs) - _mean(mine),
        error=sqrt(total),
        freedom=total**2 / lost if lost else inf,
        apart=apart > 0,
    )


def holm(chances: list[float], level: float = 1 - SURE) -> list[bool]:
    """Which of many differences are sure, so that any false one among them is rarer than `level` (Holm 1979)."""
    sure = [False] * len(chances)
    for done, number in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[number] * (len(chances) - done) > level:
            break
        sure[number] = True
    return sure


def _logs(side: Side) -> Side:
    return {session: [log(seconds) for seconds in values] for session, values in side.items()}


def _mean(side: Side) -> float:
    return fmean(value for values in side.values() for value in values)


def _share(side: Side, session: str) -> float:
    """Part of a side's processes that ran in a session."""
    return len(side.get(session, ())) / sum(map(len, side.values()))


def _within(side: Side) -> tuple[float, int]:
    """Variance between processes of a session, pooled over the sessions of a side, and its degrees of freedom."""
    freedom = sum(len(values) - 1 for values in side.values())
    squares = sum((value - fmean(values)) ** 2 for values in side.values() for value in values)
    return (squares / freedom if freedom else 0.0), freedom


def _error(side: Side, common: Noise) -> Parts:
    """Variance of the mean of a side within its sessions."""
    seen, freedom = _within(side)
    count = sum(map(len, side.values()))
    parts = ((max(seen, FLOOR**2), freedom),) if freedom else common.process
    return tuple((size / count, free) for size, free in parts)


def _blend(stated_sd: float, seen: float, freedom: float) -> Parts:
    """A stated variance and a seen one, each by its weight; the stated is no estimate and loses no freedom."""
    weight = freedom / (STATED_WEIGHT + freedom)
    return ((1 - weight) * stated_sd**2, inf), (weight * seen, freedom or inf)
