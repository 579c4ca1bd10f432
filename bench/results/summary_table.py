"""Summaries as tables: pipelines alone, steps alone and steps fed by a pipeline; and every fact of each, tidy."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from bench.machine.facts import code_digest
from bench.machine.own import user_code
from bench.results import backend_table, device_columns, exports, identity, labels, parts, peak, store, summary
from bench.results.cell import INPUT_OPTIONS, NO_MODEL, RESIDENT, STEPS, Cell
from bench.results.device_columns import NONE_KNOWN
from bench.results.measurement import Measurement
from bench.results.peak import Ceilings
from bench.results.summary import Summary
from bench.results.table import Column, Interval, Table, Value, markdown_text, say
from flowers_core.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

# Fields that make rows of one table, and their headings.
SIZES = {"image_size": "px", "batch_size": "batch", STEPS: "steps a call"}
HEADINGS = {**SIZES, **{name: number[1] for name, number in INPUT_OPTIONS.items() if number}}
LOOP = "steps a call: as many run in a loop on the device; times are those of one of them"
MOST_APART = 3  # settings of other tables that notes name
MOST_SETTINGS = 12  # of a cell in other tables that a row is compared with
APART = ("mode", "device", "precision", "backend", "xla", "torch_compile")  # fields that make tables of their own

# What a cell measures, and the title of its tables.
KINDS: Mapping[str, str] = MappingProxyType(
    {"input": "Input pipelines alone", "steps": "Steps on a resident batch", "fed": "Steps fed by a pipeline"}
)
SHAPES = ("terminal", "markdown", "csv", "json", *exports.FORMATS)


def kind(cell: Cell) -> str:
    """What a cell measures, one of `KINDS`."""
    if cell.model == NO_MODEL:
        return "input"
    return "steps" if cell.pipeline == RESIDENT else "fed"


Settings = Mapping[Cell, Mapping[str, Sequence[Summary]]]


def by_setting(summaries: Iterable[Summary]) -> Settings:
    """Summaries by cell and, within it, by setting: all that decides a figure but the code."""
    cells: dict[Cell, dict[str, list[Summary]]] = {}
    for entry in summaries:
        settings = cells.setdefault(entry.cell, {})
        settings.setdefault(identity.setting_of_any_code(entry.measurement), []).append(entry)
    return cells


def tables(
    summaries: Iterable[Summary], *, beside: Settings = MappingProxyType({}), known: Ceilings = NONE_KNOWN
) -> list[Table]:
    """The tables that a person wants to see.

    Kinds, modes, devices, precisions, backends and photos are tables of their own; model, size and batch are rows.

    Args:
        summaries: Of one machine, code and day.
        beside: Rows of other tables, which may hold these as well: notes say what sets those of the same cells apart.
        known: What their machines could do at most.
    """
    summaries = list(summaries)
    here = by_setting(summaries)
    groups: dict[tuple, list[Summary]] = {}
    for entry in summaries:
        key = (kind(entry.cell), *(getattr(entry.cell, field) for field in APART), _data(entry))
        groups.setdefault(key, []).append(entry)
    return [table for group in groups.values() for table in _of_group(group, (here, beside), known)]


def _data(entry: Summary) -> tuple:
    return tuple(entry.measurement.data.get(name) for name in ("photos", "images", "classes"))


def _of_group(summaries: list[Summary], others: Sequence[Settings], known: Ceilings) -> list[Table]:
    """The table of a group and, where steps were timed in parts, that of the parts."""
    table = _table(summaries, others, known)
    described = table.title.partition("(")[2].removesuffix(")")
    figures = [(_name(entry.cell), entry.detail, entry.measurement.detail.get("reason", "")) for entry in summaries]
    of_parts = parts.table(figures, described)
    return [table] if of_parts is None else [table, of_parts]


def _table(summaries: list[Summary], others: Sequence[Settings], known: Ceilings) -> Table:
    """A table of one kind; what is the same in all cells goes into its title, what differs into columns."""
    cell = summaries[0].cell
    varied = {
        field
        for field in ("model", "pipeline", *SIZES, *INPUT_OPTIONS)
        if len({getattr(entry.cell, field) for entry in summaries}) > 1
    }
    names = [field for field in ("model", "pipeline") if getattr(cell, field) not in (NO_MODEL, RESIDENT)]
    titled = [field for field in names[1:] if field not in varied]  # one pipeline for all rows: part of the title
    fields = [field for field in names if field not in titled]
    fields += [field for field in (*SIZES, *INPUT_OPTIONS) if field in varied]
    data, shown = summaries[0].measurement.data, labels.readable(entry.cell for entry in summaries)
    same = [f"{data['images']:,} {data['photos']}"] if "images" in data else []
    same += [f"{data['classes']} classes"] if "classes" in data and "images" not in data else []
    same += [shown[getattr(cell, field)] for field in titled]
    same += [word for name, word in zip(cell.input_options, cell.input_words, strict=True) if name not in varied]
    same += [] if "image_size" in varied else [f"{cell.image_size} px"]
    same += [] if "batch_size" in varied else [f"batch {cell.batch_size}"]
    same += [] if STEPS in varied or not cell.loop else [cell.loop]
    same += [cell.mode, cell.device, cell.precision, cell.backend] if cell.model != NO_MODEL else []
    same += [cell.chosen_compiler] if cell.chosen_compiler else []
    time, first = ("time a step", "compile") if cell.model != NO_MODEL else ("time an image", "first")
    further = device_columns.columns(summaries, known)
    of_device, values = [column for column, _ in further], list(zip(*(values for _, values in further), strict=True))
    return Table(
        title=f"{KINDS[kind(cell)]} ({', '.join(same)})",
        columns=(
            *(Column(HEADINGS.get(field, field), "count" if field in SIZES else "text") for field in fields),
            Column(time, "time"),
            Column("images/s", "rate", bars=True),
            Column(first, "time"),
            Column("MB", "bytes"),
            *of_device,
        ),
        rows=tuple(
            (*(_value(entry.cell, field, shown) for field in fields), *_figures(entry), *beyond)
            for entry, beyond in zip(summaries, values or [()] * len(summaries), strict=True)
        ),
        notes=(*_notes(summaries), *device_columns.notes(of_device), *_apart_from_others(summaries, others)),
    )


def _value(cell: Cell, field: str, shown: dict[str, str]) -> Value:
    value = labels.input_value(cell, field)
    return shown[value] if field in labels.NAMED else str(value) if field in INPUT_OPTIONS else value


def _figures(entry: Summary) -> tuple[Value, ...]:
    """The four figures of a row."""
    if entry.batch_time is None:
        return entry.status, "", "", ""
    images = entry.cell.batch_size if entry.cell.model == NO_MODEL else 1
    time = Interval(*(seconds / images for seconds in entry.batch_time))
    return time, entry.images_per_second, entry.first_step_seconds, entry.peak_bytes


def _notes(summaries: list[Summary]) -> tuple[str, ...]:
    """What the intervals are, what failed and why, and what is doubtful."""
    notes = []
    spreads = sorted({entry.spread for entry in summaries if entry.spread})
    if spreads:
        processes = _from_to([entry.processes for entry in summaries if entry.processes])
        steps = _from_to([entry.steps for entry in summaries if entry.steps])
        notes.append(f"median [{' or '.join(spreads)}]; fresh processes a row: {processes}; timed steps: {steps}")
    notes += [LOOP] * any(entry.cell.loop for entry in summaries)
    doubts: dict[str, list[str]] = {}
    for entry in summaries:
        for text in entry.warnings if entry.status == "ok" else (f"{entry.status}: {entry.reason}",):
            doubts.setdefault(text, []).append(_name(entry.cell))
    notes += _rows_apart(summaries)
    notes += [
        f"{text} ({', '.join(names) if len(names) < len(summaries) else 'all rows'})" for text, names in doubts.items()
    ]
    return tuple(notes)


def _rows_apart(summaries: list[Summary]) -> list[str]:
    """What tells rows of the same cell apart: `dense 32: 2 rows differ by usable_cores 2, 0.5`."""
    rows: dict[Cell, list[Measurement]] = {}
    for entry in summaries:
        rows.setdefault(entry.cell, []).append(entry.measurement)
    return [
        f"{_name(cell)}: {len(entries)} rows differ by {identity.apart(entries)}"
        for cell, entries in rows.items()
        if len(entries) > 1
    ]


def _apart_from_others(summaries: list[Summary], others: Sequence[Settings]) -> list[str]:
    """What sets rows apart from those of their cells in other tables, but for the code, which origins name.

    Of each setting one row stands for all, and of many settings the first: each with each would take hours.
    """
    texts, ours = dict[str, list[str]](), set(map(id, summaries))
    for entry in summaries:
        mine, settings = identity.setting_of_any_code(entry.measurement), dict[str, Summary]()
        for known in others:
            for setting, entries in islice(known.get(entry.cell, {}).items(), MOST_SETTINGS):
                other = next((other for other in entries if id(other) not in ours), None)
                if setting != mine and other:
                    settings.setdefault(setting, other)
        for other in settings.values():
            if text := identity.apart([entry.measurement, other.measurement], but=identity.OF_CODE):
                names = texts.setdefault(text, [])
                names += [_name(entry.cell)] * (_name(entry.cell) not in names)
    shown = [f"{text} ({', '.join(names)})" for text, names in list(texts.items())[:MOST_APART]]
    more = len(texts) - len(shown)
    return [f"here and in another table: {line}" for line in shown] + [f"and {more} other settings"] * (more > 0)


def _from_to(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _name(cell: Cell) -> str:
    """A cell among others of its table."""
    name = user_code.readable(cell.pipeline if cell.model == NO_MODEL else cell.model)
    return ", ".join(filter(None, (" ".join((name, str(cell.batch_size), *cell.input_words)), cell.loop)))


def facts(summaries: Iterable[Summary], results: Path = store.RESULTS, *, known: Ceilings = NONE_KNOWN) -> Table:
    """The tidy table: a row for each summary, a column for each fact; seconds, bytes and images a second.

    Args:
        summaries: Of measurements.
        results: Their store, into which the command of a row measures again.
        known: What their machines could do at most.
    """
    into = store.option(results)
    rows = [
        {**_facts(entry), **device_columns.facts(entry, known), "command": entry.measurement.command + into}
        for entry in summaries
    ]
    columns = tuple(map(Column, rows[0])) if rows else ()
    return Table(columns=columns, rows=tuple(tuple(row.values()) for row in rows))


def _facts(entry: Summary) -> dict[str, Value]:
    """All that a summary says, flat."""
    last = entry.measurement
    apart = ("cell", "measurement", "warnings", "detail")
    figures = {name: value for name, value in vars(entry).items() if name not in apart}
    return {
        "cell_id": entry.cell.id,
        **entry.cell.to_json(),
        **figures,
        **parts.facts(entry.detail),
        "warnings": "; ".join(entry.warnings),
        "machine_id": last.machine.get("id"),
        "host": last.machine.get("host"),
        "cpu": last.machine.get("cpu"),
        "usable_cores": last.machine.get("usable_cores"),
        "commit": last.code.get("commit"),
        "dirty": last.code.get("dirty"),
        "photos": last.data.get("photos"),
        "harness_version": last.harness_version,
        "started": last.started,
    }


def by_origin(summaries: Iterable[Summary]) -> dict[str, list[Summary]]:
    """Summaries by machine, code and day, as `Result.origin` words them; the latest first."""
    origins: dict[str, list[Summary]] = {}
    for entry in sorted(summaries, key=lambda entry: entry.measurement.started[:10], reverse=True):
        origins.setdefault(entry.measurement.origin, []).append(entry)
    return origins


def draw(summaries: Sequence[Summary], console: "Console", *, known: Ceilings = NONE_KNOWN) -> None:
    """Draws tables on a rich console, each machine's name below its own."""
    beside = by_setting(summaries)
    for origin, group in by_origin(summaries).items():
        for table in tables(group, beside=beside, known=known):
            table.draw(console)
        say(console, origin, style="dim")


def markdown(summaries: Sequence[Summary], *, known: Ceilings = NONE_KNOWN) -> str:
    """Tables for a pull request or a README, under a line that names the machine."""
    parts, beside = [], by_setting(summaries)
    for origin, group in by_origin(summaries).items():
        parts += [
            f"{markdown_text(origin)}\n",
            *(table.markdown() for table in tables(group, beside=beside, known=known)),
        ]
    return "\n".join(parts)


def text(results: Path, *, everything: bool = False, shape: str = "terminal", backends: bool = False) -> str:
    """The measurements of a store as a text.

    Args:
        results: The store.
        everything: Of all machines and all code, not only of this machine and the code as it is now.
        shape: One of `SHAPES`.
        backends: Only which backend trains each model fastest, instead of all.

    Raises:
        InputError: If there is nothing to show, or the shape has no such table.
    """
    measurements = store.load(Measurement, results, holding="" if everything else code_digest()).results
    chosen = measurements if everything else summary.current(measurements)
    if not chosen:
        hint = "; `--all` shows other machines and code" if store.load(Measurement, results).results else ""
        raise InputError(f"{results} holds no measurement of this machine and this code: run `make bench`{hint}")
    summaries = summary.by_cell(chosen)
    if backends:
        return _backends(summaries, results, shape)
    known = ceilings(summaries, results)
    if shape == "terminal":
        return _terminal(summaries, known)
    if shape in exports.FORMATS:
        return exports.FORMATS[shape](summaries) + "\n"
    if shape == "markdown":
        return markdown(summaries, known=known)
    tidy = facts(summaries, results, known=known)
    return tidy.csv() if shape == "csv" else tidy.json()


def _backends(summaries: Sequence[Summary], results: Path, shape: str) -> str:
    """Which backend trains each model fastest, of each machine and code.

    Raises:
        InputError: If no step was measured on two backends, or the shape is for services.
    """
    if shape in exports.FORMATS:
        raise InputError(f"`--backends` is a table for people or programs, not for {shape}: give another `--format`")
    places: dict[tuple, list[Summary]] = {}
    for entry in summaries:
        last = entry.measurement
        places.setdefault((last.machine.get("id"), last.code.get("digest")), []).append(entry)
    held = [group for group in places.values() if backend_table.comparisons(group)]
    if not held:
        raise InputError(
            f"No training step of {results} was measured on two backends: "
            f"`python -m bench sweep --backend tensorflow,jax,torch{store.option(results)}` does that"
        )
    if shape in ("csv", "json"):
        table = backend_table.facts(held)
        return table.csv() if shape == "csv" else table.json()
    if shape == "markdown":
        return "\n".join(
            "\n".join([f"{markdown_text(origin_of_all(group))}\n", *(table.markdown() for table in tables)])
            for group, tables in zip(held, map(backend_table.tables, held), strict=True)
        )

    def show(console: "Console") -> None:
        for group in held:
            for table in backend_table.tables(group):
                table.draw(console)
            say(console, origin_of_all(group), style="dim")

    return capture(show)


def origin_of_all(summaries: Sequence[Summary]) -> str:
    """The machine, the software of all backends, the code and the days of some figures, in one line."""
    parts = [entry.measurement.origin.split("; ") for entry in summaries]
    return "; ".join(dict.fromkeys(part for words in parts for part in words))


def ceilings(summaries: Iterable[Summary], results: Path) -> Ceilings:
    """What a store knows of the most that the machines of some figures could do."""
    return peak.ceilings(summaries, store.load(peak.Peak, results).results)


def _terminal(summaries: Sequence[Summary], known: Ceilings) -> str:
    """Tables for a terminal, as wide as it is."""
    return capture(lambda console: draw(summaries, console, known=known))


def capture(show: Callable[["Console"], object]) -> str:
    """What is drawn on a terminal, as wide as it is."""
    from rich.console import Console

    console = Console()
    with console.capture() as held:
        show(console)
    return held.get()
