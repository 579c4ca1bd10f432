"""Sections of the page: charts, tables, and the command that makes their figures again."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.compare import peers_table
from bench.input.formats import table as formats_table
from bench.input.formats.campaign import FormatResult
from bench.input.loaders import table as loaders_table
from bench.input.object_store import table as object_store_table
from bench.input.writing import table as writing_table
from bench.input.writing.result import WriteResult
from bench.machine.own import user_code
from bench.report import charts, comparison_part, tensorboard
from bench.report.charts import Chart
from bench.report.comparison_part import Part
from bench.report.gather import Gathered, Undecided
from bench.results import store, summary_table
from bench.results.cell import NO_MODEL, RESIDENT, is_users
from bench.results.result import Result, folders
from bench.results.summary import Summary
from bench.results.table import Column, Table
from bench.run import trace_table
from bench.run.scaling import table as scaling_table
from bench.run.scaling.result import ScalingResult
from bench.training import checkpoint_table
from bench.training import table as accuracy_table
from bench.training.checkpoint import CheckpointResult

COMMANDS = {
    "input": "python -m bench sweep --filter model=none",
    "loaders": "python -m bench loaders",
    "object_store": "python -m bench object-store --latency 30ms",
    "writing": "python -m bench write",
    "steps": "python -m bench sweep --profile full --filter pipeline=resident",
    "scaling": "python -m bench scaling",
    "stall": "python -m bench stall",
    "traces": "python -m bench trace --model squeezenet --batch-size 8",
    "machines": "python -m bench report BASE.jsonl CANDIDATE.jsonl",
    "verdicts": "python -m bench compare BASE CANDIDATE",
    "history": "python -m bench regressions --confirm",
    "training": "python -m bench accuracy",
    "checkpoints": "python -m bench checkpoint",
}


OPEN = ("input", "steps", "verdicts")  # what most readers came for; the others are a line to open


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page.

    Attributes:
        name: For links to it.
        title: Heading.
        sentence: What it shows.
        charts: Pictures.
        tables: Tables.
        origins: Where the figures of each table come from, beside its title; empty where the page's list is enough.
        command: What makes its figures again.
        folded: Tables that few readers want, with the origin of each: older code, single figures, what is n/a.
        parts: Comparisons, each folded but for the first.
        links: Names and addresses of what TensorBoard shows further, while it runs.
    """

    name: str
    title: str
    sentence: str
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    origins: Sequence[str] = ()
    folded: Sequence[tuple[str, Table]] = ()
    command: str = ""
    parts: Sequence[Part] = ()
    links: Sequence[tuple[str, str]] = ()

    @property
    def is_open(self) -> bool:
        """Whether it is unfolded at first."""
        return self.name in OPEN


def sections(gathered: Gathered) -> list[Section]:
    """All sections that have something to show, in the order in which data flows."""
    drawings = charts.charts(charts.points(gathered.charted, gathered))
    candidates = [
        _measured("input", "Input", "How fast each input pipeline is by itself.", gathered, drawings),
        _loaders(gathered),
        _formats(gathered.formats),
        _object_store(gathered.object_store),
        _writing(gathered.writes),
        _measured("steps", "Steps", "How fast each model trains on a batch that is there.", gathered, drawings),
        _peers(gathered),
        _scaling(gathered.scaling),
        _stall(gathered, drawings),
        _traces(gathered),
        _machines(gathered),
        _verdicts(gathered),
        _history(gathered.history),
        _training(gathered),
        _checkpoints(gathered.checkpoints),
    ]
    return [
        replace(section, command=_command(section.name, gathered))
        for section in candidates
        if section.charts or section.tables or section.parts or section.folded
    ]


def _command(name: str, gathered: Gathered) -> str:
    """What makes the figures of a section again, from the same folders into the same store."""
    read = [entry.measurement.data for entry in gathered.charted]
    if name == "loaders":
        read = [row.result.data for row in (*gathered.loaders, *gathered.smaller_decodes)]
    if name == "training":
        read = [training.data for outcome in gathered.outcomes for training in outcome.trainings]
    if name == "formats":
        return formats_table.command(gathered.formats) + store.option(gathered.results)
    if name == "peers":
        return peers_table.command(gathered.peers) + store.option(gathered.results)
    if name == "scaling":
        return scaling_table.command(gathered.scaling) + store.option(gathered.results)
    if name == "writing":
        return writing_table.command(gathered.writes) + store.option(gathered.results)
    if name == "checkpoints":
        return checkpoint_table.command(gathered.checkpoints) + store.option(gathered.results)
    given = "" if name in ("traces", "machines") else folders(*read)
    options = given + store.option(gathered.results)
    return " && ".join(COMMANDS[name] + own + options for own in dict.fromkeys(("", _own(name, gathered))))


def _own(name: str, gathered: Gathered) -> str:
    """Options that name the models and pipelines of a user in a section: no profile holds them, so they run apart."""
    cells = [entry.cell for entry in _of_section(name, gathered.charted)]
    own = [cell for cell in cells if is_users(cell.model) or is_users(cell.pipeline)]
    options = ""
    for option in ("model", "pipeline"):
        names = sorted({user_code.as_option(getattr(cell, option)) for cell in own} - {NO_MODEL, RESIDENT})
        options += f" --{option} {shlex.quote(','.join(names))}" if names else ""
    return options


def _of_section(name: str, entries: Sequence[Summary]) -> list[Summary]:
    """Of figures those that a section of measurements shows."""
    kind = "fed" if name == "stall" else name
    return [entry for entry in entries if summary_table.kind(entry.cell) == kind]


def _measured(name: str, title: str, sentence: str, gathered: Gathered, drawings: dict[str, list[Chart]]) -> Section:
    """A section of measurements: a machine's tables of one day, that with most cells, and charts of one machine.

    What else was measured is folded.
    """
    current, older = (_of_section(name, entries) for entries in (gathered.shown, gathered.older))
    days: dict[tuple, list[Summary]] = {}
    for entry in (entry for entry in current if entry.status != "n/a"):
        days.setdefault((entry.measurement.machine.get("id"), entry.measurement.started[:10]), []).append(entry)
    largest = {machine: entries for (machine, _), entries in sorted(days.items(), key=lambda item: len(item[1]))}
    shown = [entry for entries in largest.values() for entry in entries]
    beside = summary_table.by_setting(shown)
    tables = [
        (origin, table)
        for origin, group in summary_table.by_origin(shown).items()
        for table in summary_table.tables(group, beside=beside, known=gathered.peaks)
    ]
    open_rows = set(map(id, shown))
    rest = summary_table.by_origin(entry for entry in [*current, *older] if id(entry) not in open_rows)
    return Section(
        name=name,
        title=title,
        sentence=sentence,
        charts=drawings.get(name, ()),
        tables=[table for _, table in tables],
        origins=[origin for origin, _ in tables],
        folded=[
            (origin, table)
            for origin, group in rest.items()
            for table in summary_table.tables(group, beside=beside, known=gathered.peaks)
        ],
    )


def _loaders(gathered: Gathered) -> Section:
    """Our pipelines, those of others and the decode ceiling; that of large photos is often a comparison of its own."""
    by_comparison = {rows[0].result.comparison: rows for rows in (gathered.loaders, gathered.smaller_decodes) if rows}
    tables = [(rows[0].result.origin, table) for rows in by_comparison.values() for table in loaders_table.tables(rows)]
    return Section(
        name="loaders",
        title="Loaders",
        sentence="Our pipelines beside other loaders, and beside what the machine could do at most, on the same bytes.",
        tables=[table for _, table in tables],
        origins=[origin for origin, _ in tables],
    )


def _formats(results: Sequence[FormatResult]) -> Section:
    """What each format of records costs, and which to take where."""
    sentence = "The same photos as records in each format: images/s against bytes, and which to take on which machine."
    tables = formats_table.tables(results, machine=formats_table.measured_on(results)) if results else ()
    return _of_campaign("formats", "Formats", sentence, results, tables)


def _object_store(far: Sequence[object_store_table.Row]) -> Section:
    """What latency costs, and how it is hidden."""
    results = [result for row in far for result in row.results]
    return Section(
        name="object_store",
        title="Object store",
        sentence="The same pipelines from an object store with latency, and from the disk.",
        tables=[object_store_table.table(far)] if results else (),
        origins=[result.origin for result in results[:1]],
    )


def _of_campaign(name: str, title: str, sentence: str, results: Sequence[Result], tables: Sequence[Table]) -> Section:
    """What one campaign came to, in tables of its own."""
    origins = [results[0].origin] * len(tables) if results else ()
    return Section(name=name, title=title, sentence=sentence, tables=tables, origins=origins)


def _writing(results: Sequence[WriteResult]) -> Section:
    """What it takes to make records, and what their number of shards means for reading."""
    sentence = "How fast photos become records on the disk, by shards and threads, and how fast these are read."
    return _of_campaign("writing", "Writing", sentence, results, writing_table.tables(results))


def _peers(gathered: Gathered) -> Section:
    """Our training steps beside those of plain torch."""
    comparisons = gathered.peers
    return Section(
        name="peers",
        title="Peers",
        sentence="Our training steps beside the same models in plain torch.nn, the fastest way of each side.",
        tables=[peers_table.table(comparisons, gathered.costs, gathered.limits)] if comparisons else (),
        origins=[peers_table.origin(comparisons)] if comparisons else (),
    )


def _scaling(results: Sequence[ScalingResult]) -> Section:
    """What further replicas and hosts bring."""
    sentence = "What a second replica or host brings a training step, and whether losses stay the same."
    return _of_campaign("scaling", "Scaling", sentence, results, scaling_table.tables(results))


def _stall(gathered: Gathered, drawings: dict[str, list[Chart]]) -> Section:
    """Verdicts and the planner before the figures that they are made from."""
    sentence = "Is training input-bound? What is left of a step's speed when a pipeline feeds it."
    fed = _measured("stall", "Stall", sentence, gathered, drawings)
    if not (gathered.stall and gathered.stall.stalls):
        return fed
    tables, origin = gathered.stall.tables(), gathered.stall.stalls[-1].measurement.origin
    return replace(fed, tables=[*tables, *fed.tables], origins=[*[origin] * len(tables), *fed.origins])


def _traces(gathered: Gathered) -> Section:
    """What XProf found in the traces of the cells that are shown, and where TensorBoard shows them."""
    traces = trace_table.of_measurements(entry.measurement for entry in gathered.shown)
    addresses = [tensorboard.trace_address(Path(trace.trace.folder), gathered.results) for trace in traces]
    return Section(
        name="traces",
        title="Traces",
        sentence="Profiler traces of steps, taken after the timed ones.",
        tables=(trace_table.steps(traces, into=store.option(gathered.results)),) if traces else (),
        links=[(name, address) for name, address in zip(trace_table.names(traces), addresses, strict=True) if address],
    )


def _machines(gathered: Gathered) -> Section:
    """The machine that charts are of beside each other one, a part each."""
    return Section(
        name="machines",
        title="Machines",
        sentence="The same cells on other machines: what differs first, then both times with their ratio.",
        parts=[comparison_part.of_machines(sets) for sets in gathered.machines],
    )


def _verdicts(gathered: Gathered) -> Section:
    """The latest comparisons with the verdicts that they gave, a part each; folded those that stored none."""
    undecided = [_undecided(gathered.undecided)] if gathered.undecided else []
    said = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in gathered.lopsided]
    return Section(
        name="verdicts",
        title="Verdicts",
        sentence=" ".join(["Was this slower than that? Decided over pairs of fresh processes.", *said]),
        parts=[comparison_part.of(comparison, gathered) for comparison in gathered.comparisons],
        folded=[("", table) for table in undecided],
    )


def _undecided(undecided: Sequence[Undecided]) -> Table:
    return Table(
        title="No verdict stored",
        columns=(
            Column("begun"),
            Column("base"),
            Column("candidate"),
            Column("cells", "count"),
            Column("pairs", "count"),
        ),
        rows=tuple(
            (_day(entry.comparison), entry.base, entry.candidate, entry.cells, entry.pairs) for entry in undecided
        ),
        notes=("pairs without a verdict: the comparison still runs or was killed, or an older program kept none",),
    )


def _day(mark: str) -> str:
    return f"{mark[:4]}-{mark[4:6]}-{mark[6:8]} {mark[9:11]}:{mark[11:13]} UTC"


def _history(history: dict | None) -> Section:
    """Steps over commits."""

    def accepted(change: dict) -> str:
        return f"acknowledged: {change['acknowledged']}" if change.get("acknowledged") else ""

    changes = history["changes"] if history else []
    rows = tuple(
        (
            change["state"],
            change["ratio"],
            (change["commit"] or "")[:8],
            change["subject"] or "",
            f"{change['before'][:8]}..{change['after'][:8]}",
            "; ".join(filter(None, (accepted(change), change["reason"]))),
        )
        for change in changes
    )
    names = (Column(name) for name in ("commit", "subject", "between", "reason"))
    columns = (Column("state", "verdict"), Column("ratio", "ratio"), *names)
    return Section(
        name="history",
        title="History",
        sentence="Seconds over commits, as asv measured them; a dashed line is a step.",
        charts=charts.commits(history) if history else (),
        tables=(Table(title="Steps that were found", columns=columns, rows=rows),) if rows else (),
    )


def _training(gathered: Gathered) -> Section:
    """Accuracy and the time it takes."""
    outcomes = gathered.outcomes
    chart = charts.learning(outcomes)
    return Section(
        name="training",
        title="Training",
        sentence="How good each model becomes, and how long that takes.",
        charts=(chart,) if chart else (),
        tables=accuracy_table.tables(outcomes) if outcomes else (),
    )


def _checkpoints(results: Sequence[CheckpointResult]) -> Section:
    """What a checkpoint costs."""
    sentence = "How long it takes to save a model until it is on the disk, and to restore it."
    return _of_campaign("checkpoints", "Checkpoints", sentence, results, checkpoint_table.tables(results))
