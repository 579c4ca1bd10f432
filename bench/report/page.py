"""What was gathered -> one HTML file: the answer, sections with charts and tables, and the data to take along."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.compare.sequential_test import WORDS
from bench.input.stall import tables
from bench.report import gather, key_findings, points, sections, svg
from bench.report.gather import Gathered
from bench.results import report, store, table
from bench.results.summary import Summary
from bench.results.table import View
from flowers_core.errors import InputError

ROOM = Path(__file__).parent
MOST_ROWS = 3000  # embedded, the latest; `python -m bench table --all --format csv` gives all
# Columns of names, which stand to the left; figures stand to the right.
NAMES = {
    "model",
    "pipeline",
    "cell",
    "way",
    "state",
    "subject",
    "commit",
    "between",
    "reason",
    "loader",
    "from",
    *tables.LEFT,
}
DECADE = 100 / 3  # percent of the full length for a factor of ten


def render(gathered: Gathered) -> str:
    """Makes the page: HTML in which every text from outside is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOM),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    shown = sections.sections(gathered)
    return environment.get_template("page.html").render(
        answers=key_findings.answers(gathered),
        machines=machines(gathered.shown),
        sections=shown,
        drawn={chart.title: svg.svg(chart.spec) for one in shown for chart in one.charts},
        specs=_safe([chart.spec for one in shown for chart in one.charts]),
        config=_safe(svg.CONFIG),
        colours=_safe({"ink": svg.INK, "line": svg.LINE}),
        rows=_safe(rows(gathered.summaries)),
        points=_safe(points.points(gathered.shown, gathered)),
        names=NAMES,
        words=WORDS,
        bars=bars,
        left_out=max(0, len(gathered.summaries) - MOST_ROWS),
        damaged=gathered.damaged,
        library=svg.library(),
        style=(ROOM / "page.css").read_text(),
        script=(ROOM / "page.js").read_text(),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def bars(rates: Sequence[float | None]) -> list[float | None]:
    """Lengths of bars on a logarithmic scale, in percent: the fastest has 100, a tenth of it one third less.

    One by one and cached differ a hundredfold: on a linear scale all but the fastest would vanish.
    """
    most = max((rate for rate in rates if rate), default=1.0)
    return [None if rate is None else max(1.0, 100 + DECADE * math.log10(rate / most)) for rate in rates]


def _safe(values) -> str:
    """JSON that cannot end the <script> it stands in: there only `<` could."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")


def rows(summaries: Sequence[Summary]) -> dict:
    """The tidy table, the latest rows of it: `columns` and `data`, a list a row, so that names stand there once."""
    chosen = sorted(summaries, key=lambda one: one.measurement.started)[-MOST_ROWS:]
    return json.loads(table.frame(chosen).to_json(orient="split", index=False, double_precision=6)) if chosen else {}


def machines(summaries: Sequence[Summary]) -> list[str]:
    """A line for each machine, software, code and day."""
    return list(report.by_place(list(summaries)))


def write(results: Path) -> Path:
    """Writes the page of a store, and its tables as Markdown and CSV.

    Returns:
        The page.
    """
    gathered = gather.gather(results)
    if gathered.summaries:
        store.save_table("all.md", report.markdown(list(gathered.summaries)), results)
        store.save_table("all.csv", table.csv(gathered.summaries), results)
    return store.save_page(render(gathered), results)


def markdown(results: Path) -> str:
    """The answer and all tables of a store for a pull request.

    Raises:
        InputError: If the store is empty.
    """
    gathered = gather.gather(results)
    shown = sections.sections(gathered)
    if not shown:
        raise InputError(f"{results} holds nothing to show: run `make bench`")
    lines = [*(f"- {answer}" for answer in key_findings.answers(gathered)), ""]
    for section in shown:
        lines += [f"## {section.title}", "", f"{section.words} Again: `{section.command}`", ""]
        lines += [_table(view) for view in section.views]
    return "\n".join([*lines, *(f"- {machine}" for machine in machines(gathered.shown))])


def _table(view: View) -> str:
    """A table of any columns: names to the left, figures to the right."""
    grid = table.grid(view.columns, view.rows, left=NAMES)
    return "\n".join([f"### {view.title}", "", *grid, "", *(f"- {note}" for note in view.notes), ""])
