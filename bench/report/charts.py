"""Charts of the page as Vega-Lite describes them: bars, curves, fronts, accuracy over seconds, seconds over commits."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.report import key_findings
from bench.report.gather import Gathered
from bench.report.svg import INK
from bench.results import labels
from bench.results import peak as peaks
from bench.results.cell import NO_MODEL, RESIDENT
from bench.results.summary import Summary
from bench.results.table import Interval, log_start
from bench.run.data_source import CLASSES
from bench.training.outcome import Outcome

RATE = "images/s"
WORK = "GFLOPs an image"
PEAK = "% of peak"

WIDTH = 620
NARROW = WIDTH - 120  # where a legend stands beside
SMALL = 150  # one of several of a kind
BAR_HEIGHT = {"step": 26, "for": "position"}
LOG = {"type": "log", "nice": False, "padding": 12}
BAR = {"type": "bar", "cornerRadiusEnd": 2}
DOTS = {"type": "point", "filled": True, "size": 60, "opacity": 0.9}

Point = dict[str, Any]
"""A cell's figures as flat values, under the names that axes and the explorer show."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, as a sentence.
        spec: Of Vega-Lite, with its data in it.
    """

    title: str
    spec: dict[str, Any]


def points(summaries: Iterable[Summary], gathered: Gathered) -> list[Point]:
    """What charts and the explorer need of each cell that has a figure."""
    figures = [(entry, entry.batch_time) for entry in summaries if entry.batch_time]
    shown = labels.readable(entry.cell for entry, _ in figures)
    machines = {_machine(entry): entry.measurement.machine.get("host") or "unknown" for entry, _ in figures}
    hosts = _names(((host, machine) for machine, host in machines.items()), numbered=lambda host: host[0])
    data = _names((_data(entry) for entry, _ in figures), numbered=lambda data: data[:3])
    return [
        {
            **_point(entry, time, gathered, shown),
            "host": hosts[machines[_machine(entry)], _machine(entry)],
            "data": data[_data(entry)],
        }
        for entry, time in figures
    ]


def _machine(entry: Summary) -> str | None:
    """The machine's id: a container has another name every day, and two of other limits may have the same."""
    return entry.measurement.machine.get("id")


def _data(entry: Summary) -> tuple:
    """What a cell reads: its name, kind and size, and what tells it from others of these."""
    about, reads = entry.measurement.data, entry.cell.reads
    size = entry.cell.image_size if reads == "records" else 0
    name = about.get("photos", "unknown") if reads else f"{about.get('classes', CLASSES)} classes"
    return name, reads, size, *(about.get(fact) for fact in ("images", "classes", "digest", "place") if reads)


def _names(keys: Iterable[tuple], *, numbered: Callable[[tuple], Hashable]) -> dict[tuple, str]:
    """The first part of each key; with a number where several share what `numbered` gives of them."""
    groups: dict[Hashable, list[tuple]] = {}
    for key in dict.fromkeys(keys):
        groups.setdefault(numbered(key), []).append(key)
    return {
        key: key[0] if len(group) == 1 else f"{key[0]} ({number})"
        for group in groups.values()
        for number, key in enumerate(group, 1)
    }


def _point(entry: Summary, time: Interval, gathered: Gathered, shown: dict[str, str]) -> Point:
    """Images a second with the interval's ends; the arithmetic of a step, and what it makes of the machine's peak."""
    cell, size, machine = entry.cell, entry.cell.batch_size, entry.measurement.machine
    cost = gathered.costs.get((cell.model, cell.image_size), {})
    peak = gathered.peaks.get((machine.get("id", ""), cell.device, peaks.number_format(entry)))
    counted = cost.get("training_gflops" if cell.mode == "train" else "forward_gflops")
    work = counted or entry.measurement.cost.get("gflops")  # that of others' models was counted as they ran
    return {
        "million parameters": _round(cost.get("parameters", 0) / 1e6 or None),
        WORK: _round(work),
        "GFLOP/s": _round(work and work * entry.rate),
        PEAK: _round(work and peak and 100 * work * entry.rate / peak),
        "model": shown[cell.model],
        "pipeline": " ".join((shown[cell.pipeline], *cell.input_words)),
        "batch": size,
        "px": cell.image_size,
        "mode": cell.mode,
        "device": cell.device,
        "precision": " ".join(filter(None, (cell.precision, cell.chosen_compiler, cell.loop))),
        "backend": cell.backend,
        RATE: _round(entry.rate),
        "low": _round(size / time.high),
        "high": _round(size / time.low),
        "ms a step": _round(1000 * time.centre),
        "first step, s": _round(entry.first_step_seconds),
        "MB": _round((entry.peak_bytes or 0) / 1e6),
    }


def _round(value: float | None) -> float | None:
    """Four significant digits: more are not seen, and make the page heavy."""
    return value if value is None else float(f"{value:.4g}")


def charts(cells: Sequence[Point]) -> dict[str, list[Chart]]:
    """Charts of a machine's figures, by the section that they belong to; those that there is data for."""
    alone = [point for point in cells if point["model"] == NO_MODEL]
    steps = [point for point in cells if point["model"] != NO_MODEL and point["pipeline"] == RESIDENT]
    training = [point for point in steps if point["mode"] == "train"]
    trained = _label(training)
    fed = [point for point in cells if point["model"] != NO_MODEL and point["pipeline"] != RESIDENT]
    candidates = {
        "input": (pipelines(alone),),
        "steps": (models(trained), batches(trained), memory(trained), arithmetic(trained), share_of_peak(trained)),
        "stall": (fed_steps(fed, training),),
    }
    return {section: [chart for chart in of_section if chart] for section, of_section in candidates.items()}


def _label(steps: Sequence[Point]) -> list[Point]:
    """Steps whose precision names device, backend and size, too, where these differ among the steps of a model."""
    varied = {
        field
        for field in ("device", "backend", "px")
        for model in {point["model"] for point in steps}
        if len({point[field] for point in steps if point["model"] == model}) > 1
    }
    return [
        {**point, "precision": " ".join(map(str, (point["precision"], *(point[field] for field in sorted(varied)))))}
        for point in steps
    ]


def _chart(title: str, values: Sequence[dict], *, width: int, height: int | dict, **spec: Any) -> Chart:
    """A chart of some values: its size, and what else describes it."""
    return Chart(title=title, spec={"data": {"values": values}, "width": width, "height": height, **spec})


def _axis(field: str, title: str | None = None, *, scale: dict | None = None) -> dict:
    """An axis of figures, logarithmic unless another scale is given."""
    title = f"{title or field} (log)" if scale is None or scale.get("type") in ("log", "symlog") else title or field
    return {"field": field, "type": "quantitative", "scale": scale or LOG, "title": title}


def _colours(field: str, *, above: bool = False) -> dict:
    """Colours by name, with a legend beside the chart or above it."""
    return {"field": field, "type": "nominal", "legend": {**({"orient": "top"} if above else {}), "title": None}}


def _tooltip(*fields: str) -> list[dict]:
    """What is shown of the mark under the pointer."""
    return [{"field": field} for field in fields]


def _dots(axes: dict, *shown: str) -> dict:
    """Dots coloured by model and shaped by precision."""
    shape = {"field": "precision", "legend": {"title": None}}
    tooltip = _tooltip("model", "precision", "batch", RATE, *shown)
    return {**axes, "color": _colours("model"), "shape": shape, "tooltip": tooltip}


def _bars(title: str, cells: Sequence[Point], row: str, colour: str | None, *shown: str) -> Chart:
    """Bars of images a second on a logarithmic scale, with intervals, the fastest on top."""
    fastest = {"field": RATE, "op": "max", "order": "descending"}
    shared: dict[str, Any] = {"y": {"field": row, "type": "nominal", "sort": fastest, "title": None}}
    if colour:
        shared["yOffset"] = {"field": colour}
    low, high = log_start(point["low"] for point in cells), 1.1 * max(point["high"] for point in cells)
    rate = _axis(RATE, scale={"type": "log", "domain": [low, high], "nice": False})
    bar = {**shared, "x": rate, "x2": {"datum": low}, "tooltip": _tooltip(*shown)}
    if colour:
        bar["color"] = _colours(colour, above=True)
    ends = {**shared, "x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}
    bars = {"mark": BAR, "encoding": bar}
    intervals = {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": ends}
    return _chart(title, cells, width=WIDTH, height=BAR_HEIGHT, layer=[bars, intervals])


def pipelines(cells: Sequence[Point]) -> Chart | None:
    """Every input pipeline, alone."""
    if not cells:
        return None
    host = "host" if len({point["host"] for point in cells}) > 1 else None
    shown = (RATE, "low", "high", "batch", "px", "host")
    return _bars("Images a second of each pipeline alone, on all cores", cells, "pipeline", host, "pipeline", *shown)


def models(cells: Sequence[Point]) -> Chart | None:
    """Every model, at the batch size at which most were measured; a bar a precision."""
    sizes = [point["batch"] for point in cells]
    if not sizes:
        return None
    usual = max(set(sizes), key=sizes.count)
    chosen: dict[tuple, Point] = {}
    for point in cells:
        key = point["model"], point["precision"]
        if point["batch"] == usual or chosen.get(key, {}).get("batch") != usual:
            chosen[key] = point
    title = f"Images a second of a training step, batches of {usual} where there are any"
    shown = (RATE, "low", "high", "ms a step", "batch", "px", "MB", "host")
    return _bars(title, list(chosen.values()), "model", "precision", "model", "precision", *shown)


def batches(cells: Sequence[Point]) -> Chart | None:
    """Images a second against batch size, with the knee of each curve."""
    curves: dict[tuple, list[Point]] = {}
    for point in cells:
        curves.setdefault((point["model"], point["precision"], point["host"]), []).append(point)
    marked: list[Point] = []
    for curve in curves.values():
        rates = {point["batch"]: point[RATE] for point in curve}
        if len(rates) > 1:
            knee = key_findings.knee(rates)
            marked += [{**point, "knee": point["batch"] == knee} for point in curve]
    if not marked:
        return None
    encoding = {
        "x": _axis("batch", "images a batch", scale={"type": "log", "base": 2}),
        "y": {"field": RATE, "type": "quantitative", "title": None, "axis": {"tickCount": 3}},
        "color": _colours("precision", above=True),
        "tooltip": _tooltip("model", "precision", "batch", RATE, "ms a step", "MB"),
    }
    size = {"condition": {"test": "datum.knee", "value": 90}, "value": 20}
    return _multiples(
        "Images a second against batch size, each model on its own scale; the large dot is the smallest batch within "
        "3 % of the best",
        marked,
        "model",
        own_scale=True,
        encoding=encoding,
        layer=[
            {"mark": {"type": "line"}, "encoding": {"detail": {"field": "host"}}},
            {"mark": {"type": "point", "filled": True, "opacity": 1}, "encoding": {"size": size}},
        ],
    )


def _multiples(title: str, values: Sequence[dict], by: str, *, own_scale: bool = False, **spec: Any) -> Chart:
    """A small chart for each value of a field, on the same axes unless told: many lines in one tell nobody apart."""
    header = {"title": None, "labelFontSize": 12, "labelColor": INK, "labelPadding": 4}
    return Chart(
        title=title,
        spec={
            "data": {"values": values},
            "facet": {"field": by, "type": "nominal", "header": header},
            "columns": 4,
            **({"resolve": {"scale": {"y": "independent"}}} if own_scale else {}),
            "spacing": 18,
            "spec": {"width": SMALL, "height": 0.6 * SMALL, **spec},
        },
    )


def memory(cells: Sequence[Point]) -> Chart | None:
    """Images a second against memory, with the front that nothing beats."""
    cells = [point for point in cells if point["MB"]]
    if len(cells) < 2:
        return None
    front: list[Point] = []
    for point in sorted(cells, key=lambda point: (point["MB"], -point[RATE])):
        if not front or point[RATE] > front[-1][RATE]:
            front.append(point)
    axes = {"x": _axis("MB", "memory of the process, MB"), "y": _axis(RATE)}
    dots = _dots(axes, "MB")
    line = {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "opacity": 0.6}
    return Chart(
        title="Images a second against memory; no cell beats those on the line in both",
        spec={
            "width": NARROW,
            "height": 300,
            "layer": [
                {"data": {"values": front}, "mark": line, "encoding": axes},
                {"data": {"values": cells}, "mark": DOTS, "encoding": dots},
            ],
        },
    )


def arithmetic(cells: Sequence[Point]) -> Chart | None:
    """Images a second against the arithmetic of an image."""
    cells = [point for point in cells if point[WORK]]
    if len({point["model"] for point in cells}) < 2:
        return None
    axes = {"x": _axis(WORK, f"{WORK} in a training step"), "y": _axis(RATE)}
    return _chart(
        "Images a second against arithmetic; cells that make as much of the machine lie on a falling diagonal",
        cells,
        width=NARROW,
        height=300,
        mark=DOTS,
        encoding=_dots(axes, WORK, "GFLOP/s", PEAK),
    )


def share_of_peak(cells: Sequence[Point]) -> Chart | None:
    """How much each model makes of the machine."""
    cells = sorted((point for point in cells if point[PEAK]), key=lambda point: point[PEAK])
    if not cells:
        return None
    best = {(point["model"], point["precision"]): point for point in cells}
    return _chart(
        "Arithmetic of a step as a share of large matrix products on the same machine, at the best batch",
        list(best.values()),
        width=WIDTH,
        height=BAR_HEIGHT,
        mark=BAR,
        encoding={
            "y": {"field": "model", "type": "nominal", "sort": "-x", "title": None},
            "yOffset": {"field": "precision"},
            "x": {"field": PEAK, "type": "quantitative", "title": PEAK},
            "color": _colours("precision", above=True),
            "tooltip": _tooltip("model", "precision", "batch", RATE, "GFLOP/s", PEAK),
        },
    )


def fed_steps(fed: Sequence[Point], steps: Sequence[Point]) -> Chart | None:
    """Models fed by pipelines, beside the step on a resident batch."""
    if not fed:
        return None
    alone = [step for step in steps if any(_same_step(step, point) for point in fed)]
    title = "Images a second of a training step that is fed, beside the step alone (resident)"
    shown = (RATE, "low", "high", "ms a step", "batch")
    return _bars(title, [*fed, *alone], "model", "pipeline", "model", "pipeline", *shown)


def _same_step(step: Point, fed: Point) -> bool:
    return all(
        step[name] == fed[name] for name in ("model", "batch", "px", "mode", "device", "precision", "backend", "host")
    )


def learning(outcomes: Iterable[Outcome]) -> Chart | None:
    """Validation accuracy against seconds, a line a training."""
    rows = [
        {
            "model": outcome.model,
            "variant": outcome.variant,
            "seed": training.seed,
            "seconds": _round(row["elapsed_seconds"]),
            "accuracy": _round(row["val_accuracy"]),
            "epoch": row["epoch"],
        }
        for outcome in outcomes
        for training in outcome.trainings
        for row in training.history
    ]
    if not rows:
        return None
    return _multiples(
        "Validation accuracy against seconds since the start, a line a training",
        rows,
        "model",
        mark={"type": "line", "point": {"size": 10}, "opacity": 0.8, "strokeWidth": 1.5},
        encoding={
            "x": _axis("seconds", scale={"type": "symlog"}),
            "y": {"field": "accuracy", "type": "quantitative", "title": "validation accuracy"},
            "color": _colours("variant", above=True),
            "detail": {"field": "seed"},
            "tooltip": _tooltip("model", "variant", "seed", "epoch", "seconds", "accuracy"),
        },
    )


def commits(history: dict) -> list[Chart]:
    """Seconds over commits, a chart a series, with its steps."""
    over_commits = []
    for series in history["series"]:
        steps = {change["after"]: change["state"] for change in history["changes"] if change["series"] == series["id"]}
        rows = [
            {
                "commit": point["commit"][:8],
                "subject": point["subject"],
                "place": point["position"],
                "ms": _round(1000 * point["value_seconds"]),
                "step": steps.get(point["commit"], ""),
            }
            for point in history["points"]
            if point["series"] == series["id"]
        ]
        if len(rows) > 1:
            title = f"{series['benchmark']} {series['label']}, {series['machine']}"
            over_commits.append(_over_commits(title, rows))
    return over_commits


def _over_commits(title: str, rows: list[dict]) -> Chart:
    x = {
        "field": "place",
        "type": "quantitative",
        "title": "commit of the branch",
        "axis": {"tickMinStep": 1, "format": "d"},
    }
    line = {
        "x": x,
        "y": {"field": "ms", "type": "quantitative", "scale": {"zero": False}, "title": "ms"},
        "tooltip": _tooltip("commit", "subject", "ms", "step"),
    }
    steps = {
        "transform": [{"filter": "datum.step != ''"}],
        "mark": {"type": "rule", "strokeDash": [3, 3], "color": "#c2185b", "strokeWidth": 1.5},
        "encoding": {"x": x, "tooltip": _tooltip("commit", "subject", "step")},
    }
    lines = {"mark": {"type": "line", "point": True}, "encoding": line}
    return _chart(title, rows, width=WIDTH, height=160, layer=[lines, steps])
