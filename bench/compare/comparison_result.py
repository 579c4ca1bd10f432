"""The outcome of a live comparison, one line of the store: whoever reads it later need not decide again."""

from dataclasses import dataclass, field
from typing import TypedDict

from bench.compare.sequential_test import Verdict
from bench.results import format
from bench.results.result import Result

SHORT = 8  # digits of a commit that are shown


def _size(amount: float) -> str:
    return format.size(round(amount))


@dataclass(frozen=True, kw_only=True)
class BudgetVerdict:
    """Whether the candidate of a cell stays below an absolute budget.

    Attributes:
        what: `first_batch`, `first_step` and `step` in seconds, `memory` in bytes.
        limit: The most that is allowed.
        word: `within`, `exceeded` where all of the interval lies above, else `unproven`.
        low: Lower end of the 95 % interval of the median over fresh processes; None where there are too few.
        high: Its upper end.
        reason: Why there is such a budget, or why it is unproven.
    """

    what: str
    limit: float
    word: str
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        show = _size if self.what == "memory" else format.duration
        limit = f"the budget of {show(self.limit)} for {self.what.replace('_', ' ')}"
        if self.low is None or self.high is None:
            return f"{limit} is unproven: {self.reason}"
        said = f"median between {show(self.low)} and {show(self.high)}"
        verb = {"within": "holds", "exceeded": "is exceeded"}.get(self.word, "is unproven")
        return f"{limit} {verb}: {said}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, kw_only=True)
class CellVerdict:
    """What a comparison says of one cell.

    Attributes:
        cell: Id of the cell, as its pair results have it.
        verdict: The word, the clock that decided, the number of pairs, and by clock the ratio with its intervals.
        step_seconds: By clock, base's and candidate's: the median over all blocks of all pairs.
        failures: How many pairs were dropped because a process died.
        seconds: How long its pairs took.
        acknowledged: Why the project accepts that it is slower; empty where it does not.
        budgets: What was measured of the candidate beside absolute budgets.
        name: What tells it from the other cells of the comparison; empty in older results.
    """

    cell: str
    verdict: Verdict
    step_seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    failures: int = 0
    seconds: float = 0.0
    acknowledged: str = ""
    budgets: tuple[BudgetVerdict, ...] = ()
    name: str = ""

    @property
    def short(self) -> str:
        """Its name beside the other cells, the id where an older program stored none."""
        return self.name or self.cell

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside the word."""
        accepted = f"acknowledged: {self.acknowledged}" if self.acknowledged else ""
        return list(filter(None, (self.verdict.reason, accepted, *map(str, self.budgets))))


class _Side(TypedDict, total=False):
    name: str
    commit: str
    subject: str
    dirty: bool | None
    digest: str


class _Checked(TypedDict, total=False):
    """What is read of a comparison's dictionaries."""

    base: _Side
    candidate: _Side


@dataclass(frozen=True, kw_only=True)
class Comparison(Result):
    """The outcome of a comparison of two revisions, or of two values of an axis.

    Attributes:
        comparison: Marks it; its pair results have the same mark.
        title: What was compared, e.g. `main v HEAD`.
        base: `name`, `commit`, `digest`, `dirty` and `subject` (of the commit) of what ran as base.
        candidate: Likewise.
        rule: How sure verdicts had to be, see `sequential_test.Rule`.
        cells: A verdict for each cell, in the order of the command.
        control: The base against itself: `same`, or no verdict of the comparison is proven; None where it was not run.
        foreign_cpu_share: Median share of the machine's CPU time that others used meanwhile.
        command: What was typed to run it; empty where it is not known.
        shared: Words for what all its cells share, which their names leave out; empty in older results.
    """

    KIND = "comparisons"
    CHECKED = _Checked
    FORMAT = 1  # title, both sides, rule, verdicts by cell (2026-11)

    comparison: str
    title: str
    base: dict
    candidate: dict
    rule: dict
    cells: tuple[CellVerdict, ...]
    control: CellVerdict | None = None
    foreign_cpu_share: float | None = None
    command: str = ""
    shared: tuple[str, ...] = ()

    def _commit(self) -> str:
        """Nothing: it is of two, and both are named."""
        return ""

    @property
    def ordered(self) -> list[CellVerdict]:
        """Its cells, what a reviewer must see first at the top."""
        return sorted(self.cells, key=lambda cell: cell.verdict.importance)

    @property
    def described(self) -> str:
        """What was compared; of two revisions commits and titles as well, for HEAD is another tomorrow."""
        if self.title != f"{self.base.get('name')} v {self.candidate.get('name')}":
            return self.title
        return f"{describe(**self.base)} v {describe(**self.candidate)}"


def describe(*, name: str = "", commit: str = "", subject: str = "", dirty: bool = False, **_: object) -> str:
    """A revision in words: `main (1152e59a Draw fewer flowers)`; a commit that was named by its digits once."""
    words = [commit[:SHORT], subject, "and uncommitted changes" * bool(dirty)]
    about = " ".join(filter(None, words))
    return about if not name or (commit and commit.startswith(name)) else f"{name} ({about})" if about else name
