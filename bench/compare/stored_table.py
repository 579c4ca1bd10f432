"""Ratios of two sets as words: the terminal at 80 columns, Markdown, plain values for JSON."""

from collections.abc import Iterable

from bench.compare.stored import Row
from bench.results import format, labels, table
from bench.results.cell import NO_MODEL

COLUMNS = ("cell", "base", "candidate", "ratio [95 %]", "verdict")
MOST = 6  # names that a note in the terminal lists; Markdown and JSON have all


def to_json(rows: Iterable[Row]) -> list[dict]:
    """One object of plain values a row."""
    return [row.to_json() for row in rows]


def markdown(rows: Iterable[Row]) -> str:
    """A Markdown table of the cells that have figures, notes below."""
    rows = list(rows)
    lines = ["| cell | base | candidate | wall clock | CPU clock | verdict |", "|---|---:|---:|---:|---:|---|"]
    for row in rows:
        if row.ratio is not None:
            values = (f"`{row.cell.id}`", *_seconds(row), *_ratios(row), row.verdict)
            lines.append(f"| {' | '.join(values)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(rows)), ""])


def show(rows: Iterable[Row], console) -> None:
    """Draws the cells that have figures on a rich console, pipelines alone first; fits 80 columns."""
    rows = list(rows)
    told = [row for row in rows if row.ratio is not None]
    for title, some in (
        ("Pipelines alone, time an image", [row for row in told if row.cell.model == NO_MODEL]),
        ("Steps, time {}", [row for row in told if row.cell.model != NO_MODEL]),
    ):
        if some:
            per = "an image" if some[0].per == "image" else "a step"
            console.print(_drawn(title.format(per), some))
    table.say(notes(rows, most=MOST), console)


def _drawn(title: str, rows: list[Row]):
    """A rich table under a title that says what all its cells have in common."""
    from rich import markup

    named, same = labels.apart([row.cell for row in rows])
    drawn = table.titled(f"{title} ({', '.join(same)})")
    for column in COLUMNS:
        justify = "left" if column in ("cell", "verdict") else "right"
        drawn.add_column(column, justify=justify, no_wrap=column != "cell", overflow="fold")
    for name, row in zip(named, rows, strict=True):
        wall, cpu = _ratios(row)
        drawn.add_row(markup.escape(name), *_seconds(row), wall, row.verdict)
        if row.cpu_ratio is not None:
            cpu_seconds = map(format.duration, (row.base_cpu_seconds, row.candidate_cpu_seconds))
            drawn.add_row("  CPU clock", *cpu_seconds, cpu, "", style="dim")
    return drawn


def _seconds(row: Row) -> tuple[str, str]:
    return format.duration(row.base_seconds), format.duration(row.candidate_seconds)


def _ratios(row: Row) -> tuple[str, str]:
    """The ratio on the wall clock and on the CPU clock."""
    return _ratio(row.ratio, row.low, row.high), _ratio(row.cpu_ratio, row.cpu_low, row.cpu_high)


def _ratio(centre: float | None, low: float | None, high: float | None) -> str:
    if centre is None:
        return format.ABSENT
    return f"{_number(centre)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    """Two digits after the point, or two that count where that would say too little."""
    return f"{value:.2f}" if 0.1 <= value < 100 else format.significant(value, 2)


def notes(rows: list[Row], *, most: int | None = None) -> list[str]:
    """What the intervals hold, what decided, which cells were left out and why; each names up to `most` cells."""
    told = [row for row in rows if row.ratio is not None]
    said: dict[str, list[str]] = {}
    for row in told:
        for text in (_interval(row), _over(row), _verdict(row)):
            said.setdefault(text, []).append(row.cell.id)
    said.pop("", None)
    found = ["ratio: candidate over base, below 1 is faster; slower and faster are 99 % sure over all cells and clocks"]
    for text, ids in said.items():
        plain = len(ids) == len(told) or text.startswith(("same", "inconclusive"))  # the table says it of each row
        found.append(text if plain else f"{text} ({_listed(ids, most)})")
    left: dict[str, list[str]] = {}
    for row in rows:
        if row.ratio is None:
            left.setdefault(row.reason, []).append(row.cell.id)
    return found + [f"left out, {reason}: {_listed(ids, most)}" for reason, ids in left.items()]


def _listed(ids: list[str], most: int | None) -> str:
    """Names, and how many more there are."""
    more = len(ids) - len(ids[:most])
    return ", ".join(ids[:most]) + (f" and {more} more" if more else "")


def _verdict(row: Row) -> str:
    return row.reason if row.verdict == format.ABSENT else f"{row.verdict}: {row.reason}"


def _over(row: Row) -> str:
    """In what the cells of the two sides differ; empty where they are the same."""
    return f"not the same cells (base, candidate): {row.over}" if row.over else ""


def _interval(row: Row) -> str:
    """What the interval of a row holds."""
    processes = f"the interval holds how fresh processes differ ({row.base_processes} and {row.candidate_processes})"
    if not row.session_sd:
        return f"{processes}; both sides were measured in the same sweep"
    origin = "stated and seen" if row.session_freedom else "stated, no side spans two"
    return f"{processes} and how sessions do (sd {100 * row.session_sd:.1f} %, {origin})"
