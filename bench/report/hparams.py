"""A store as runs of TensorBoard: a row of its HParams tab for each cell, and curves of the cell's steps."""

import json
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.results import identity, labels
from bench.results.cell import COMPILERS, INPUT_OPTIONS, NO_MODEL, RESIDENT, STEPS, Cell
from bench.results.summary import Summary

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary as Record

TOLD_APART_BY = ("model", "pipeline", "precision", "batch_size")  # columns that TensorBoard ticks by itself
FIELDS = (*TOLD_APART_BY, "device", "mode", "image_size", "backend", *COMPILERS, STEPS, *INPUT_OPTIONS)
OF_A_STEP = ("precision", "device", "mode", "backend", *COMPILERS, STEPS)  # fields that a pipeline alone does not have
FACTS = ("host", "cores", "photos", "commit", "apart")  # of the measurement; `apart`: from other runs of the cell
FIGURES = ("first_step_seconds", "peak_mb")  # as columns, too: a curve of them would be a dot
METRICS = {
    "images_per_second": "images/s",
    "step_ms": "ms a step",
    "stall_percent": "stall, %",
    "input_percent": "% of a step waiting for input",
}
# Written as text, which sorts as numbers do: of a number it would show 32.000.
NUMBERS = ("batch_size", "image_size", STEPS)
MOST_POINTS = 50  # of a curve
TICKED = 5  # TensorBoard shows as many columns of hyperparameters at first


@dataclass(frozen=True, kw_only=True)
class Run:
    """A cell in one setting.

    Attributes:
        name: What tells it from all others, by words.
        entry: Its summary.
        columns: Values of the table, by column.
        curves: Values by metric, one a step.
    """

    name: str
    entry: Summary
    columns: dict[str, str | float | bool]
    curves: dict[str, list[float]]


def write(entries: Sequence[Summary], folder: Path) -> None:
    """Writes a folder of events for each summary; the first says which columns the table has."""
    from tensorboard.plugins.hparams import summary_v2 as api  # `hparams.api` would import TensorFlow

    found = runs(entries)
    configuration = [_configuration(found)]  # in a run of the table: alone it would be listed as a run
    for run in found:
        started = _seconds(run.entry)
        session = api.hparams_pb(run.columns, trial_id=run.name, start_time_secs=started)
        _write_events(folder / run.name, [*configuration, session, *_points(run.curves)], started=started)
        configuration = []


def runs(entries: Sequence[Summary]) -> list[Run]:
    """What TensorBoard shows of some summaries, each with its name."""
    apart = _apart(entries)
    resident = {_place(entry): entry for entry in entries if entry.cell.pipeline == RESIDENT}
    shown = labels.readable(entry.cell for entry in entries)
    used = {name for entry in entries for name in entry.cell.input_options}
    return [
        Run(
            name=name,
            entry=entry,
            columns=_columns(entry, shown, other, used),
            curves=_curves(entry, resident.get(_place(entry, alone=True))),
        )
        for name, entry, other in zip(names(entries), entries, apart, strict=True)
    ]


def names(entries: Sequence[Summary]) -> list[str]:
    """Model, pipeline, precision and batch of each; further fields where they vary; the day where all are alike.

    Safe as names of folders. A number tells apart what is left.
    """
    shown = labels.readable(entry.cell for entry in entries)
    varying = [
        name for name in FIELDS[len(TOLD_APART_BY) :] if len({getattr(entry.cell, name) for entry in entries}) > 1
    ]
    short = [_name(entry.cell, shown, varying) for entry in entries]
    alike = Counter(short)
    dated = [
        f"{name} {re.sub(r'[^0-9-]', '_', entry.measurement.started[:10])}" if alike[name] > 1 else name
        for name, entry in zip(short, entries, strict=True)
    ]
    seen: Counter[str] = Counter()
    numbered = []
    for name in dated:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return numbered


def _name(cell: Cell, shown: dict[str, str], varying: Sequence[str]) -> str:
    words = {
        "image_size": f"{cell.image_size}px",
        **{name: name if getattr(cell, name) else "" for name in COMPILERS},
        STEPS: f"{cell.steps_per_execution}steps" if cell.steps_per_execution > 1 else "",
        "mode": "" if cell.mode == "train" else cell.mode,
        **{name: getattr(cell, name) for name in ("device", "backend")},
        **dict.fromkeys(INPUT_OPTIONS, ""),
        **dict(zip(cell.input_options, (word.replace(" ", "") for word in cell.input_words), strict=True)),
    }
    further = [words[name] for name in varying if cell.model != NO_MODEL or name not in OF_A_STEP]
    if cell.model == NO_MODEL:
        parts = [shown[cell.pipeline], "alone", f"b{cell.batch_size}", *further]
    else:
        parts = [shown[cell.model], shown[cell.pipeline], cell.precision, f"b{cell.batch_size}", *further]
    return " ".join(re.sub(r"[^\w.+-]+", "_", part) for part in parts if part)


def _apart(entries: Sequence[Summary]) -> list[str]:
    """What tells each from others of its cell."""
    cells: dict[Cell, list[int]] = {}
    for number, entry in enumerate(entries):
        cells.setdefault(entry.cell, []).append(number)
    texts = [""] * len(entries)
    for numbers in cells.values():
        described = identity.each_apart([entries[number].measurement for number in numbers])
        for number, text in zip(numbers, described, strict=True):
            texts[number] = text
    return texts


def _place(entry: Summary, *, alone: bool = False) -> tuple:
    """What a step and the same step alone share: cell, machine in its setting, and code."""
    cell = entry.cell.step_alone if alone and entry.cell.model != NO_MODEL else entry.cell
    setting = identity.surroundings(entry.measurement.machine, [cell])
    return cell, json.dumps(setting, sort_keys=True), entry.measurement.code.get("digest")


def _columns(entry: Summary, shown: dict[str, str], apart: str, used: Container[str]) -> dict[str, str | float | bool]:
    """Fields of the cell that it has, facts of its measurement, and figures that are one number.

    Of the options of pipelines there are those that any cell uses.
    """
    cell, last = entry.cell, entry.measurement
    fields = {name: getattr(cell, name) for name in FIELDS if cell.model != NO_MODEL or name not in OF_A_STEP}
    fields |= {name: str(labels.input_value(cell, name)) for name in INPUT_OPTIONS}
    has = used if cell.pipeline != RESIDENT else ()
    fields = {name: value for name, value in fields.items() if name not in INPUT_OPTIONS or name in has}
    fields |= {name: shown[fields[name]] for name in labels.NAMED}
    fields |= {name: f"{fields[name]:>4}" for name in NUMBERS if name in fields}
    facts = (
        last.machine.get("host") or "unknown",
        float(last.machine.get("usable_cores") or 0),
        last.data.get("photos", ""),
        last.code.get("commit", "")[:8],
        apart,
    )
    figures = {"first_step_seconds": entry.first_step_seconds, "peak_mb": (entry.peak_bytes or 0) / 1e6}
    known = {name: value for name, value in (*zip(FACTS, facts, strict=True), *figures.items()) if value}
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in {**fields, **known}.items()}


def _encodable(text: str) -> str:
    """Text as TensorBoard's records want it; names of files may be no text."""
    return text.encode(errors="backslashreplace").decode()


def _curves(entry: Summary, resident: Summary | None) -> dict[str, list[float]]:
    """Metrics over steps, so that the last value, which the table shows, is the figure of the whole store.

    Of images/s and milliseconds it is the running median of the last process, which shows whether it had settled.
    """
    last, figure = entry.measurement, entry.batch_seconds
    if figure is None:
        return {}
    batches = [seconds / last.batches_per_step for seconds in last.step_seconds]
    chosen = _thin_out(range(1, len(batches)))
    seconds = [*(median(batches[:count]) for count in chosen), figure]
    curves = {
        "images_per_second": [entry.cell.batch_size / value for value in seconds],
        "step_ms": [1000 * value for value in seconds],
    }
    flat = [1.0] * max(2, len(seconds))
    if resident is not None and resident.batch_seconds and entry.cell.pipeline != RESIDENT:
        curves["stall_percent"] = [100 * (1 - resident.batch_seconds / figure) * value for value in flat]
    if last.step_wait_seconds:
        share = sum(last.step_wait_seconds) / sum(last.step_seconds)
        curves["input_percent"] = [100 * share * value for value in flat]
    return curves


def _thin_out(counts: range) -> Iterable[int]:
    return counts[:: max(1, -(-len(counts) // MOST_POINTS))]


def _seconds(entry: Summary) -> float:
    """When it was last measured, in seconds since 1970."""
    try:
        return datetime.fromisoformat(entry.measurement.started).timestamp()
    except ValueError:
        return 0.0


def _configuration(found: Sequence[Run]) -> "Record":
    """Which columns the table has, with their values; those that tell runs apart come first, and are ticked."""
    from tensorboard.plugins.hparams import summary_v2 as api
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    first = list(TOLD_APART_BY)
    first += [name for name in FIELDS if name not in first and len(_values(found, name)) > 1]
    first = [*first, *FIELDS[len(TOLD_APART_BY) :]][:TICKED]
    columns = [
        api.HParam(name, _domain(_values(found, name))) for name in (*FIELDS, *FIGURES, *FACTS) if _values(found, name)
    ]
    metrics = [api.Metric(tag, display_name=name) for tag, name in METRICS.items()]
    configured = api.hparams_config_pb(columns, metrics, time_created_secs=0.0)
    content = configured.value[0].metadata.plugin_data
    said = HParamsPluginData.FromString(content.content)
    for column in said.experiment.hparam_infos:
        column.differs = column.name in first  # TensorBoard sorts by it
    content.content = said.SerializeToString()
    return configured


def _values(found: Sequence[Run], column: str) -> list:
    return sorted({run.columns[column] for run in found if column in run.columns})


def _domain(values: list):
    """What the table may be filtered by: single values, or an interval of figures."""
    from tensorboard.plugins.hparams import summary_v2 as api  # `hparams.api` would import TensorFlow

    if isinstance(values[0], float):
        return api.RealInterval(values[0], values[-1])
    return api.Discrete(values)


def _points(curves: dict[str, list[float]]) -> list["Record"]:
    """A record for each step, with the values of all curves there."""
    from tensorboard.compat.proto.summary_pb2 import Summary as Record

    length = max(map(len, curves.values()), default=0)
    return [
        Record(
            value=[
                Record.Value(tag=tag, simple_value=values[step]) for tag, values in curves.items() if step < len(values)
            ]
        )
        for step in range(length)
    ]


def _write_events(folder: Path, records: Sequence["Record"], *, started: float) -> None:
    """Writes records as events of steps 0, 1, 2, …; without TensorFlow, whose import takes seconds."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.out.tfevents.0.flowers").open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=started, file_version="brain.Event:2").SerializeToString())
        for step, record in enumerate(records):
            writer.write(Event(wall_time=started, step=step, summary=record).SerializeToString())
