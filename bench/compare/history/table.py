"""A history in words: tables at 80 columns, Markdown, and plain values for the page."""

from collections.abc import Iterator, Sequence

from bench.compare.history.asv_series import Series
from bench.compare.history.change_points import Candidate
from bench.compare.history.commits import short
from bench.compare.history.regressions import Change, History, Paired
from bench.results import table

COLUMNS = ("series", "commits", "ratio", "state", "commit", "paired")

# Two paired runs that differ by more than this are not the same step: the margin of `same` for finding 5 %.
MARGIN = 0.03


def views(history: History) -> list[table.View]:
    """A table for each benchmark, machine and environment: all its series, those without a step among them.

    `ratio` is of asv's figures, `paired` of the paired run of the named commit, or of the ends of what is known.
    """
    kinds: dict[tuple, list[Series]] = {}
    for one in history.series:
        kinds.setdefault((one.benchmark, one.machine, one.environment, one.version), []).append(one)
    return [_view(some, history) for some in kinds.values()]


def _view(some: Sequence[Series], history: History) -> table.View:
    """The table of one benchmark."""
    rows, notes = [], ["ratio: seconds after over seconds before; above 1 is slower"]
    reasons: dict[str, list[str]] = {}
    for one in some:
        found = [change for change in history.changes if change.candidate.series is one]
        rows += [_row(change) for change in found] or [_still(one, history)]
        notes += [note for change in found for note in _notes(change, history)]
        reason = _unjudged(one, history)
        if reason:
            reasons.setdefault(reason, []).append(one.label)
    notes += [f"n/a: {reason} ({'; '.join(labels)})" for reason, labels in reasons.items()]
    first = some[0]
    return table.View(
        title=f"{first.benchmark}, {first.machine}",
        columns=COLUMNS,
        rows=tuple(rows),
        rates=(None,) * len(rows),
        notes=(*notes, f"environment {first.environment}"),
    )


def _row(change: Change) -> tuple[str, ...]:
    """A step."""
    candidate, paired = change.candidate, change.named or change.paired
    return (
        candidate.series.label,
        _range(candidate.before, candidate.after),
        f"{candidate.ratio:.3f}",
        change.state,
        short(change.commit) if change.commit else "",
        f"{paired.ratio:.3f}" if paired and paired.ratio else "",
    )


def _still(one: Series, history: History) -> tuple[str, ...]:
    """A series without a step, over all its commits."""
    state = "n/a" if _unjudged(one, history) else "no change"
    return one.label, _range(one.points[0].commit, one.points[-1].commit), "", state, "", ""


def _unjudged(one: Series, history: History) -> str:
    """Why nothing can be said of a series; empty where something can."""
    return next((unjudged.reason for unjudged in history.unjudged if unjudged.series is one), "")


def _notes(change: Change, history: History) -> Iterator[str]:
    """What a row has no room for: the named commit's subject, why there is none, what else there is in the range."""
    label, paired, named = change.candidate.series.label, change.paired, change.named
    if change.commit:
        yield f"{short(change.commit)} {history.line[change.commit]} ({label})"
    if change.reason:
        where = f", in {_range(*change.within)}" if change.within and change.state == "confirmed" else ""
        yield f"{change.state}: {change.reason}{where} ({label})"
    if change.commit and _differ(paired, named):
        yield (
            f"{_range(change.commit, change.candidate.after)} changed it further, to {paired.ratio:.3f} in all: "
            f"compare these two ({label})"
        )


def _differ(paired: Paired | None, named: Paired | None) -> bool:
    """Whether the named commit explains less, or more, than the whole range shows."""
    if not (paired and named and paired.ratio and named.ratio):
        return False
    return abs(paired.ratio / named.ratio - 1) > MARGIN


def _range(before: str, after: str) -> str:
    return f"{short(before)}..{short(after)}"


def markdown(history: History) -> str:
    """All tables as Markdown."""
    return "\n".join(table.markdown(view) for view in views(history))


def show(history: History, console) -> None:
    """Draws all tables on a rich console; fits 80 columns."""
    for view in views(history):
        table.show(view, console)


def plain(history: History) -> dict[str, list[dict]]:
    """The history as plain values, tidy: one row for each fact.

    Returns:
        `series` (each with an `id`, and a `reason` where nothing can be said of it), `points` and `changes`, whose
        column `series` is that id. Seconds, ratios, 40 digits a commit; `position` counts the commits of the branch.
    """
    position = {commit: number for number, commit in enumerate(history.line)}
    return {
        "series": [
            {
                "id": one.id,
                "benchmark": one.benchmark,
                "label": one.label,
                "params": list(one.params),
                "machine": one.machine,
                "environment": one.environment,
                "version": one.version,
                "reason": _unjudged(one, history),
            }
            for one in history.series
        ],
        "points": [
            {
                "series": one.id,
                **vars(point),
                "position": position[point.commit],
                "subject": history.line[point.commit],
            }
            for one in history.series
            for point in one.points
        ],
        "changes": [{**_facts(one.candidate), **_outcome(one, history)} for one in history.changes],
    }


def _facts(candidate: Candidate) -> dict:
    """A step as otava sees it."""
    return {
        "series": candidate.series.id,
        "before": candidate.before,
        "after": candidate.after,
        "ratio": candidate.ratio,
        "p": candidate.p,
    }


def _outcome(change: Change, history: History) -> dict:
    """What has become of it."""
    good, bad = change.within or (None, None)
    return {
        "state": change.state,
        "commit": change.commit,
        "subject": history.line.get(change.commit),
        "reason": change.reason,
        "good": good,
        "bad": bad,
        **_run("paired", change.paired),
        **_run("named", change.named),
    }


def _run(name: str, paired: Paired | None) -> dict:
    """A paired run as flat columns."""
    fields = ("verdict", "ratio", "low", "high")
    return {f"{name}_{field}": getattr(paired, field) if paired else None for field in fields}
