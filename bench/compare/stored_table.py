"""Shows the comparison of two stored sets: tables for steps and for pipelines alone, plain values for JSON."""

from collections.abc import Sequence

from bench.compare.stored import Row
from bench.results import format, labels
from bench.results.cell import NO_MODEL
from bench.results.table import Column, Interval, Table, Value

COLUMNS = (
    Column("cell"),
    Column("base", "time", whole=True),
    Column("candidate", "time", whole=True),
    Column("ratio [95 %]", "ratio", whole=True),
    Column("verdict", "verdict", whole=True),
    Column("base, CPU", "time", below="base"),
    Column("candidate, CPU", "time", below="candidate"),
    Column("ratio, CPU", "ratio", below="ratio [95 %]"),
)
CLOCKS = {"wall": "wall clock", "cpu": "CPU clock"}
MOST = 6  # names that a note lists; JSON has all


def to_json(rows: Sequence[Row]) -> list[dict]:
    """One object of plain values a row."""
    return [row.to_json() for row in rows]


def tables(rows: Sequence[Row]) -> list[Table]:
    """A table of pipelines alone and one of steps, where there are any, with notes below the last."""
    figures = [row for row in rows if row.seconds]
    pipelines = [row for row in figures if row.cell.model == NO_MODEL]
    steps = [row for row in figures if row.cell.model != NO_MODEL]
    drafts = [
        (f"{title}, time {_per(members)}", members)
        for title, members in (("Pipelines alone", pipelines), ("Steps", steps))
        if members
    ] or [("Nothing to compare", [])]
    return [_table(title, members, _notes(rows) if members is drafts[-1][1] else []) for title, members in drafts]


def _per(rows: Sequence[Row]) -> str:
    return "an image" if rows[0].per == "image" else "a step"


def _table(title: str, rows: Sequence[Row], notes: Sequence[str]) -> Table:
    """A table under a title that says what all its cells have in common; what is slower comes first."""
    rows = sorted(rows, key=lambda row: row.verdict.importance)
    names, same = labels.apart([row.cell for row in rows]) if rows else ([], [])
    return Table(
        title=f"{title} ({', '.join(same)})" if same else title,
        columns=COLUMNS,
        rows=tuple(
            (name, *row.seconds["wall"], _ratio(row, "wall"), row.verdict.word, *_cpu(row))
            for name, row in zip(names, rows, strict=True)
        ),
        notes=tuple(notes),
    )


def _cpu(row: Row) -> tuple[Value, ...]:
    return (*row.seconds["cpu"], _ratio(row, "cpu")) if "cpu" in row.seconds else ("", "", "")


def _ratio(row: Row, clock: str) -> Value:
    """A ratio with its interval, without one where processes are too few."""
    estimate = row.verdict.estimates.get(clock)
    return Interval(estimate.ratio, estimate.low, estimate.high) if estimate else row.ratio(clock)


def _notes(rows: Sequence[Row]) -> list[str]:
    """What the columns mean, how sure verdicts are, what was left out and why; each names up to `MOST` cells."""
    figures = [row for row in rows if row.seconds]
    texts: dict[str, list[str]] = {}
    for row in figures:
        for text in (_interval(row), _over(row), _reason(row)):
            texts.setdefault(text, []).append(row.cell.id)
    texts.pop("", None)
    lines = [
        "ratio: candidate over base, below 1 is faster; below each, in grey, the same on the CPU clock",
        "slower, faster, same: by the rule of live comparisons, over all cells and clocks",
    ]
    for text, ids in texts.items():
        everywhere = len(ids) == len(figures) or text.startswith("inconclusive")  # the table says it of each row
        lines.append(text if everywhere else f"{text} ({_list_first(ids)})")
    left_out: dict[str, list[str]] = {}
    for row in rows:
        if not row.seconds:
            left_out.setdefault(row.verdict.reason, []).append(row.cell.id)
    return lines + [f"left out, {reason}: {_list_first(ids)}" for reason, ids in left_out.items()]


def _list_first(ids: list[str]) -> str:
    """Names, and how many more there are."""
    more = len(ids) - len(ids[:MOST])
    return ", ".join(ids[:MOST]) + (f" and {more} more" if more else "")


def _reason(row: Row) -> str:
    """Which clock decided, or why none did."""
    verdict = row.verdict
    if verdict.word == format.ABSENT:
        return verdict.reason
    clocks = " and ".join(CLOCKS[clock] for clock in verdict.clock.split("+") if clock)
    return f"{verdict.word}: {', '.join(filter(None, (clocks, verdict.reason)))}"


def _over(row: Row) -> str:
    """In what the cells of the two sides differ; empty where they are the same."""
    return f"not the same cells (base, candidate): {row.over}" if row.over else ""


def _interval(row: Row) -> str:
    """What the interval of a row holds; empty where there is none."""
    if not row.verdict.estimates:
        return ""
    processes = "the interval holds how fresh processes differ ({} and {})".format(*row.processes)
    if not row.session_sd:
        return f"{processes}; both sides were measured in the same sweep"
    return f"{processes} and how sessions do (standard deviation {100 * row.session_sd:.0f} %, measured once)"
