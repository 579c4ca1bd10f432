"""The report of a comparison: what a reviewer reads first, and that names from outside stay text."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.compare import comparison_report
from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.sequential_test import Estimate, Verdict
from bench.report import comparison_part
from bench.results import store

MODEL = "mobilenetv2-train-resident-192-b8-cpu-float32-tensorflow"
RULE = {"margin": 0.03, "wall_margin": 0.05, "cells": 2, "clocks": ["wall", "cpu"], "look_level": 0.001}


def estimate(ratio, half=0.01, deviation=0.008):
    low, high = ratio - half, ratio + half
    return Estimate(ratio=ratio, low=low, high=high, deviation=deviation, p=1e-5, inner=(low, high))


@pytest.fixture
def comparison():
    """One model 6 % slower by the CPU clock, one pipeline the same; commits with a long and a hostile title."""
    slower = Verdict(
        word="slower", clock="cpu", pairs=6, estimates={"wall": estimate(1.05, 0.04), "cpu": estimate(1.06)}
    )
    same = Verdict(word="same", clock="wall+cpu", pairs=4, estimates={"wall": estimate(1.0), "cpu": estimate(0.999)})
    times = {"wall": (0.0537, 0.0564), "cpu": (0.09, 0.0954)}
    return Comparison(
        comparison="20261127T000000Z",
        title="HEAD~1 v HEAD",
        base={"name": "HEAD~1", "commit": "a" * 40, "subject": "Draw fewer flowers " * 6, "dirty": False},
        candidate={"name": "HEAD", "commit": "b" * 40, "subject": "<img src=x> | [a](http://b)", "dirty": False},
        rule=RULE,
        cells=(
            CellVerdict(cell="photos_parallel-192-b32", name="photos_parallel", verdict=same, step_seconds=times),
            CellVerdict(cell=MODEL, name="mobilenetv2 b8", verdict=slower, step_seconds=times),
        ),
        shared=("192 px", "train"),
        foreign_cpu_share=0.02,
        started="2026-11-27T00:00:00.000+00:00",
        machine={"cpu": "lab", "usable_cores": 2},
        command="python -m bench compare 'HEAD~1' HEAD --model mobilenetv2",
    )


def test_sentence_says_the_worst_first(comparison):
    """What is slower, by how much with its interval, and what is not."""
    said = "mobilenetv2 b8 is 6.0 % slower [5.0 %, 7.0 %]; photos_parallel is the same."

    assert comparison_report.sentence(comparison) == said


def test_sentence_says_how_far_what_is_inconclusive_came(comparison):
    """A reader wants to know to which side it leans."""
    cell = comparison.cells[1]
    unsure = replace(cell, verdict=replace(cell.verdict, word="inconclusive", clock="cpu"))
    said = comparison_report.sentence(replace(comparison, cells=(unsure,)))

    assert said == "mobilenetv2 b8 is inconclusive, so far +6.0 % [+5.0 %, +7.0 %]."


def test_sentence_counts_cells_of_one_verdict(comparison):
    """Of several that are slower the worst is named with its figures; an older store has no short names."""
    same, slower = comparison.cells
    less = replace(slower, name="", verdict=replace(slower.verdict, estimates={"cpu": estimate(1.03)}))
    cells = (less, slower, same, same)
    said = comparison_report.sentence(replace(comparison, cells=cells))

    assert said == (
        "mobilenetv2 b8 and 1 more are slower, mobilenetv2 b8 most: 6.0 % slower [5.0 %, 7.0 %]; 2 are the same."
    )
    assert f"| {MODEL} |" in comparison_report.table(replace(comparison, cells=cells)).markdown()


def test_rows_and_sentence_go_by_importance(comparison):
    """What is slower, the most first, then what is undecided, what is faster and what is the same; in all of it."""
    same, slower = comparison.cells

    def cell(name, word, ratio):
        verdict = replace(slower.verdict, word=word, clock="cpu", estimates={"cpu": estimate(ratio)})
        return replace(slower, name=name, verdict=verdict)

    cells = (
        replace(same, name="alike"), cell("quick", "faster", 0.97), cell("quicker", "faster", 0.9),
        cell("open", "inconclusive", 1.02), cell("worse", "slower", 1.05), cell("worst", "slower", 1.2),
    )  # fmt: skip
    mixed = replace(comparison, cells=cells)
    text, order = comparison_report.markdown(mixed), ["worst", "worse", "open", "quicker", "quick", "alike"]

    assert comparison_report.sentence(mixed) == (
        "worst and 1 more are slower, worst most: 20.0 % slower [19.0 %, 21.0 %]; "
        "open is inconclusive, so far +2.0 % [+1.0 %, +3.0 %]; "
        "quicker and 1 more are faster, quicker most: 10.0 % faster [9.0 %, 11.0 %]; alike is the same."
    )
    assert re.findall(r"^\| (\w+) \|", text, re.MULTILINE) == ["cell", *order]
    assert re.findall(r"^(\w+) +├?[─●┆ ]", text, re.MULTILINE)[: len(order)] == order
    assert [
        row[0] for row in comparison_part.of(mixed, SimpleNamespace(pairs={}, explanations={})).tables[0].rows
    ] == order


def test_markdown_holds_all_that_a_reviewer_asks(comparison):
    """Verdict, commits, times with ratio and clock, how sure, machine, and the command with commits for names."""
    text = comparison_report.markdown(comparison)

    assert text.startswith("### mobilenetv2 b8 is 6.0 % slower")
    assert "- Measured: 192 px, train\n" in text
    row = (
        r"\| mobilenetv2 b8 \| 90.0 ms \| 95.4 ms \| 1.060 \[1.050, 1.070\] \| CPU \| 6 \| \d\.\d% \| \*\*slower\*\* \|"
    )
    assert re.search(row, text)
    assert re.search(r"a slowdown of [\d.]+ % to [\d.]+ % is found in 9 of 10 cases", text)
    assert "- Machine: lab, 2 cores" in text
    assert "commit unknown" not in text
    assert f"- Repeat: `python -m bench compare {'a' * 12} {'b' * 12} --model mobilenetv2`" in text
    assert "<img" not in text
    assert "](http" not in text


def test_picture_fits_a_terminal(comparison):
    """A line a cell, its dot on the side where it belongs; all within 80 columns."""
    lines = comparison_report.picture(comparison)
    middle = lines[1].index("●")

    assert max(map(len, lines)) < 80
    assert lines[0].index("●") > middle
    assert lines[0].startswith("mobilenetv2")


def test_picture_of_nothing_is_na(comparison):
    """A cell whose processes died has no interval."""
    dead = CellVerdict(cell="dense", verdict=Verdict(word="inconclusive", estimates={}, reason="died"))
    lines = comparison_report.picture(Comparison(**{**vars(comparison), "cells": (dead,)}))

    assert lines[0].split() == ["dense", "n/a"]


def test_latest_is_the_last_of_the_store(tmp_path, comparison):
    """Whatever was compared before."""
    assert "Nothing was compared" in comparison_report.latest(tmp_path)

    store.append(comparison, tmp_path)
    store.append(Comparison(**{**vars(comparison), "started": "2026-11-28", "cells": comparison.cells[:1]}), tmp_path)

    assert comparison_report.latest(tmp_path).startswith("### photos_parallel is the same.")
