"""What models compute, and how much that makes of a machine, as charts."""

from collections.abc import Sequence

from bench.report.chart import BAR_HEIGHT, LOG, WIDTH, Chart, tooltip
from bench.report.points import PEAK, RATE, WORK


def against_rate(points: Sequence[dict]) -> Chart | None:
    """Images a second against the arithmetic of an image."""
    points = [one for one in points if one[WORK]]
    if len({one["model"] for one in points}) < 2:
        return None
    return Chart(
        title="Images a second against arithmetic; cells that make as much of the machine lie on a falling diagonal",
        spec={
            "data": {"values": points},
            "width": WIDTH - 120,
            "height": 300,
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
            "encoding": {
                "x": {"field": WORK, "type": "quantitative", "scale": LOG, "title": f"{WORK} in a training step (log)"},
                "y": {"field": RATE, "type": "quantitative", "scale": LOG, "title": f"{RATE} (log)"},
                "color": {"field": "model", "type": "nominal", "legend": {"title": None}},
                "shape": {"field": "precision", "legend": {"title": None}},
                "tooltip": tooltip("model", "precision", "batch", RATE, WORK, "GFLOP/s", PEAK),
            },
        },
    )


def of_peak(points: Sequence[dict]) -> Chart | None:
    """How much each model makes of the machine."""
    points = [one for one in points if one[PEAK]]
    if not points:
        return None
    best = {}
    for one in sorted(points, key=lambda one: one[PEAK]):
        best[one["model"], one["precision"]] = one
    return Chart(
        title="Arithmetic of a step as a share of large matrix products on the same machine, at the best batch",
        spec={
            "data": {"values": list(best.values())},
            "width": WIDTH,
            "height": BAR_HEIGHT,
            "mark": {"type": "bar", "cornerRadiusEnd": 2},
            "encoding": {
                "y": {"field": "model", "type": "nominal", "sort": "-x", "title": None},
                "yOffset": {"field": "precision"},
                "x": {"field": PEAK, "type": "quantitative", "title": PEAK},
                "color": {"field": "precision", "type": "nominal", "legend": {"orient": "top", "title": None}},
                "tooltip": tooltip("model", "precision", "batch", RATE, "GFLOP/s", PEAK),
            },
        },
    )
