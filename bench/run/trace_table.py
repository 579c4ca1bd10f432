"""Tables of traces: step time as XProf sees it beside ours, waiting, operations; and two traces side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.results import format, labels, table
from bench.results.cell import RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.results.table import Column, Table
from bench.run import profiler_trace, trace_advice
from bench.run.profiler_trace import AGREES_WITHIN, Trace

if TYPE_CHECKING:
    from rich.console import Console


class Named(NamedTuple):
    """A trace and what it is of.

    Attributes:
        name: The id of its cell, or where it lies.
        trace: What it says.
        cell: Its cell, if it is known.
    """

    name: str
    trace: Trace
    cell: Cell | None = None


def of_measurements(measurements: Iterable[Measurement]) -> list[Named]:
    """The traces of measurements, with their cells."""
    return [
        Named(measurement.cell.id, Trace(**measurement.trace), measurement.cell)
        for measurement in measurements
        if measurement.trace
    ]


def of_folders(folders: Iterable[Path], measurements: Iterable[Measurement]) -> list[Named]:
    """The traces in log directories, with the cells of the measurements that they were taken of."""
    of_id: dict[str, Cell] = {}
    ours: dict[str, float | None] = {}  # of the traces whose folders are still where they were taken
    for measurement in measurements:
        of_id[measurement.cell.id] = measurement.cell
        ours[str(measurement.trace.get("folder"))] = measurement.trace.get("our_step_seconds")
    return [
        Named(
            f"{folder.parent.name}/{folder.name}",
            profiler_trace.read(folder, our_step_seconds=ours.get(str(folder.resolve()))),
            of_id.get(folder.parent.name),
        )
        for folder in folders
    ]


def steps(traces: Sequence[Named], *, numbered: bool = False, into: str = "") -> Table:
    """Step times as XProf finds them beside ours.

    Args:
        traces: What to show.
        numbered: Whether with the numbers by which `trace --diff` knows them.
        into: The option that names the store to the commands that are advised, see `store.option`.
    """
    short = names(traces)
    shown = [(name, *_figures(trace)) for name, (_, trace, _) in zip(short, traces, strict=True)]
    rows = [(number, *row) for number, row in enumerate(shown, 1)] if numbered else shown
    seer = "the profiler" if any(trace.file for _, trace, _ in traces) else "XProf"
    return Table(
        title=f"Steps as {seer} sees them",
        columns=(
            *((Column("#", "count"),) if numbered else ()),
            Column("cell"),
            Column(seer.removeprefix("the "), "time", key="XProf"),
            Column("ours", "time"),
            Column("waits for input", "percent"),
            Column("MB", "bytes"),
        ),
        rows=tuple(rows),
        notes=tuple(_notes(short, traces, into)),
    )


def _figures(trace: Trace) -> tuple:
    return trace.step_seconds, trace.our_step_seconds, trace.input_share, trace.peak_bytes


def names(traces: Sequence[Named]) -> list[str]:
    """Short names of traces whose cells are known; of one cell, with the time of each."""
    short = iter(labels.apart([cell for _, _, cell in traces if cell is not None])[0])
    found = [name if cell is None else next(short) for name, _, cell in traces]
    return [
        f"{name} {_time_of(trace)}" if cell is not None and found.count(name) > 1 else name
        for name, (_, trace, cell) in zip(found, traces, strict=True)
    ]


def _time_of(trace: Trace) -> str:
    """When a trace was taken, as its folder says."""
    mark = Path(trace.folder).name
    return f"{mark[:4]}-{mark[4:6]}-{mark[6:8]} {mark[9:11]}:{mark[11:13]}:{mark[13:15]}"


def _notes(shown: Sequence[str], traces: Sequence[Named], into: str) -> list[str]:
    """What to do, what takes longest, what cannot be read, where the clocks disagree, and how to look further."""
    notes = []
    for name, (_, trace, cell) in zip(shown, traces, strict=True):
        if advice := trace_advice.sentence(trace, cell, into=into):
            notes.append(f"{name}: {advice}")
        if trace.ops:
            notes.append(f"{name}, longest: {_longest(trace.ops)}")
        if trace.data_ops and (cell is None or cell.pipeline != RESIDENT):
            notes.append(f"{name}, longest of the input pipeline: {_longest(trace.data_ops)}")
        notes += [f'{name}, XProf says: "{said}"' for said in trace.suggestions]
        if trace.problem:
            notes.append(f"{name}: {trace.problem}")
        elif trace.our_step_seconds and not trace.agrees:
            notes.append(f"{name}: the two step times differ by more than {AGREES_WITHIN:.0%}: was the machine busy?")
    if any(cell is not None and cell.loop for _, _, cell in traces):
        notes.append("where a call runs several steps, it counts as one here")
    files = [trace.file for _, trace, _ in traces if trace.file]
    seer = "profiler" if files else "XProf"
    notes.append(
        f"{seer}: mean step as it finds them in the trace; ours: mean of the same steps; MB: of its allocators"
    )
    if len(files) < len(traces):
        notes.append(f"to look inside: `python -m bench tensorboard{into}`")
    if files:  # torch gave up its plugin for TensorBoard
        notes.append(f"to look inside those of torch: open their {Path(files[0]).name} in ui.perfetto.dev")
    return notes


def draw_paths(traces: Sequence[Named], console: "Console") -> None:
    """Prints where each trace lies, whole and on a line of its own, to be copied."""
    for _, trace, _ in traces:
        table.say(console, trace.folder, whole=True)


def _longest(ops: Sequence[dict]) -> str:
    return ", ".join(f"{op['name'].removeprefix('_Mkl')} {op['share']:.0%}" for op in ops[:4])


def difference(a: Trace, b: Trace) -> Table:
    """Two traces side by side: step, waiting, and the operations that grew or shrank most."""
    before, after = ({op["name"]: op["seconds"] for op in (*trace.ops, *trace.data_ops)} for trace in (a, b))
    # An operation that is missing took too little to be among the longest.
    growth = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in {*before, *after}}
    grown = b.step_seconds - a.step_seconds if a.step_seconds and b.step_seconds else None
    return Table(
        title="Two traces",
        columns=(Column(""), Column("A", "time"), Column("B", "time"), Column("B less A", "time")),
        rows=(
            ("step", a.step_seconds, b.step_seconds, format.difference(grown)),
            ("waiting for input", *map(_share, (a.input_share, b.input_share)), ""),
            *(
                (name, before.get(name), after.get(name), format.difference(growth[name]))
                for name in sorted(growth, key=lambda name: (-abs(growth[name]), name))
            ),
        ),
        notes=(
            *(f"{letter}: {'/'.join(Path(trace.folder).parts[-2:])}" for letter, trace in (("A", a), ("B", b))),
            "an operation: its own time a step, over all threads; of the ten longest of either",
        ),
    )


def _share(part: float | None) -> str:
    return format.ABSENT if part is None else f"{part:.1%}"
