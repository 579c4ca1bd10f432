"""What changes over time -> charts: accuracy over seconds of training, seconds over commits."""

from collections.abc import Iterable

from bench.report.chart import WIDTH, Chart, rounded, tooltip
from bench.training.outcome import Outcome


def learning(outcomes: Iterable[Outcome]) -> Chart | None:
    """Validation accuracy against seconds, a line a training."""
    rows = [
        {
            "training": f"{one.model}, {one.variant}",
            "seed": training.seed,
            "seconds": rounded(row["elapsed_seconds"]),
            "accuracy": rounded(row["val_accuracy"]),
            "epoch": row["epoch"],
        }
        for one in outcomes
        for training in one.trainings
        for row in training.history
    ]
    if not rows:
        return None
    return Chart(
        title="Validation accuracy against seconds since the start",
        spec={
            "data": {"values": rows},
            "width": WIDTH - 120,
            "height": 300,
            "mark": {"type": "line", "point": {"size": 18}, "opacity": 0.8},
            "encoding": {
                "x": {
                    "field": "seconds",
                    "type": "quantitative",
                    "scale": {"type": "symlog"},
                    "title": "seconds (log)",
                },
                "y": {"field": "accuracy", "type": "quantitative", "title": "validation accuracy"},
                "color": {"field": "training", "type": "nominal", "legend": {"title": None}},
                "detail": {"field": "seed"},
                "tooltip": tooltip("training", "seed", "epoch", "seconds", "accuracy"),
            },
        },
    )


def commits(history: dict) -> list[Chart]:
    """Seconds over commits, a chart a series, with its steps."""
    made = []
    for series in history["series"]:
        points = [one for one in history["points"] if one["series"] == series["id"]]
        after = {one["after"]: one["state"] for one in history["changes"] if one["series"] == series["id"]}
        if len(points) < 2:
            continue
        rows = [
            {
                "commit": one["commit"][:8],
                "subject": one["subject"],
                "place": one["position"],
                "ms": rounded(1000 * one["value_seconds"]),
                "step": after.get(one["commit"], ""),
            }
            for one in points
        ]
        made.append(
            Chart(title=f"{series['benchmark']} {series['label']}, {series['machine']}", spec=_over_commits(rows))
        )
    return made


def _over_commits(rows: list[dict]) -> dict:
    x = {"field": "place", "type": "quantitative", "title": "commit of the branch", "axis": {"tickMinStep": 1}}
    return {
        "data": {"values": rows},
        "width": WIDTH,
        "height": 160,
        "layer": [
            {
                "mark": {"type": "line", "point": True},
                "encoding": {
                    "x": x,
                    "y": {"field": "ms", "type": "quantitative", "scale": {"zero": False}, "title": "ms"},
                    "tooltip": tooltip("commit", "subject", "ms", "step"),
                },
            },
            {
                "transform": [{"filter": "datum.step != ''"}],
                "mark": {"type": "rule", "strokeDash": [3, 3], "color": "#c2185b", "strokeWidth": 1.5},
                "encoding": {"x": x, "tooltip": tooltip("commit", "subject", "step")},
            },
        ],
    }
