"""Ratios as words."""

import dataclasses
import json

import pytest
from rich.console import Console

from bench.compare import stored_table
from bench.compare.stored import Row
from bench.results.cell import Cell

FIGURES = {
    "base_seconds": 0.1,
    "candidate_seconds": 0.15,
    "base_cpu_seconds": 0.2,
    "candidate_cpu_seconds": 0.31,
    "ratio": 1.5,
    "low": 1.2,
    "high": 1.9,
    "cpu_ratio": 1.55,
    "cpu_low": 0.0123,
    "cpu_high": 123.4,
    "base_processes": 2,
    "candidate_processes": 3,
    "session_sd": 0.07,
}
SLOWER = Row(cell=Cell(model="dense"), verdict="slower", reason="wall clock", **FIGURES)
LACKING = [Row(cell=Cell(model="convnet", batch_size=size), reason="base lacks it") for size in range(1, 10)]
PIPELINE = Cell(model="none", pipeline="photos_one_by_one")


def shown(rows):
    console = Console(width=80)
    with console.capture() as captured:
        stored_table.show(rows, console)
    return captured.get()


def test_a_table_fits_80_columns():
    """Long names, two clocks and the longest verdict fit, with every figure whole."""
    other = dataclasses.replace(SLOWER, cell=Cell(model="squeezenet_small", batch_size=128), verdict="inconclusive")
    alone = dataclasses.replace(SLOWER, cell=PIPELINE, per="image")
    text = shown([SLOWER, other, alone, *LACKING])

    assert max(map(len, text.splitlines())) <= 80
    assert "Pipelines alone, time an image (b32, 192 px)" in text
    assert "Steps, time a step (resident, 192 px, train, cpu, float32, tensorflow)" in text
    for figure in ("100 ms", "150 ms", "1.50 [1.20, 1.90]", "1.55 [0.012, 123]", "inconclusive", "photos_one_by_one"):
        assert figure in text


def test_one_cell_has_a_name():
    """A single cell is named by its model, all else is in the title."""
    assert "\n dense " in shown([SLOWER])


def test_notes_say_what_the_interval_holds():
    """Processes of both sides, the drift between sessions and where it comes from stand below the table."""
    seen = dataclasses.replace(SLOWER, session_freedom=2)
    together = dataclasses.replace(SLOWER, session_sd=0.0)

    assert "fresh processes differ (2 and 3) and how sessions do (sd 7.0 %, stated" in stored_table.notes([SLOWER])[1]
    assert "(sd 7.0 %, stated and seen)" in stored_table.notes([seen])[1]
    assert stored_table.notes([together])[1].endswith("measured in the same sweep")


def test_notes_say_what_was_left_out():
    """Cells without figures are named with the reason: some in the terminal, all in Markdown."""
    ids = [row.cell.id for row in LACKING]
    rows = [SLOWER, *LACKING]

    assert stored_table.notes(rows, most=2)[-1] == f"left out, base lacks it: {ids[0]}, {ids[1]} and 7 more"
    assert all(cell in stored_table.markdown(rows) for cell in ids)


def test_notes_say_why_there_is_no_verdict():
    """Differences, and the field over which cells are paired, are notes."""
    row = dataclasses.replace(SLOWER, verdict="n/a", reason="no verdict: ruler 1, 2", over="device cpu, gpu")

    assert "no verdict: ruler 1, 2" in stored_table.notes([row])
    assert "not the same cells (base, candidate): device cpu, gpu" in stored_table.notes([row])


def test_a_clock_without_figures_is_not_drawn():
    """Where the CPU clock has no ratio, the terminal leaves its line out and Markdown says so."""
    row = dataclasses.replace(SLOWER, cpu_ratio=None)

    assert "CPU clock" not in shown([row])
    assert "| 1.50 [1.20, 1.90] | n/a | slower |" in stored_table.markdown([row])


def test_markdown_is_a_table():
    """Markdown has one line a cell, with its whole id."""
    lines = stored_table.markdown([SLOWER]).splitlines()

    assert lines[2].startswith("| `dense-train-resident-192-b32-cpu-float32-tensorflow` | 100 ms | 150 ms | 1.50 [")
    assert {line.count("|") for line in lines[:3]} == {7}


def test_nothing_but_notes():
    """Without any figure there are only notes."""
    assert "─" not in shown(LACKING)


@pytest.mark.parametrize("row", [SLOWER, LACKING[0]])
def test_json_is_plain(row):
    """Every row is an object of plain values."""
    assert json.loads(json.dumps(stored_table.to_json([row]), allow_nan=False))[0]["cell_id"] == row.cell.id
