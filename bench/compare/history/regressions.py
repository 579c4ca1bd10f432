"""Finds steps over the commits that asv measured, confirms them by paired runs, and names the commit of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from bench.compare.acknowledged import Acknowledged
from bench.compare.history import asv_series, bisect, change_points
from bench.compare.history.asv_series import Series
from bench.compare.history.change_points import Candidate, TooShort
from bench.compare.sequential_test import Verdict
from bench.machine.facts import WORK_DIR
from bench.results.cell import Cell
from bench.run.durations import rough
from flowers_core.errors import InputError

PairedRun = Callable[[Cell, str, str], Verdict]  # cell, base, candidate
WIDER = 2  # commits to either side that are tried where a step's own neighbours are the same: noise may have moved it


@dataclass(frozen=True, kw_only=True)
class Change:
    """A step and what has become of it.

    Attributes:
        candidate: Where the step was found.
        state: `candidate`; after its paired runs that of `bisect.Finding`.
        commit: The commit that did it, None where it is not known.
        within: The smallest range known to hold that commit, as the commits before it and at its end; None before a
            paired run.
        paired: The paired run of the ends of the candidate.
        named: That of the named commit, or of the end of `within`, against the same base; where it explains less
            than `paired`, another commit of the range changed the time as well.
        reason: Why it is not confirmed, or why no commit is named.
        acknowledged: Why the project accepts it; empty where it does not.
    """

    candidate: Candidate
    state: str = "candidate"
    commit: str | None = None
    within: tuple[str, str] | None = None
    paired: Verdict | None = None
    named: Verdict | None = None
    reason: str = ""
    acknowledged: str = ""

    def acknowledge(self, accepted: Acknowledged) -> "Change":
        """The same, with why the project accepts it; only where it got slower and its series is of a cell."""
        paired = self.named or self.paired
        estimate = paired.estimate if paired else None
        low = estimate.low if estimate else self.candidate.ratio
        base, end = (f"{self.commit}~1", self.commit) if self.commit else self.within or self._span
        cell = cell_id(self.candidate)
        known = accepted.why(cell, low, base, end) if cell and self.candidate.ratio > 1 else ""
        return replace(self, acknowledged=known)

    @property
    def _span(self) -> tuple[str, str]:
        return self.candidate.before, self.candidate.after


@dataclass(frozen=True, kw_only=True)
class History:
    """All series over a branch, and their steps.

    Attributes:
        commits: Those of the branch in their order, with their subject lines.
        series: All that asv measured of them.
        changes: Steps in these.
        too_short: Series of too few commits to tell.
    """

    commits: Mapping[str, str] = field(repr=False)
    series: tuple[Series, ...]
    changes: tuple[Change, ...]
    too_short: tuple[TooShort, ...]


def find(
    results: Path = asv_series.ASV,
    *,
    repository: Path = WORK_DIR,
    detect: change_points.Detect = change_points.detect,
) -> History:
    """Finds the steps in what asv measured.

    Args:
        results: asv's `results_dir`.
        repository: Where the commits are.
        detect: Finds the steps of a list of numbers.

    Raises:
        InputError: If there are no commits, or asv measured none of them.
    """
    commits = asv_series.branch_commits(repository)
    series = asv_series.read(results, commits=commits)
    candidates, too_short = change_points.find(series, detect=detect)
    changes = tuple(Change(candidate=candidate) for candidate in candidates)
    return History(commits=commits, series=series, changes=changes, too_short=too_short)


def confirm(history: History, paired_run: PairedRun, *, tell: Callable[[str], object] = lambda _: None) -> History:
    """Confirms or rejects each candidate by paired runs, and names the commit of those confirmed.

    Args:
        history: What `find` gave.
        paired_run: Compares two commits in a cell, `paired_run(cell, base, candidate)`. What cannot be run is
            `inconclusive`.
        tell: Reports progress, a line at a time.
    """
    begun, changes, all_ = perf_counter(), list[Change](), history.changes
    for change in all_:
        changes.append(_confirm(change, _neighbours(change, all_), history.commits, paired_run, tell))
        left = (perf_counter() - begun) / len(changes) * (len(all_) - len(changes))
        if len(changes) < len(all_):
            tell(f"{len(changes)} of {len(all_)} steps are settled; about {rough(left)} to go")
    return replace(history, changes=tuple(changes))


def cell_id(candidate: Candidate) -> str:
    """The cell that confirms a step; empty where there is none."""
    try:
        cell = asv_series.cell_of(candidate.series)
    except InputError:  # it can no longer be measured
        return ""
    return cell.id if cell else ""


def _neighbours(change: Change, changes: Sequence[Change]) -> tuple[str, str]:
    """The commits between which no other step of the series lies: those around a step, as far as they are known."""
    series = [other for other in changes if other.candidate.series is change.candidate.series]
    place = series.index(change)
    first = series[place - 1].candidate.after if place else ""
    last = series[place + 1].candidate.before if place + 1 < len(series) else ""
    return first, last


def _wider(candidate: Candidate, between: tuple[str, str], commits: Sequence[str]) -> Sequence[str]:
    """The commits around a step and `WIDER` to either side, none of which another step lies at."""
    first, last = (commits.index(commit) if commit else None for commit in between)
    start = max(first or 0, commits.index(candidate.before) - WIDER)
    end = min(len(commits) - 1 if last is None else last, commits.index(candidate.after) + WIDER)
    return commits[start : end + 1]


def _confirm(
    change: Change,
    between: tuple[str, str],
    commits: Mapping[str, str],
    paired_run: PairedRun,
    tell: Callable[[str], object],
) -> Change:
    """A candidate after its paired runs; no other step of its series lies `between` two commits."""
    candidate = change.candidate
    try:
        cell = asv_series.cell_of(candidate.series)
    except InputError as error:
        return replace(change, state="unconfirmed", reason=f"its cell can no longer be measured: {error}")
    if cell is None:
        return replace(change, state="unconfirmed", reason="a paired run measures a cell, and this series is none")
    before, after = candidate.before, candidate.after
    tell(f"{cell.id}: {asv_series.short(before)}..{asv_series.short(after)}, x{candidate.ratio:.2f}")
    runs: dict[str, Verdict] = {}

    def verdict(base: str, other: str) -> str:
        runs[other] = paired_run(cell, base, other)
        return runs[other].word

    expected = "slower" if candidate.ratio > 1 else "faster"
    ordered = list(commits)
    span = ordered[ordered.index(before) : ordered.index(after) + 1]
    finding = bisect.bisect(span, verdict, expected=expected, tell=tell)
    wider = _wider(candidate, between, ordered)
    if finding.verdict == "same" and len(wider) > len(span):
        tell(f"the same: noise may have moved the step, so {len(wider) - 1} commits are tried")
        runs.clear()  # of another base
        after, finding = wider[-1], bisect.bisect(wider, verdict, expected=expected, tell=tell)
    return replace(
        change,
        state=finding.state,
        commit=finding.commit,
        within=(finding.good, finding.bad),
        paired=runs[after],
        named=runs[finding.bad],
        reason=finding.reason,
    )
