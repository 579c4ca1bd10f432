"""Shows the comparison of two stored sets: the terminal at 80 columns, Markdown, plain values for JSON."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.compare.stored import Row
from bench.results import format, labels, table
from bench.results.cell import NO_MODEL

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = ("cell", "base", "candidate", "ratio [95 %]", "verdict")
CLOCKS = {"wall": "wall clock", "cpu": "CPU clock"}
MOST = 6  # names that a note in the terminal lists; Markdown and JSON have all


def to_json(rows: Iterable[Row]) -> list[dict]:
    """One object of plain values a row."""
    return [row.to_json() for row in rows]


def markdown(rows: Iterable[Row]) -> str:
    """A Markdown table of the cells that have figures, notes below."""
    rows = list(rows)
    lines = ["| cell | base | candidate | wall clock | CPU clock | verdict |", "|---|---:|---:|---:|---:|---|"]
    for row in rows:
        if row.seconds:
            values = (f"`{row.cell.id}`", *_seconds(row), _ratio(row, "wall"), _ratio(row, "cpu"), row.verdict.word)
            lines.append(f"| {' | '.join(values)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(rows)), ""])


def show(rows: Iterable[Row], console: "Console") -> None:
    """Draws the cells that have figures on a rich console, pipelines alone first; fits 80 columns."""
    rows = list(rows)
    figures = [row for row in rows if row.seconds]
    for title, members in (
        ("Pipelines alone, time an image", [row for row in figures if row.cell.model == NO_MODEL]),
        ("Steps, time {}", [row for row in figures if row.cell.model != NO_MODEL]),
    ):
        if members:
            per = "an image" if members[0].per == "image" else "a step"
            console.print(_table(title.format(per), members))
    table.say(notes(rows, most=MOST), console)


def _table(title: str, rows: list[Row]) -> "Table":
    """A rich table under a title that says what all its cells have in common."""
    from rich import markup

    names, same = labels.apart([row.cell for row in rows])
    drawing = table.titled(f"{title} ({', '.join(same)})")
    for column in COLUMNS:
        justify = "left" if column in ("cell", "verdict") else "right"
        drawing.add_column(column, justify=justify, no_wrap=column != "cell", overflow="fold")
    for name, row in zip(names, rows, strict=True):
        drawing.add_row(markup.escape(name), *_seconds(row), _ratio(row, "wall"), row.verdict.word)
        if "cpu" in row.seconds:
            drawing.add_row("  CPU clock", *_seconds(row, "cpu"), _ratio(row, "cpu"), "", style="dim")
    return drawing


def _seconds(row: Row, clock: str = "wall") -> tuple[str, str]:
    base, candidate = row.seconds[clock]
    return format.duration(base), format.duration(candidate)


def _ratio(row: Row, clock: str) -> str:
    """A ratio with its interval, without one where processes are too few."""
    ratio, estimate = row.ratio(clock), row.verdict.estimates.get(clock)
    if ratio is None:
        return format.ABSENT
    return f"{_number(ratio)} [{_number(estimate.low)}, {_number(estimate.high)}]" if estimate else _number(ratio)


def _number(value: float) -> str:
    """Two digits after the point, or two that count where that would say too little."""
    return f"{value:.2f}" if 0.1 <= value < 100 else format.significant(value, 2)


def notes(rows: Iterable[Row], *, most: int | None = None) -> list[str]:
    """What the columns mean, how sure verdicts are, what was left out and why; each names up to `most` cells."""
    rows = list(rows)
    figures = [row for row in rows if row.seconds]
    texts: dict[str, list[str]] = {}
    for row in figures:
        for text in (_interval(row), _over(row), _reason(row)):
            texts.setdefault(text, []).append(row.cell.id)
    texts.pop("", None)
    lines = [
        "ratio: candidate over base, below 1 is faster; slower, faster and same by the rule of live comparisons, "
        "over all cells and clocks"
    ]
    for text, ids in texts.items():
        everywhere = len(ids) == len(figures) or text.startswith("inconclusive")  # the table says it of each row
        lines.append(text if everywhere else f"{text} ({_listed(ids, most)})")
    left_out: dict[str, list[str]] = {}
    for row in rows:
        if not row.seconds:
            left_out.setdefault(row.verdict.reason, []).append(row.cell.id)
    return lines + [f"left out, {reason}: {_listed(ids, most)}" for reason, ids in left_out.items()]


def _listed(ids: list[str], most: int | None) -> str:
    """Names, and how many more there are."""
    more = len(ids) - len(ids[:most])
    return ", ".join(ids[:most]) + (f" and {more} more" if more else "")


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
