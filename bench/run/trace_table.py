"""Tables of traces: step time as XProf sees it beside ours, waiting, operations; and two traces side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.results import format
from bench.results.measurement import Measurement
from bench.results.table import Column, Table
from bench.run.profiler_trace import AGREES_WITHIN, Trace

Named = tuple[str, Trace]
"""A trace with the id of its cell, or where it lies."""


def of_measurements(measurements: Iterable[Measurement]) -> list[Named]:
    """The traces of measurements, with the ids of their cells."""
    return [(measurement.cell.id, Trace(**measurement.trace)) for measurement in measurements if measurement.trace]


def steps(traces: Sequence[Named]) -> Table:
    """Step times as XProf finds them beside ours."""
    return Table(
        title="Steps as XProf sees them",
        columns=(
            Column("cell"),
            Column("XProf", "time"),
            Column("ours", "time"),
            Column("waits for input", "percent"),
            Column("MB", "bytes"),
        ),
        rows=tuple(
            (name, trace.step_seconds, trace.our_step_seconds, trace.input_share, trace.peak_bytes)
            for name, trace in traces
        ),
        notes=tuple(_notes(traces)),
    )


def _notes(traces: Sequence[Named]) -> list[str]:
    """What cannot be read, where the clocks disagree, and how to look further."""
    notes = ["XProf: mean step as it finds them in the trace; ours: median of the same steps; MB: of its allocators"]
    for name, trace in traces:
        short = name.rpartition("/")[2] if len(traces) > 1 else "longest"
        if trace.ops:
            notes.append(f"{short}: {_longest(trace.ops)}")
        if trace.data_ops:
            notes.append(f"{short}, of the input pipeline: {_longest(trace.data_ops)}")
        if trace.problem:
            notes.append(f"{name}: {trace.problem}")
        elif trace.our_step_seconds and not trace.agrees:
            notes.append(f"{name}: the two step times differ by more than {AGREES_WITHIN:.0%}: was the machine busy?")
    return [*notes, "to look inside: `python -m bench tensorboard`"]


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
            ("step", a.step_seconds, b.step_seconds, _signed(grown)),
            ("waiting for input", *map(_share, (a.input_share, b.input_share)), ""),
            *(
                (name, before.get(name), after.get(name), _signed(growth[name]))
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


def _signed(seconds: float | None) -> str:
    if seconds is None:
        return format.ABSENT
    return ("+" if seconds >= 0 else "-") + format.duration(abs(seconds))
