"""Figures of cells -> charts as Vega-Lite describes them: bars, curves, a front."""

from collections.abc import Sequence

from bench.report import arithmetic, key_findings
from bench.report.chart import BAR_HEIGHT, LOG, WIDTH, Chart, tooltip
from bench.report.points import RATE
from bench.results.cell import NO_MODEL, RESIDENT


def charts(points: Sequence[dict]) -> dict[str, list[Chart]]:
    """Charts of a machine's figures, by the section that they belong to; those that there is data for."""
    alone = [one for one in points if one["model"] == NO_MODEL]
    steps = [one for one in points if one["model"] != NO_MODEL and one["pipeline"] == RESIDENT]
    trained = [one for one in steps if one["mode"] == "train"]
    fed = [one for one in points if one["model"] != NO_MODEL and one["pipeline"] != RESIDENT]
    return {
        "input": _some(pipelines(alone)),
        "steps": _some(
            models(trained),
            batches(trained),
            memory(trained),
            arithmetic.against_rate(trained),
            arithmetic.of_peak(trained),
        ),
        "feed": _some(feeding(fed, trained)),
    }


def _some(*made: Chart | None) -> list[Chart]:
    return [one for one in made if one]


def _bars(points: Sequence[dict], row: str, colour: str | None, told: Sequence[str]) -> dict:
    """Bars of images a second on a logarithmic scale, with intervals, the fastest on top."""
    shared = {
        "y": {
            "field": row,
            "type": "nominal",
            "sort": {"field": RATE, "op": "max", "order": "descending"},
            "title": None,
        }
    }
    if colour:
        shared["yOffset"] = {"field": colour}
    low, high = 0.7 * min(one["low"] for one in points), 1.1 * max(one["high"] for one in points)
    scale = {"type": "log", "domain": [low, high], "nice": False}
    rate = {"field": RATE, "type": "quantitative", "scale": scale, "title": f"{RATE} (log)"}
    bar = {**shared, "x": rate, "x2": {"datum": low}, "tooltip": tooltip(*told)}
    if colour:
        bar["color"] = {"field": colour, "type": "nominal", "legend": {"orient": "top", "title": None}}
    ends = {**shared, "x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}}
    return {
        "data": {"values": points},
        "width": WIDTH,
        "height": BAR_HEIGHT,
        "layer": [
            {"mark": {"type": "bar", "cornerRadiusEnd": 2}, "encoding": bar},
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": ends},
        ],
    }


def pipelines(points: Sequence[dict]) -> Chart | None:
    """Every way of feeding, alone."""
    if not points:
        return None
    hosts = len({one["host"] for one in points}) > 1
    names = ("pipeline", RATE, "low", "high", "batch", "px", "host")
    return Chart(
        title="Images a second of each pipeline alone, on all cores",
        spec=_bars(points, "pipeline", "host" if hosts else None, names),
    )


def models(points: Sequence[dict]) -> Chart | None:
    """Every model, at the batch size at which most were measured; a bar a precision."""
    sizes = [one["batch"] for one in points]
    if not sizes:
        return None
    usual = max(set(sizes), key=sizes.count)
    best = {}
    for one in points:
        place = one["model"], one["precision"]
        if one["batch"] == usual or not any(
            other["batch"] == usual and (other["model"], other["precision"]) == place for other in points
        ):
            best[place] = one
    names = ("model", "precision", RATE, "low", "high", "ms a step", "batch", "px", "MB", "host")
    return Chart(
        title=f"Images a second of a training step, batches of {usual} where there are some",
        spec=_bars(list(best.values()), "model", "precision", names),
    )


def batches(points: Sequence[dict]) -> Chart | None:
    """Images a second against batch size, with the knee of each curve."""
    curves: dict[tuple, list[dict]] = {}
    for one in points:
        curves.setdefault((one["model"], one["precision"], one["host"]), []).append(one)
    curves = {name: some for name, some in curves.items() if len({one["batch"] for one in some}) > 1}
    if not curves:
        return None
    drawn = []
    for some in curves.values():
        size = key_findings.knee({one["batch"]: one[RATE] for one in some})
        drawn += [{**one, "knee": one["batch"] == size} for one in some]
    encoding = {
        "x": {
            "field": "batch",
            "type": "quantitative",
            "scale": {"type": "log", "base": 2},
            "title": "images a batch (log)",
        },
        "y": {"field": RATE, "type": "quantitative", "scale": {"type": "log"}, "title": f"{RATE} (log)"},
        "color": {"field": "model", "type": "nominal", "legend": {"title": None}},
        "strokeDash": {"field": "precision", "type": "nominal", "legend": {"title": None}},
        "tooltip": tooltip("model", "precision", "batch", RATE, "ms a step", "MB"),
    }
    knee = {"condition": {"test": "datum.knee", "value": 140}, "value": 25}
    return Chart(
        title="Images a second against batch size; the large dot is the smallest batch within 3 % of the best",
        spec={
            "data": {"values": drawn},
            "width": WIDTH - 120,
            "height": 320,
            "encoding": encoding,
            "layer": [
                {"mark": {"type": "line"}, "encoding": {"detail": {"field": "host"}}},
                {"mark": {"type": "point", "filled": True, "opacity": 1}, "encoding": {"size": knee}},
            ],
        },
    )


def memory(points: Sequence[dict]) -> Chart | None:
    """Images a second against memory, with the front that nothing beats."""
    points = [one for one in points if one["MB"]]
    if len(points) < 2:
        return None
    ordered = sorted(points, key=lambda one: (one["MB"], -one[RATE]))
    front, best = [], 0.0
    for one in ordered:
        if one[RATE] > best:
            best = one[RATE]
            front.append(one)
    on = {
        "x": {
            "field": "MB",
            "type": "quantitative",
            "scale": LOG,
            "title": "memory of the process, MB (log)",
        },
        "y": {"field": RATE, "type": "quantitative", "scale": LOG, "title": f"{RATE} (log)"},
    }
    colour = {"field": "model", "type": "nominal", "legend": {"title": None}}
    shown = tooltip("model", "precision", "batch", RATE, "MB")
    return Chart(
        title="Images a second against memory; no cell beats those on the line in both",
        spec={
            "width": WIDTH - 120,
            "height": 300,
            "layer": [
                {
                    "data": {"values": front},
                    "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "opacity": 0.6},
                    "encoding": on,
                },
                {
                    "data": {"values": points},
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
                    "encoding": {
                        **on,
                        "color": colour,
                        "shape": {"field": "precision", "legend": {"title": None}},
                        "tooltip": shown,
                    },
                },
            ],
        },
    )


def feeding(fed: Sequence[dict], steps: Sequence[dict]) -> Chart | None:
    """Models fed by pipelines, beside the step on a resident batch."""
    names = {one["model"] for one in fed}
    beside = [one for one in steps if one["model"] in names and any(_alike(one, other) for other in fed)]
    if not fed:
        return None
    told = ("model", "pipeline", RATE, "low", "high", "ms a step", "batch")
    return Chart(
        title="Images a second of a training step that is fed, beside the step alone (resident)",
        spec=_bars([*fed, *beside], "model", "pipeline", told),
    )


def _alike(one: dict, other: dict) -> bool:
    return all(one[name] == other[name] for name in ("model", "batch", "px", "mode", "precision", "host"))
