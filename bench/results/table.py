"""One table for every command: typed columns, drawn for a terminal, as Markdown, HTML, CSV and JSON."""

import csv
import html
import io
import json
import math
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from bench.results import format

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

WIDEST = 1000  # columns of a terminal: enough to ask how wide a table would like to be
LONGEST_NAME = 12  # letters of a name that is not broken where a table is narrow: `dense_single`
STYLES = {
    "slower": "bold red",
    "faster": "bold green",
    "same": "green",
    "inconclusive": "yellow",
    "unproven": "yellow",
    "confirmed": "red",
}
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # escapes, and what turns text round
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so


class Interval(NamedTuple):
    """A figure with the ends of its interval."""

    centre: float
    low: float
    high: float


Value = str | bool | int | float | Interval | None


def _number(text: Callable[[float], str]) -> Callable[[float | Interval], str]:
    """A figure as text; an interval as `1.20 [1.10, 1.30]`."""

    def format_value(value: float | Interval) -> str:
        if not isinstance(value, Interval):
            return text(value)
        return f"{text(value.centre)} [{text(value.low)}, {text(value.high)}]"

    return format_value


def _time(value: float | Interval) -> str:
    return format.interval(*value) if isinstance(value, Interval) else format.duration(value)


# Kinds of columns: what makes a text of a value that is none yet. `text` and `verdict` stand to the left.
KINDS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "text": str,
        "verdict": str,
        "count": lambda value: f"{value:,}",
        "time": _time,
        "rate": _number(format.rate),
        "ratio": _number("{:.3f}".format),
        "percent": _number("{:.1%}".format),
        "bytes": format.megabytes,
    }
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Heading.
        kind: What its values are, one of `KINDS`: seconds for `time`, shares of 1 for `percent`.
        whole: Whether a terminal must not break its texts.
        key: Name in CSV and JSON; the heading, unless given.
        below: Name of the column under whose texts a terminal draws this one, dim, where 80 columns are too few for
            both side by side.
        bars: Whether HTML draws a bar for each value, on a logarithmic scale.
    """

    name: str
    kind: str = "text"
    whole: bool = False
    key: str = ""
    below: str = ""
    bars: bool = False

    @property
    def left(self) -> bool:
        """Whether it is set flush left."""
        return self.kind in ("text", "verdict")

    def text(self, value: Value) -> str:
        """A value as text; a text is left as it is, nothing is `n/a`."""
        if value is None:
            return format.ABSENT
        return value if isinstance(value, str) else KINDS[self.kind](value)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under typed columns, with a title and notes.

    Attributes:
        columns: What the values of a row are, one for each.
        rows: Values; a text where a figure is missing says why.
        title: What it shows; empty where the heading above says it.
        notes: What the columns mean, what failed, what is doubtful: a sentence each.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    title: str = ""
    notes: tuple[str, ...] = ()

    def texts(self) -> list[list[str]]:
        """Rows as texts."""
        return [[column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows]

    def draw(self, console: "Console") -> None:
        """Draws table and notes on a rich console.

        What is too wide for it loses its margins before a text is broken.
        """
        if self._draw_simple(console):
            return
        grid = self.renderable()
        if console.measure(grid, options=console.options.update(max_width=WIDEST)).maximum > console.width:
            grid.padding, grid.show_edge = 0, False
            console.print()  # the edge was a line apart, too
        if self.title:  # above the table, not in it: rich would fold it to the width of the columns
            say(console, self.title, style="bold")
            grid.title = None
        console.print(grid)
        for note in self.notes:
            say(console, note, style="dim")

    def _draw_simple(self, console: "Console") -> bool:
        """Draws as rich would, twenty times as fast, what rich need not fold; gives whether it did.

        A store of thousands of lines has thousands of rows.
        """
        from rich.cells import cell_len
        from rich.segment import Segment, Segments
        from rich.style import Style

        if any(column.below for column in self.columns):
            return False
        rows = [list(map(printable, row)) for row in self.texts()]
        if any("\n" in text or "\t" in text for row in rows for text in row):
            return False
        lines = [[column.name for column in self.columns], *rows]
        widths = [max(map(cell_len, texts)) for texts in zip(*lines, strict=True)]
        width = 1 + sum(widths) + 2 * len(widths)
        if not self.columns or width > console.width:
            return False
        if self.title:
            say(console, self.title, style="bold")
        styles = {name: Style.parse(style) for name, style in STYLES.items()}
        rule, empty = Segment(f" {'─' * (width - 2)} \n"), Segment(f"{' ' * width}\n")
        drawn = [empty]
        for number, texts in enumerate(lines):
            drawn.append(Segment(" "))
            for column, text, most in zip(self.columns, texts, widths, strict=True):
                spaces = " " * (most - cell_len(text))
                padded = text + spaces if column.left else spaces + text
                style = Style(bold=True) if not number else styles.get(text) if column.kind == "verdict" else None
                drawn += [Segment(padded, style), Segment("  ")]
            drawn += [Segment("\n"), rule] if not number else [Segment("\n")]
        console.print(Segments([*drawn, empty]), end="")
        for note in self.notes:
            say(console, note, style="dim")
        return True

    def renderable(self) -> "RichTable":
        """The table for rich, without its notes."""
        from rich import box, table
        from rich.cells import cell_len
        from rich.text import Text

        title = Text(printable(self.title), style="bold") if self.title else None
        grid = table.Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        rows = self.texts()
        for number, column in enumerate(self.columns):
            if not column.below:
                justify = "left" if column.left else "right"
                holds_names = column.left and all(cell_len(printable(row[number])) <= LONGEST_NAME for row in rows)
                whole = column.whole or holds_names
                grid.add_column(Text(column.name), justify=justify, no_wrap=whole, overflow="fold")
        for row in rows:
            grid.add_row(*self._terminal_cells(row))
        return grid

    def _terminal_cells(self, row: Sequence[str]) -> "list[Text]":
        """A row's texts for rich, those of columns `below` others under theirs."""
        from rich.text import Text

        cells: dict[str, Text] = {}
        for column, text in zip(self.columns, map(printable, row), strict=True):
            if not column.below:
                cells[column.name] = Text(text, style=STYLES.get(text, "") if column.kind == "verdict" else "")
            elif text:
                cells[column.below].append(f"\n  {text}" if column.left else f"\n{text}", style="dim")
        return list(cells.values())

    def markdown(self, *, level: int = 3) -> str:
        """Markdown: the title as a heading of some level, the table, the notes as a list."""
        heading = [f"{'#' * level} {markdown_text(self.title)}", ""] if self.title else []
        lines = [[column.name for column in self.columns], *map(self._emphasise, self.texts())]
        head, *body = (f"| {' | '.join(map(markdown_text, line))} |" for line in lines)
        marks = f"|{'|'.join('---' if column.left else '---:' for column in self.columns)}|"
        notes = ["", *(f"- {markdown_text(note)}" for note in self.notes)] if self.notes else []
        return "\n".join([*heading, head, marks, *body, *notes, ""])

    def _emphasise(self, row: Sequence[str]) -> list[str]:
        """A row's texts for Markdown, where a change in speed is bold."""
        verdicts = [column.kind == "verdict" for column in self.columns]
        return [
            f"**{text}**" if verdict and text in ("slower", "faster") else text
            for text, verdict in zip(row, verdicts, strict=True)
        ]

    def html(self) -> str:
        """The `<table>` alone; each figure carries its plain value, by which a script can sort."""
        head = "".join(f'<th scope="col"{_css(column)}>{html.escape(column.name)}</th>' for column in self.columns)
        lengths: list[float | None] = []
        for number, column in enumerate(self.columns):
            if column.bars and (figures := [value for row in self.rows if _is_positive(value := _plain(row[number]))]):
                start = log_start(figures)
                lengths = [_bar(_plain(row[number]), start, max(figures)) for row in self.rows]
                head += f'<th scope="col" class="rate">{html.escape(column.name)}, log scale from {start:g}</th>'
        body = []
        for number, (row, texts) in enumerate(zip(self.rows, self.texts(), strict=True)):
            cells = "".join(map(_html_cell, self.columns, row, texts))
            body.append(f"<tr>{cells}{_html_bar(lengths[number]) if lengths else ''}</tr>")
        return "\n".join(["<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"])

    def records(self) -> list[dict[str, str | bool | int | float | None]]:
        """An object of plain values for each row; an interval as three, `KEY`, `KEY_low` and `KEY_high`."""
        keys = [column.key or column.name for column in self.columns]
        intervals = {number for row in self.rows for number, value in enumerate(row) if isinstance(value, Interval)}
        records = []
        for row in self.rows:
            record: dict[str, str | bool | int | float | None] = {}
            for number, (key, value) in enumerate(zip(keys, row, strict=True)):
                record[key] = _plain(value)
                if number in intervals:
                    low, high = (value.low, value.high) if isinstance(value, Interval) else (None, None)
                    record |= {f"{key}_low": low, f"{key}_high": high}
            records.append(record)
        return records

    def json(self) -> str:
        """The records as a JSON list."""
        return json.dumps(self.records(), indent=1, allow_nan=False) + "\n"

    def frame(self) -> "DataFrame":
        """The records as a tidy pandas table: one row a record, one column a key; values keep their types."""
        import pandas as pd

        keys = [column.key or column.name for column in self.columns]
        return pd.DataFrame(self.records() or None, columns=None if self.rows else keys, dtype=object)

    def csv(self) -> str:
        """The records as comma-separated values under their keys."""
        records, text = self.records(), io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(map(_csv, records[0] if records else [column.key or column.name for column in self.columns]))
        lines.writerows([_csv(value) for value in record.values()] for record in records)
        return text.getvalue()


def spread(values: Sequence[float]) -> float | Interval | None:
    """Median with lowest and highest; one figure where all are alike, None of nothing."""
    if len(set(values)) < 2:
        return values[0] if values else None
    return Interval(statistics.median(values), min(values), max(values))


def page(title: str, tables: Iterable[Table], *lines: str, command: str, hint: str = "") -> str:
    """Markdown of tables under a title, with lines and the command that measures it again as a list below them."""
    parts = (table.markdown(level=2) for table in tables)
    texts = (*map(markdown_text, lines), markdown_code(command) + hint)
    return "\n".join([f"# {markdown_text(title)}\n", *parts, *(f"- {text}" for text in texts), ""])


def _plain(value: Value) -> str | bool | int | float | None:
    return value.centre if isinstance(value, Interval) else value


# Escaping, one function for each form: what files, frameworks and commits say must show as text.


def printable(text: str) -> str:
    """Text that commands no terminal."""
    return CONTROLS.sub("\ufffd", text)


def say(console: "Console", text: str, *, style: str = "", whole: bool = False) -> None:
    """Prints a line on a rich console as it is: neither markup nor an escape sequence in it is obeyed.

    Args:
        console: Where.
        text: What.
        style: One of rich's.
        whole: Whether the line is never broken, to be copied.
    """
    console.print(printable(text), style=style or None, markup=False, highlight=False, emoji=False, soft_wrap=whole)


def markdown_text(text: str) -> str:
    """Text that makes no column, no row, no element and no link of its own."""
    text = " ".join(printable(text).split("\n")).replace("|", "\\|").replace("](", "]\\(").replace("]:", "]\\:")
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text)


def markdown_code(text: str) -> str:
    """A command as Markdown, which shows it as it is, whatever names are in it."""
    text = " ".join(printable(text).split("\n"))
    marks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{marks}{text}{marks}" if len(marks) == 1 else f"{marks} {text} {marks}"


def _csv(value: str | bool | float | None) -> str | bool | float | None:
    """A value that no spreadsheet runs as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _css(column: Column) -> str:
    return "" if column.left else ' class="figure"'


def _html_cell(column: Column, value: Value, text: str) -> str:
    plain = _plain(value)
    sort = f' data-value="{plain!r}"' if isinstance(plain, int | float) and not isinstance(plain, bool) else ""
    verdict = f' data-verdict="{html.escape(text)}"' if column.kind == "verdict" else ""
    return f"<td{_css(column)}{sort}{verdict}>{html.escape(text)}</td>"


def _html_bar(length: float | None) -> str:
    bar = "" if length is None else f'<span class="bar" style="width:{length:.1f}%"></span>'
    return f'<td class="rate">{bar}</td>'


def log_start(figures: Iterable[float]) -> float:
    """Where bars on a logarithmic scale start: at a power of ten below all of them, or lengths would say nothing."""
    return 10.0 ** math.floor(math.log10(0.9 * min(figures)))


def _is_positive(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and value > 0


def _bar(value: object, start: float, most: float) -> float | None:
    """The length of a bar on a logarithmic scale in percent.

    One by one and cached differ a hundredfold: on a linear scale all but the fastest would vanish.
    """
    return 100 * math.log10(value / start) / math.log10(most / start) if _is_positive(value) else None
