"""Small pictures beside key findings: bars with their figures, as SVG that takes the colours of the page."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, ROW, LABELS, FIGURES = 300, 17, 122, 54  # in the units of the picture; labels have more where one is longer
LETTER = 6.2
MOST_ROWS = 8
LETTERS = 26  # of a label that fit


class Bar(NamedTuple):
    """One bar: what it is of, its length, and its figure as text; a strong one is what the sentence speaks of.

    Without a figure it is the heading of those below it.
    """

    label: str
    length: float
    figure: str
    strong: bool = False


def svg(bars: Sequence[Bar]) -> str:
    """A picture of bars from 0, the longest as long as the picture allows; empty for none.

    Of many the first and the last stand for all.
    """
    if not bars:
        return ""
    shown = [*bars] if len(bars) <= MOST_ROWS else [*bars[: MOST_ROWS - 3], Bar("…", 0.0, ""), *bars[-2:]]
    longest = max(bar.length for bar in shown) or 1.0
    labels = max(LABELS, 6 + LETTER * min(LETTERS, max(len(bar.label) for bar in shown)))
    rows = "".join(_row(bar, number, labels, longest) for number, bar in enumerate(shown))
    title = escape("; ".join(f"{bar.label} {bar.figure}" for bar in shown))
    return (
        f'<svg class="bars" viewBox="0 0 {WIDTH} {ROW * len(shown)}" role="img" aria-label="{title}" '
        f'font-size="11" fill="currentColor">{rows}</svg>'
    )


def _row(bar: Bar, number: int, labels: float, longest: float) -> str:
    top, middle = ROW * number, ROW * number + 12
    label = bar.label if len(bar.label) <= LETTERS else f"{bar.label[: LETTERS - 1]}…"
    length = (WIDTH - labels - FIGURES) * max(0.0, bar.length) / longest
    look, weight = "strong" if bar.strong else "plain", "" if bar.figure else ' font-weight="600"'
    return (
        f'<text x="{labels - 6:.1f}" y="{middle}" text-anchor="end"{weight}>{escape(label)}</text>'
        f'<rect class="{look}" x="{labels:.1f}" y="{top + 3}" width="{length:.1f}" height="{ROW - 6}" rx="2"/>'
        f'<text x="{labels + length + 5:.1f}" y="{middle}">{escape(bar.figure)}</text>'
    )
