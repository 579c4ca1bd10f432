"""A comparison as a picture: each process of base and candidate as a dot, and the ratio of each cell with its interval.

It needs no JavaScript and takes the colours of the page around it. All cells have one logarithmic axis, on which 1 is
the median of the base's processes.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from statistics import median

from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Rule

WIDTH, EDGE = 480, 14  # in the units of the picture, as all lengths here
ROW, AXIS = 58, 20
BASE, CANDIDATE, RATIO = 22, 34, 46  # lanes of a row, below its top
LEAST_SPAN, MOST_SPAN = math.log(1.03), math.log(2.0)  # to either side of 1; what lies further out stands at the edge
ROOM = 1.05
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # between ticks, of which there are at most
MOST_TICKS = 4
CONTROL = "negative control: the base against itself"

Dots = Sequence[tuple[float, float]]
"""Base's and candidate's processes, a pair each, as logarithms over the median of the base's."""


def svg(compared: Comparison, pairs: Sequence[PairResult], control: Sequence[PairResult], rule: Rule) -> str:
    """Draws a comparison; empty where no cell has an interval.

    Args:
        compared: What it came to.
        pairs: Its pair results.
        control: Those of the base against itself.
        rule: How it was decided: within its margin two count as the same.
    """
    cells = [(cell, cell.short, _dots(cell, pairs)) for cell in compared.ordered]
    if compared.control:
        cells.append((compared.control, CONTROL, _dots(compared.control, control)))
    drawn = [(cell, name, dots) for cell, name, dots in cells if cell.verdict.estimate]
    if not drawn:
        return ""
    span = _span(drawn)
    rows = "".join(_row(cell, name, dots, ROW * number, span) for number, (cell, name, dots) in enumerate(drawn))
    height = ROW * len(drawn)
    margin = min(math.log1p(rule.margin), span)
    label = escape("; ".join(f"{name} {_figures(cell)}, {cell.verdict.word}" for cell, name, _ in drawn), quote=True)
    return (
        f'<svg class="compared" viewBox="0 0 {WIDTH} {height + AXIS}" role="img" aria-label="{label}" font-size="11" '
        f'fill="currentColor"><rect class="same" x="{_place(-margin, span):.1f}" y="0" '
        f'width="{_place(margin, span) - _place(-margin, span):.1f}" height="{height}"/>'
        f"{_ticks(span, height)}{rows}</svg>"
    )


def _clock(cell: CellVerdict) -> str:
    """The clock that decided, else the wall clock."""
    return cell.verdict.clock.partition("+")[0] or "wall"


def _dots(cell: CellVerdict, pairs: Iterable[PairResult]) -> Dots:
    """The processes of a cell on the clock that decided."""
    clock = _clock(cell)
    times = [
        (median(pair.step_seconds("base", clock)), median(pair.step_seconds("candidate", clock)))
        for pair in pairs
        if pair.cell == cell.cell and pair.status == "ok" and pair.base_samples
    ]
    times = [(base, candidate) for base, candidate in times if base and candidate]  # 0: not counted
    if not times:
        return ()
    middle = median(base for base, _ in times)
    return [(math.log(base / middle), math.log(candidate / middle)) for base, candidate in times]


def _span(drawn: Iterable[tuple[CellVerdict, str, Dots]]) -> float:
    """What the axis spans to either side of 1."""
    ends = [abs(end) for _, _, dots in drawn for pair in dots for end in pair]
    for cell, _, _ in drawn:
        if estimate := cell.verdict.estimate:
            ends += [abs(math.log(end)) for end in (estimate.low, estimate.high) if 0 < end < math.inf]
    return max(LEAST_SPAN, min(MOST_SPAN, ROOM * max(ends, default=0.0)))


def _place(log: float, span: float) -> float:
    """Where a logarithm stands, from the left."""
    share = max(-1.0, min(1.0, log / span)) if math.isfinite(log) else math.copysign(1.0, log)
    return WIDTH / 2 + (WIDTH / 2 - EDGE) * share


def _ticks(span: float, height: int) -> str:
    """Lines at round ratios, and what they are."""
    most = math.expm1(span)
    step = next((step for step in STEPS if most / step <= MOST_TICKS), STEPS[-1])
    ratios = [1 + number * step for number in range(-MOST_TICKS, MOST_TICKS + 1) if abs(number) * step <= most]
    drawn = []
    for ratio in (ratio for ratio in ratios if ratio > 0 and math.log(ratio) >= -span):
        place = _place(math.log(ratio), span)
        text = f"{ratio:.2f}"
        drawn.append(
            f'<path class="{"one" if ratio == 1 else "tick"}" d="M{place:.1f} 0V{height}"/>'
            f'<text class="soft" x="{place:.1f}" y="{height + 14}" text-anchor="middle">{text}</text>'
        )
    return "".join(drawn)


def _row(cell: CellVerdict, name: str, dots: Dots, top: int, span: float) -> str:
    """A cell: its name and figures, its processes, and below them the ratio with its interval."""
    word = escape(cell.verdict.word, quote=True)
    base, candidate, joined = [], [], []
    for first, second in dots:
        left, right = _place(first, span), _place(second, span)
        base.append(f"M{left:.1f} {top + BASE}h0")
        candidate.append(f"M{right:.1f} {top + CANDIDATE}h0")
        joined.append(f"M{left:.1f} {top + BASE}L{right:.1f} {top + CANDIDATE}")
    estimate, bar = cell.verdict.estimate, ""
    if estimate:
        low, middle, high = (_place(_log(end), span) for end in (estimate.low, estimate.ratio, estimate.high))
        bar = (
            f'<g data-verdict="{word}"><title>{_figures(cell)}</title>'
            f'<path class="ratio" d="M{low:.1f} {top + RATIO}H{high:.1f}"/>'
            f'<path class="middle" d="M{middle:.1f} {top + RATIO}h0"/></g>'
        )
    return (
        f'<text x="0" y="{top + 13}">{escape(name)}</text>'
        f'<text x="{WIDTH}" y="{top + 13}" text-anchor="end" data-verdict="{word}">{_figures(cell)} {word}</text>'
        f'<path class="joined" d="{"".join(joined)}"/><path class="base" d="{"".join(base)}"/>'
        f'<path class="candidate" d="{"".join(candidate)}"/>{bar}'
    )


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 0 else -math.inf


def _figures(cell: CellVerdict) -> str:
    """The ratio with its interval."""
    estimate = cell.verdict.estimate
    return f"{estimate.ratio:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]" if estimate else "n/a"
