"""Shows a history: tables of 80 columns, Markdown, and plain values for the page."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.compare.history.asv_series import Series, short
from bench.compare.history.regressions import Change, History
from bench.compare.sequential_test import Rule, Verdict
from bench.results.table import Column, Table, Value, markdown_text

COLUMNS = (
    Column("series"),
    Column("commits", whole=True),
    Column("ratio", "ratio", whole=True),
    Column("state", "verdict", whole=True),
    Column("commit", whole=True),
    Column("paired", "ratio", whole=True),
)
NAMES = ("id", "benchmark", "label", "machine", "environment", "version")  # of a series, for the page


def answer(history: History) -> Table:
    """The commits that paired runs named, in the order of the branch, each with every series that it changed.

    Notes say how many steps are left without a commit, and why.
    """
    confirmed = [change for change in history.changes if change.commit]
    rows = [
        (
            short(commit),
            history.commits[commit],
            change.named.word if change.named else "",
            change.named.ratio if change.named else None,
            f"{change.candidate.series.benchmark.rpartition('.')[2]}({change.candidate.series.label})",
        )
        for commit in history.commits
        for change in confirmed
        if change.commit == commit
    ]
    return Table(
        title=_sentence(history, len({row[0] for row in rows})),
        columns=(
            Column("commit", whole=True),
            Column("subject"),
            Column("is", "verdict", whole=True),
            Column("ratio", "ratio", whole=True),
            Column("series"),
        ),
        rows=tuple(rows),
    )


def _sentence(history: History, named: int) -> str:
    """What came of all steps, as one sentence."""
    states = Counter(change.state for change in history.changes if not change.commit)
    open_ranges, candidates = states.pop("confirmed", 0), states.pop("candidate", 0)
    parts = [f"{named} {'commit' if named == 1 else 'commits'} changed the time"]
    parts += [f"{open_ranges} more {'change is' if open_ranges == 1 else 'changes are'} known to a range"] * bool(
        open_ranges
    )
    parts += [f"{count} {'step was' if count == 1 else 'steps were'} {state}" for state, count in states.items()]
    if candidates:
        steps = f"{candidates} {'step' if candidates == 1 else 'steps'} in asv's figures"
        parts = [f"{steps}, none confirmed yet: `--confirm` runs pairs and names the commits"]
    if not history.changes:
        parts = [f"No step in {len(history.series)} series of asv's figures"]
    return "; ".join(parts)


def tables(history: History) -> list[Table]:
    """A table for each benchmark, machine and environment: all its series, those without a step among them.

    `ratio` is of asv's figures, `paired` of the paired run of the named commit, or of the ends of what is known.
    """
    benchmarks: dict[tuple, list[Series]] = {}
    for series in history.series:
        key = series.benchmark, series.machine, series.environment, series.version
        benchmarks.setdefault(key, []).append(series)
    return [_table(members, history) for members in benchmarks.values()]


def _table(members: Sequence[Series], history: History) -> Table:
    """The table of one benchmark."""
    rows, notes = [], ["ratio: seconds after over seconds before; above 1 is slower"]
    reasons: dict[str, list[str]] = {}
    for series in members:
        changes = [change for change in history.changes if change.candidate.series is series]
        rows += [_row(change) for change in changes] or [_still(series, history)]
        notes += [note for change in changes for note in _notes(change, history)]
        reason = _too_short(series, history)
        if reason:
            reasons.setdefault(reason, []).append(series.label)
    notes += [f"n/a: {reason} ({'; '.join(labels)})" for reason, labels in reasons.items()]
    first = members[0]
    return Table(
        title=f"{first.benchmark}, {first.machine}",
        columns=COLUMNS,
        rows=tuple(rows),
        notes=(*notes, f"environment {first.environment}"),
    )


def _row(change: Change) -> tuple[Value, ...]:
    """A step."""
    candidate, paired = change.candidate, change.named or change.paired
    return (
        candidate.series.label,
        _range(candidate.before, candidate.after),
        candidate.ratio,
        change.state,
        short(change.commit) if change.commit else "",
        paired.ratio if paired and paired.ratio else "",
    )


def _still(series: Series, history: History) -> tuple[Value, ...]:
    """A series without a step, over all its commits."""
    state = "n/a" if _too_short(series, history) else "no change"
    return series.label, _range(series.points[0].commit, series.points[-1].commit), "", state, "", ""


def _too_short(series: Series, history: History) -> str:
    """Why nothing can be said of a series; empty where something can."""
    return next((short.reason for short in history.too_short if short.series is series), "")


def _notes(change: Change, history: History) -> Iterator[str]:
    """What a row has no room for: the named commit's subject, why there is none, what else there is in the range."""
    label, paired, named = change.candidate.series.label, change.paired, change.named
    if change.commit:
        yield f"{short(change.commit)} {history.commits[change.commit]} ({label})"
    if change.acknowledged:
        yield f"acknowledged: {change.acknowledged} ({label})"
    if change.reason:
        where = f", in {_range(*change.within)}" if change.within and change.state == "confirmed" else ""
        yield f"{change.state}: {change.reason}{where} ({label})"
    if change.commit and paired and named and _differ(paired, named):
        yield (
            f"{_range(change.commit, change.candidate.after)} changed it further, to {paired.ratio:.3f} in all: "
            f"compare these two ({label})"
        )


def _differ(paired: Verdict, named: Verdict) -> bool:
    """Whether the named commit explains less, or more, than the whole range shows."""
    if not paired.ratio or not named.ratio:
        return False
    return abs(paired.ratio / named.ratio - 1) > Rule().margin


def _range(before: str, after: str) -> str:
    return f"{short(before)}..{short(after)}"


def markdown(history: History) -> str:
    """The answer and all tables as Markdown."""
    named = answer(history)
    first = named.markdown() if named.rows else f"### {markdown_text(named.title)}\n"
    return "\n".join([first, *(table.markdown() for table in tables(history))])


def plain(history: History) -> dict[str, list[dict]]:
    """The history as plain values, tidy: one row for each fact.

    Returns:
        `series` (each with an `id`, and a `reason` where nothing can be said of it), `points` and `changes`, whose
        column `series` is that id. Seconds, ratios, 40 digits a commit; `position` counts the commits of the branch.
    """
    subjects = history.commits
    position = {commit: number for number, commit in enumerate(subjects)}
    return {
        "series": [
            {
                **{name: getattr(series, name) for name in NAMES},
                "params": list(series.params),
                "reason": _too_short(series, history),
            }
            for series in history.series
        ],
        "points": [
            {"series": series.id, **vars(point), "position": position[point.commit], "subject": subjects[point.commit]}
            for series in history.series
            for point in series.points
        ],
        "changes": [_plain_change(change, history) for change in history.changes],
    }


def _plain_change(change: Change, history: History) -> dict:
    """A step and what has become of it."""
    candidate, (good, bad) = change.candidate, change.within or (None, None)
    return {
        "series": candidate.series.id,
        "before": candidate.before,
        "after": candidate.after,
        "ratio": candidate.ratio,
        "p": candidate.p,
        "state": change.state,
        "commit": change.commit,
        "subject": history.commits.get(change.commit or ""),
        "reason": change.reason,
        "acknowledged": change.acknowledged,
        "good": good,
        "bad": bad,
        **_plain_run("paired", change.paired),
        **_plain_run("named", change.named),
    }


def _plain_run(name: str, verdict: Verdict | None) -> dict:
    """A paired run as flat columns."""
    estimate = verdict and verdict.estimate
    ends = {f"{name}_{end}": getattr(estimate, end, None) for end in ("ratio", "low", "high")}
    return {f"{name}_verdict": verdict and verdict.word, **ends}
