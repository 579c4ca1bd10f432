"""A chart, and what all charts share."""

from dataclasses import dataclass

WIDTH = 620
BAR_HEIGHT = {"step": 26, "for": "position"}
LOG = {"type": "log", "nice": False, "padding": 12}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart.

    Attributes:
        title: What it shows, as a sentence.
        spec: Of Vega-Lite, with its data in it.
    """

    title: str
    spec: dict


def rounded(value: float | None) -> float | None:
    """Four significant digits: more are not seen, and make the page heavy."""
    return value if value is None else float(f"{value:.4g}")


def tooltip(*names: str) -> list[dict]:
    """What is told of the mark under the pointer."""
    return [{"field": name} for name in names]
