"""What was gathered -> the parts of the page: charts, tables, and the command that makes their figures again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bench.input.loaders import table as race_table
from bench.input.object_store import table as reading_table
from bench.input.object_store.table import Far
from bench.report import charts, courses, key_findings, points
from bench.report.chart import Chart
from bench.report.gather import Compared, Gathered
from bench.results import format, report, table
from bench.results.summary import Summary
from bench.results.table import View
from bench.run import trace_table
from bench.training import table as accuracy_table

COMMANDS = {
    "input": "python -m bench sweep --filter model=none",
    "loaders": "python -m bench loaders",
    "store": "python -m bench object-store --latency 30ms",
    "steps": "python -m bench sweep --profile full --filter pipeline=resident",
    "feed": "python -m bench stall",
    "traces": "python -m bench trace --model squeezenet --batch-size 8",
    "verdicts": "python -m bench compare BASE CANDIDATE",
    "history": "python -m bench regressions --confirm",
    "training": "python -m bench accuracy",
}


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


def sections(gathered: Gathered) -> list[Section]:
    """All parts that there is something to show in, in the order of the data's way."""
    views = {place: table.views(some) for place, some in report.by_place(list(gathered.shown)).items()}
    drawn = charts.charts(points.points(key_findings.busiest(gathered.shown), gathered))
    made = [
        _measured("input", "Input", "How fast each way of feeding is when nothing eats.", "Input pip", views, drawn),
        _loaders(gathered.race),
        _store(gathered.far),
        _measured("steps", "Steps", "How fast each model trains on a batch that is there.", "Steps on", views, drawn),
        _feeding(gathered, views, drawn),
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


def _loaders(race: Sequence[race_table.Row]) -> Section:
    """Our pipelines, those of others and the limit."""
    views = race_table.views(race)
    return Section(
        name="loaders",
        title="Loaders",
        words="Our pipelines beside other loaders, and beside what the machine could do at most, on the same bytes.",
        command=COMMANDS["loaders"],
        views=views,
        subjects=[table.place_line(one.machine, one.code, one.started) for one in [race[0].result] * len(views)]
        if race
        else (),
    )


def _store(far: Sequence[Far]) -> Section:
    """What latency costs, and how it is hidden."""
    readings = [reading for one in far for reading in one.readings]
    return Section(
        name="store",
        title="Object store",
        words="The same pipelines from a store far away, beside from the disk.",
        command=COMMANDS["store"],
        views=[reading_table.view(far)] if readings else (),
        subjects=[table.place_line(one.machine, one.measurement.code, one.measurement.started) for one in readings[:1]],
    )


def _feeding(gathered: Gathered, views: dict[str, list[View]], drawn: dict) -> Section:
    """Verdicts and the planner before the figures that they are made from."""
    words = "Does input hold the models up? What is left of a step's speed when a pipeline feeds it."
    fed = _measured("feed", "Feed", words, "Steps fed", views, drawn)
    if not gathered.feeding:
        return fed
    last = gathered.feeding.trios[-1].measurement
    told, place = gathered.feeding.views(), table.place_line(last.machine, last.code, last.started)
    return replace(fed, views=[*told, *fed.views], subjects=[*[place] * len(told), *fed.subjects])


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
            f"{estimate.ratio:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else format.ABSENT
            for estimate in (one.verdict.estimates.get(clock) for clock in ("wall", "cpu"))
        ]
        made.append((one.cell, one.verdict.word, *ratios, str(one.verdict.pairs)))
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
        views[-1] = View(**{**vars(views[-1]), "notes": tuple(accuracy_table.notes(found))})
    return Section(
        name="training",
        title="Training",
        words="How good each model becomes, and how long that takes.",
        command=COMMANDS["training"],
        charts=(chart,) if chart else (),
        views=views if found else (),
    )
