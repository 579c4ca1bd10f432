"""Summaries as tables: a tidy pandas frame, CSV, Markdown, and the terminal at 80 columns."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict, dataclass

from bench.results import format
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.summary import Summary

SIZES = {"image_size": "px", "batch_size": "batch"}  # fields that make rows of one table, and their headings
APART = ("mode", "device", "precision", "backend", "xla")  # fields that make tables of their own
FIGURES = 4  # columns of figures, at the right of each table
WIDEST = 1000  # columns of a terminal: enough to ask how wide a table would like to be


@dataclass(frozen=True, kw_only=True)
class View:
    """A table for people: every value a text with its unit.

    Attributes:
        title: What it shows.
        columns: Headings.
        rows: One text for each column.
        rates: Images a second of each row, None where there is no figure.
        notes: What failed or is doubtful, one sentence each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rates: tuple[float | None, ...]
    notes: tuple[str, ...]


def frame(summaries: Iterable[Summary]):
    """A tidy table: one row for each summary, one column for each fact; pandas.DataFrame.

    Columns are the fields of the cell, of the summary, and `machine_id`, `host`, `cpu`, `usable_cores`, `commit`,
    `dirty`, `photos`, `ruler`, `started`, `command`. Seconds, bytes and images a second.
    """
    import pandas as pd

    return pd.DataFrame([_facts(summary) for summary in summaries])


def _facts(summary: Summary) -> dict:
    """All that a summary says, flat."""
    one = summary.measurement
    said = {name: value for name, value in vars(summary).items() if name not in ("cell", "measurement", "warnings")}
    return {
        "cell_id": summary.cell.id,
        **asdict(summary.cell),
        **said,
        "warnings": "; ".join(summary.warnings),
        "machine_id": one.machine.get("id"),
        "host": one.machine.get("host"),
        "cpu": one.machine.get("cpu"),
        "usable_cores": one.machine.get("usable_cores"),
        "commit": one.code.get("commit"),
        "dirty": one.code.get("dirty"),
        "photos": one.data.get("photos"),
        "ruler": one.ruler,
        "started": one.started,
        "command": summary.cell.command,
    }


def csv(summaries: Iterable[Summary]) -> str:
    """The tidy table as comma-separated values."""
    return frame(summaries).to_csv(index=False)


def views(summaries: list[Summary]) -> list[View]:
    """The tables that a person wants to see: pipelines alone, steps alone, and steps fed by a pipeline.

    Modes, devices, precisions, backends and photos are tables of their own; model, size and batch are rows of one.
    """
    kinds: dict[tuple, list[Summary]] = {}
    for one in summaries:
        data = tuple(one.measurement.data.get(name) for name in ("photos", "images", "classes"))
        kinds.setdefault((_kind(one.cell), *(getattr(one.cell, field) for field in APART), data), []).append(one)
    return [_view(kind, some) for (kind, *_), some in kinds.items()]


def _kind(cell: Cell) -> str:
    """What a cell measures."""
    if cell.model == NO_MODEL:
        return "Input pipelines alone"
    return "Steps on a resident batch" if cell.pipeline == RESIDENT else "Steps fed by a pipeline"


def _view(title: str, summaries: list[Summary]) -> View:
    """A table of one kind; what is the same in all cells goes into its title, what differs into columns."""
    cell = summaries[0].cell
    varied = {
        field for field in ("model", "pipeline", *SIZES) if len({getattr(one.cell, field) for one in summaries}) > 1
    }
    names = [field for field in ("model", "pipeline") if getattr(cell, field) not in (NO_MODEL, RESIDENT)]
    told = [field for field in names[1:] if field not in varied]  # one pipeline for all rows: a word of the title
    fields = [*(field for field in names if field not in told), *(field for field in SIZES if field in varied)]
    data = summaries[0].measurement.data
    same = [f"{data['images']:,} {data['photos']}"] if "images" in data else []
    same += [f"{data['classes']} classes"] if "classes" in data and "images" not in data else []
    same += [getattr(cell, field) for field in told]
    same += [] if "image_size" in varied else [f"{cell.image_size} px"]
    same += [] if "batch_size" in varied else [f"batch {cell.batch_size}"]
    same += [cell.mode, cell.device, cell.precision, cell.backend] if cell.model != NO_MODEL else []
    same += ["XLA"] * cell.xla_chosen
    what = ("time a step", "compile") if cell.model != NO_MODEL else ("time an image", "first")
    return View(
        title=f"{title} ({', '.join(same)})",
        columns=(*(SIZES.get(field, field) for field in fields), what[0], "images/s", what[1], "MB"),
        rows=tuple((*(str(getattr(one.cell, field)) for field in fields), *_figures(one)) for one in summaries),
        rates=tuple(one.images_per_second for one in summaries),
        notes=_notes(summaries),
    )


def _figures(one: Summary) -> tuple[str, ...]:
    """The four figures of a row."""
    if one.status != "ok":
        return one.status, "", "", ""
    images = one.cell.batch_size if one.cell.model == NO_MODEL else 1
    return (
        format.interval(one.batch_seconds / images, one.low / images, one.high / images),
        format.rate(one.images_per_second),
        format.duration(one.first_step_seconds),
        format.megabytes(one.peak_bytes),
    )


def _notes(summaries: list[Summary]) -> tuple[str, ...]:
    """What the intervals are, what failed and why, and what is doubtful."""
    notes = []
    spreads = sorted({one.spread for one in summaries if one.spread})
    if spreads:
        processes = _from_to([one.processes for one in summaries if one.processes])
        steps = _from_to([one.steps for one in summaries if one.steps])
        notes.append(f"median [{' or '.join(spreads)}]; fresh processes a row: {processes}; timed steps: {steps}")
    said: dict[str, list[str]] = {}
    for one in summaries:
        for text in one.warnings if one.status == "ok" else (f"{one.status}: {one.reason}",):
            said.setdefault(text, []).append(_name(one.cell))
    notes += [
        f"{text} ({', '.join(names) if len(names) < len(summaries) else 'all rows'})" for text, names in said.items()
    ]
    return tuple(notes)


def _from_to(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _name(cell: Cell) -> str:
    """A cell among others of its table."""
    name = cell.pipeline if cell.model == NO_MODEL else cell.model
    return f"{name} {cell.batch_size}"


def machine_line(summary: Summary) -> str:
    """The machine, the software, the code and the day of a figure, in one line."""
    one = summary.measurement
    return place_line(one.machine, one.code, one.started)


def place_line(machine: dict, code: dict, started: str) -> str:
    """The same of what a measurement, a unit or a training keeps of them."""
    packages = machine.get("packages", {})
    devices = [device.get("name", "") for device in machine.get("accelerators", [])]
    parts = [
        f"{machine.get('cpu', 'unknown CPU')}, {machine.get('usable_cores', '?')} cores",
        f"{(machine.get('memory_bytes') or 0) / 2**30:.0f} GiB",
        *devices,
        *(f"{name} {packages[name]}" for name in ("tensorflow", "keras", "jax") if name in packages),
        *(f"{name}={value}" for name, value in machine.get("environment", {}).items()),
        f"commit {code.get('commit', '')[:8]}{' with uncommitted changes' if code.get('dirty') else ''}",
        started[:10],
    ]
    return "; ".join(parts)


def markdown(view: View) -> str:
    """A view as a Markdown table under its title, notes below."""
    return "\n".join(
        [
            *(f"### {view.title}", ""),
            *grid(view.columns, view.rows, left=view.columns[:-FIGURES]),
            *("", *(f"- {note}" for note in view.notes), ""),
        ]
    )


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: Container[str]) -> list[str]:
    """Lines of a Markdown table: the columns named in `left` to the left, the others to the right."""
    marks = ("---" if column in left else "---:" for column in columns)
    cells = (" | ".join(text.replace("|", "\\|") for text in row) for row in rows)
    return [f"| {' | '.join(columns)} |", f"|{'|'.join(marks)}|", *(f"| {row} |" for row in cells)]


def show(view: View, console) -> None:
    """Draws a view on a rich console; fits 80 columns."""
    draw(view.title, view.columns, view.rows, console, left=view.columns[:-FIGURES])
    say(view.notes, console)


def draw(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    console,
    *,
    left: Container[str],
    whole: Container[str] = (),
) -> None:
    """Draws rows under a title: the columns named in `left` to the left, those in `whole` never broken.

    What is too wide for the console loses its margins before a text is broken.
    """
    from rich import markup

    drawn = titled(title)
    for column in columns:
        justify = "left" if column in left else "right"
        drawn.add_column(column, justify=justify, no_wrap=column in whole, overflow="fold")
    for row in rows:
        drawn.add_row(*map(markup.escape, row))
    if console.measure(drawn, options=console.options.update(max_width=WIDEST)).maximum > console.width:
        drawn.padding, drawn.show_edge = 0, False
        console.print()  # the edge was a line apart, too
    console.print(drawn)


def titled(title: str):
    """An empty rich table as all of the house look, to be given columns and rows."""
    from rich import box, markup, table

    return table.Table(
        title=markup.escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )


def say(notes: Iterable[str], console) -> None:
    """Prints the notes below a table."""
    for note in notes:
        console.print(note, style="dim", markup=False, highlight=False)
