"""What traces say, as tables: step time as XProf sees it beside ours, waiting, operations; and two side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.results import format, table
from bench.results.measurement import Measurement
from bench.run.profiler_trace import AGREES_WITHIN, Trace

STEPS = ("cell", "XProf", "ours", "waits for input", "MB")
DIFFERENCE = ("", "A", "B", "B less A")


def of(measurements: Iterable[Measurement]) -> list[tuple[str, Trace]]:
    """The traces of measurements, with the ids of their cells."""
    return [(one.cell.id, Trace(**one.trace)) for one in measurements if one.trace]


def rows(traces: Sequence[tuple[str, Trace]]) -> list[tuple[str, ...]]:
    """A text for each of `STEPS`."""
    return [
        (
            name,
            format.duration(one.step_seconds),
            format.duration(one.our_step_seconds),
            share(one.input_share),
            format.megabytes(one.peak_bytes),
        )
        for name, one in traces
    ]


def share(part: float | None) -> str:
    """Part of a whole."""
    return format.ABSENT if part is None else f"{part:.1%}"


def notes(traces: Sequence[tuple[str, Trace]]) -> list[str]:
    """What cannot be read, where the clocks disagree, and how to look further."""
    said = ["XProf: mean step as it finds them in the trace; ours: median of the same steps; MB: of its allocators"]
    short = {name: name.rpartition("/")[2] if len(traces) > 1 else "longest" for name, _ in traces}
    for name, one in traces:
        if one.ops:
            said.append(f"{short[name]}: {_longest(one.ops)}")
        if one.data_ops:
            said.append(f"{short[name]}, of the input pipeline: {_longest(one.data_ops)}")
        if one.problem:
            said.append(f"{name}: {one.problem}")
        elif one.our_step_seconds and not one.agrees:
            said.append(f"{name}: the two step times differ by more than {AGREES_WITHIN:.0%}: was the machine busy?")
    return [*said, "to look inside: `python -m bench tensorboard`"]


def _longest(ops: Sequence[dict]) -> str:
    return ", ".join(f"{op['name'].removeprefix('_Mkl')} {op['share']:.0%}" for op in ops[:4])


def show(traces: Sequence[tuple[str, Trace]], console) -> None:
    """Draws the table and its notes on a rich console."""
    table.draw("Traces", STEPS, rows(traces), console, left=STEPS[:1])
    table.say(notes(traces), console)


def difference(one: Trace, other: Trace) -> list[tuple[str, ...]]:
    """Two traces side by side: step, waiting, and the operations that grew or shrank most; a text for `DIFFERENCE`."""
    seconds = [{op["name"]: op["seconds"] for op in (*trace.ops, *trace.data_ops)} for trace in (one, other)]
    names = sorted({*seconds[0], *seconds[1]}, key=lambda name: -abs(_grown(seconds, name)))
    return [
        ("step", *map(format.duration, (one.step_seconds, other.step_seconds)), _signed(_less(one, other))),
        ("waiting for input", share(one.input_share), share(other.input_share), ""),
        *(
            (name, *(format.duration(some.get(name)) for some in seconds), _signed(_grown(seconds, name)))
            for name in names
        ),
    ]


def _less(one: Trace, other: Trace) -> float | None:
    return other.step_seconds - one.step_seconds if one.step_seconds and other.step_seconds else None


def _grown(seconds: Sequence[dict[str, float]], name: str) -> float:
    """By how much an operation takes longer in the second; one that is missing took too little to be told."""
    return seconds[1].get(name, 0.0) - seconds[0].get(name, 0.0)


def _signed(seconds: float | None) -> str:
    if seconds is None:
        return format.ABSENT
    return ("+" if seconds >= 0 else "-") + format.duration(abs(seconds))


def show_difference(one: Trace, other: Trace, console) -> None:
    """Draws two traces side by side, and what each is."""
    table.draw("Two traces", DIFFERENCE, difference(one, other), console, left=DIFFERENCE[:1])
    said = [f"{letter}: {_named(trace)}" for letter, trace in (("A", one), ("B", other))]
    table.say([*said, "an operation: its own time a step, over all threads; of the ten longest of either"], console)


def _named(trace: Trace) -> str:
    return "/".join(Path(trace.folder).parts[-2:])
