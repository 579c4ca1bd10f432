"""The picture of a comparison: where dots and bars stand, and that names from outside stay text."""

import math
import re
from dataclasses import replace

import pytest

from bench.compare.sequential_test import Estimate, Rule, Verdict
from bench.report import comparison_chart

CENTRE = comparison_chart.WIDTH / 2


def places(svg, name):
    """From the left, of what a path draws."""
    return [float(place) for place in re.findall(r"M([\d.]+)", re.search(f'class="{name}" d="(.*?)"', svg)[1])]


@pytest.fixture
def pairs(paired):
    """Four pairs of one cell, the candidate 5 % slower, on a machine that drifts."""
    return [paired(1.05, base_seconds=seconds, cell="dense") for seconds in (0.098, 0.1, 0.1, 0.102)]


def test_svg_has_a_dot_a_process_on_one_scale(compared, pairs):
    """The base's median is 1, in the middle; each candidate stands to the right of its base by the same length."""
    svg = comparison_chart.svg(compared(dense="slower"), pairs, (), Rule())
    base, candidate = places(svg, "base"), places(svg, "candidate")

    assert base[1:3] == [CENTRE, CENTRE]
    assert [right - left for left, right in zip(base, candidate, strict=True)] == pytest.approx(
        [candidate[1] - CENTRE] * 4, abs=0.2
    )
    assert places(svg, "ratio")[0] == pytest.approx(candidate[1], abs=3)
    assert 'data-verdict="slower"' in svg


def test_svg_shows_the_control_last(compared, pairs, paired):
    """The base against itself, by its own pairs."""
    made = compared(dense="slower")
    control = replace(made.cells[0], verdict=replace(made.cells[0].verdict, word="same"))
    svg = comparison_chart.svg(replace(made, control=control), pairs, [paired(cell="dense")], Rule())

    assert svg.index("dense 1.051") < svg.index(comparison_chart.CONTROL)
    assert svg.count('class="ratio"') == 2


@pytest.mark.parametrize("ends", [(0.0, math.inf), (1e-300, 1e300), (0.5, 40.0)])
def test_svg_keeps_what_lies_far_out_at_the_edge(compared, pairs, ends):
    """An interval without end, or a process that took ten times as long, does not press all else together."""
    made = compared(dense="inconclusive")
    low, high = ends
    wild = Estimate(ratio=1.2, low=low, high=high, deviation=1.0, p=0.5, inner=(low, high))
    cell = replace(made.cells[0], verdict=Verdict(word="inconclusive", pairs=4, estimates={"wall": wild}))
    far = [
        *pairs,
        replace(
            pairs[0],
            candidate_samples=tuple(sample._replace(wall_seconds=9.0) for sample in pairs[0].candidate_samples),
        ),
    ]
    svg = comparison_chart.svg(replace(made, cells=(cell,)), far, (), Rule())
    drawn = [float(number) for path in re.findall(r' d="(.*?)"', svg) for number in re.findall(r"[ML]([\d.]+)", path)]

    assert min(drawn) >= 0
    assert max(drawn) <= comparison_chart.WIDTH


def test_svg_of_nothing_is_nothing(compared):
    """Where processes died there is no ratio to draw."""
    made = compared(dense="inconclusive")
    dead = replace(made.cells[0], verdict=Verdict(word="inconclusive", estimates={}))

    assert comparison_chart.svg(replace(made, cells=(dead,)), (), (), Rule()) == ""


def test_svg_escapes_names(compared, pairs):
    """A cell may be any command."""
    made = compared(dense="slower")
    named = replace(made.cells[0], name='<b onload="x">')

    assert "<b" not in comparison_chart.svg(replace(made, cells=(named,)), pairs, (), Rule())
