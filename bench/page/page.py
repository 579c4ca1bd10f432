"""What was gathered -> one HTML file: the answer, sections with charts and tables, and the data to take along."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.accuracy import accuracy_table
from bench.ledger import figures, report, store, table, trace_table
from bench.ledger.summary import Summary
from bench.ledger.table import View
from bench.page import answers, charts, courses, drawing, gathering
from bench.page.charts import Chart
from bench.page.gathering import Compared, Gathered
from bench.verdicts.verdict import WORDS

ROOM = Path(__file__).parent
MOST_ROWS = 3000  # embedded, the latest; `python -m bench table --all --format csv` gives all
COMMANDS = {
    "input": "python -m bench sweep --filter model=none",
    "steps": "python -m bench sweep --profile full --filter pipeline=resident",
    "feed": "python -m bench sweep --profile full --filter pipeline=photos_one_by_one,records_parallel,records_cached",
    "traces": "python -m bench trace --model squeezenet --batch-size 8",
    "verdicts": "python -m bench compare BASE CANDIDATE",
    "history": "python -m bench history --confirm",
    "training": "python -m bench accuracy",
}

NAMES = (
    "model",
    "pipeline",
    "cell",
    "way",
    "state",
    "subject",
    "commit",
    "between",
    "reason",
    "verdict",
)  # to the left
DECADE = 100 / 3  # percent of the full length for a factor of ten


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        name: For links to it.
        title: Heading.
        words: A sentence of what it shows.
        command: What makes its figures again.
        charts: Pictures.
        views: Tables.
        subjects: What each table is of, beside its title: the machine; empty where one line is enough for all.
    """

    name: str
    title: str
    words: str
    command: str
    charts: Sequence[Chart] = ()
    views: Sequence[View] = ()
    subjects: Sequence[str] = field(default=())


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
    shown = sections(gathered)
    return environment.get_template("page.html").render(
        answers=answers.answers(gathered),
        machines=machines(gathered.shown),
        sections=shown,
        drawn={chart.title: drawing.svg(chart.spec) for one in shown for chart in one.charts},
        specs=_safe([chart.spec for one in shown for chart in one.charts]),
        config=_safe(drawing.CONFIG),
        colours=_safe({"ink": drawing.INK, "line": drawing.LINE}),
        rows=_safe(rows(gathered.summaries)),
        points=_safe([charts.point(one) for one in gathered.shown if one.status == "ok"]),
        names=NAMES,
        words=WORDS,
        bars=bars,
        left_out=max(0, len(gathered.summaries) - MOST_ROWS),
        damaged=gathered.damaged,
        library=drawing.library(),
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


def sections(gathered: Gathered) -> list[Section]:
    """All parts that there is something to show in, in the order of the data's way."""
    views = {place: table.views(some) for place, some in report.by_place(list(gathered.shown)).items()}
    drawn = charts.charts(answers.busiest(gathered.shown))
    made = [
        _measured("input", "Input", "How fast each way of feeding is when nothing eats.", "Input pip", views, drawn),
        _measured("steps", "Steps", "How fast each model trains on a batch that is there.", "Steps on", views, drawn),
        _measured(
            "feed", "Feed", "What is left of a step's speed when a pipeline feeds it.", "Steps fed", views, drawn
        ),
        _traces(gathered.shown),
        _verdicts(gathered.compared),
        _history(gathered.history),
        _training(gathered),
    ]
    return [one for one in made if one.charts or one.views]


def _measured(name: str, title: str, words: str, kind: str, views: dict[str, list[View]], drawn: dict) -> Section:
    """A section of measurements: its tables by machine, its charts of the machine with most cells."""
    chosen = [(place, view) for place, some in views.items() for view in some if view.title.startswith(kind)]
    return Section(
        name=name,
        title=title,
        words=words,
        command=COMMANDS[name],
        charts=drawn.get(name, ()),
        views=[view for _, view in chosen],
        subjects=[place for place, _ in chosen],
    )


def _traces(summaries: Sequence[Summary]) -> Section:
    """What XProf found in the traces of the cells that are shown."""
    traces = trace_table.of([one.measurement for one in summaries])
    rows = tuple(trace_table.rows(traces))
    notes = tuple(trace_table.notes(traces))
    view = View(
        title="Steps as XProf sees them", columns=trace_table.STEPS, rows=rows, rates=(None,) * len(rows), notes=notes
    )
    return Section(
        name="traces",
        title="Traces",
        words="Profiler traces of steps, taken after the timed ones.",
        command=COMMANDS["traces"],
        views=(view,) if rows else (),
    )


def _verdicts(compared: Sequence[Compared]) -> Section:
    """The latest comparisons, a table each."""
    marks = list(dict.fromkeys(one.comparison for one in compared))
    views = [_comparison(mark, [one for one in compared if one.comparison == mark]) for mark in marks]
    return Section(
        name="verdicts",
        title="Verdicts",
        words="Was this slower than that? Judged over pairs of fresh processes, on two clocks.",
        command=COMMANDS["verdicts"],
        views=views,
    )


def _comparison(mark: str, compared: Sequence[Compared]) -> View:
    made = []
    for one in compared:
        ratios = [
            f"{estimate.ratio:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else figures.ABSENT
            for estimate in (one.verdict.estimates.get(clock) for clock in ("wall", "cpu"))
        ]
        made.append((one.cell, one.verdict.word, *ratios, str(one.verdict.units)))
    day = f"{mark[:4]}-{mark[4:6]}-{mark[6:8]} {mark[9:11]}:{mark[11:13]} UTC"
    return View(
        title=f"{compared[0].base} against {compared[0].candidate}, {day}",
        columns=("cell", "verdict", "wall ratio [95 %]", "CPU ratio [95 %]", "pairs"),
        rows=tuple(made),
        rates=(None,) * len(made),
        notes=("ratio: candidate over base, above 1 is slower; by the rule for finding 5 %", compared[0].cpu),
    )


def _history(history: dict | None) -> Section:
    """Steps over commits."""
    changes = history["changes"] if history else []
    made = tuple(
        (
            one["state"],
            f"{one['ratio']:.3f}",
            (one["commit"] or "")[:8],
            one["subject"] or "",
            f"{one['before'][:8]}..{one['after'][:8]}",
            one["reason"] or "",
        )
        for one in changes
    )
    columns = ("state", "ratio", "commit", "subject", "between", "reason")
    view = View(title="Steps that were found", columns=columns, rows=made, rates=(None,) * len(made), notes=())
    return Section(
        name="history",
        title="History",
        words="Seconds over commits, as asv measured them; a dashed line is a step.",
        command=COMMANDS["history"],
        charts=courses.commits(history) if history else (),
        views=(view,) if made else (),
    )


def _training(gathered: Gathered) -> Section:
    """Accuracy and the time it takes."""
    found = gathered.outcomes
    chart = courses.learning(found)
    kinds = (
        ("Accuracy", accuracy_table.ACCURACY, accuracy_table.accuracy_rows),
        ("Epochs", accuracy_table.EPOCHS, accuracy_table.epoch_rows),
    )
    views = [
        View(title=title, columns=columns, rows=tuple(make(found)), rates=(None,) * len(found), notes=())
        for title, columns, make in kinds
    ]
    if found:
        notes = (*accuracy_table.notes(found), *([accuracy_table.origin(found)] if chart else []))
        views[-1] = View(**{**vars(views[-1]), "notes": notes})
    return Section(
        name="training",
        title="Training",
        words="How good each model becomes, and how long that takes.",
        command=COMMANDS["training"],
        charts=(chart,) if chart else (),
        views=views if found else (),
    )


def write(results: Path) -> Path:
    """Writes the page of a store, and its tables as Markdown and CSV.

    Returns:
        The page.
    """
    gathered = gathering.gather(results)
    if gathered.summaries:
        store.save_table("all.md", report.markdown(list(gathered.summaries)), results)
        store.save_table("all.csv", table.csv(gathered.summaries), results)
    return store.save_page(render(gathered), results)
