"""The report of a comparison: what a reviewer reads first, and that names from outside stay text."""

import re

import pytest

from bench.compare import comparison_report
from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.sequential_test import Estimate, Verdict
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
            CellVerdict(cell="photos_parallel-192-b32", verdict=same, step_seconds=times),
            CellVerdict(cell=MODEL, verdict=slower, step_seconds=times),
        ),
        foreign_cpu_share=0.02,
        started="2026-11-27T00:00:00.000+00:00",
        machine={"cpu": "lab", "usable_cores": 2},
        command="python -m bench compare HEAD~1 HEAD --model mobilenetv2",
    )


def test_sentence_says_the_worst_first(comparison):
    """What is slower, by how much, and how many are not."""
    assert comparison_report.sentence(comparison) == f"{MODEL} is 6.0 % slower; 1 is the same."


def test_markdown_holds_all_that_a_reviewer_asks(comparison):
    """Verdict, commits, times with ratio and clock, how sure, machine, and the command with commits for names."""
    text = comparison_report.markdown(comparison)

    assert text.startswith(f"### {MODEL} is 6.0 % slower")
    assert f"| {MODEL} | 90.0 ms | 95.4 ms | 1.060 [1.050, 1.070] | CPU | 6 | **slower** |" in text
    assert re.search(r"a slowdown of [\d.]+ % to [\d.]+ % is found in 9 of 10 cases", text)
    assert "- Machine: lab, 2 cores" in text
    assert f"- Again: `python -m bench compare {'a' * 12} {'b' * 12} --model mobilenetv2`" in text
    assert "<img" not in text
    assert "](http" not in text


def test_picture_fits_a_terminal(comparison):
    """A line a cell, its dot on the side where it belongs; all within 80 columns."""
    lines = comparison_report.picture(comparison)
    middle = lines[0].index("●")

    assert max(map(len, lines)) < 80
    assert lines[1].index("●") > middle
    assert lines[1].startswith("mobilenetv2")


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

    assert comparison_report.latest(tmp_path).startswith("### 1 is the same.")
