"""The comparison of two stored sets, as it is shown."""

import dataclasses
import json

import pytest

from bench.compare import stored_table
from bench.compare.sequential_test import Estimate, Verdict
from bench.compare.stored import Row
from bench.results.cell import Cell


def estimate(ratio, low, high):
    return Estimate(ratio=ratio, low=low, high=high, deviation=0.05, p=0.001, inner=(low, high))


ESTIMATES = {"wall": estimate(1.5, 1.2, 1.9), "cpu": estimate(1.55, 0.0123, 123.4)}
SLOWER = Row(
    cell=Cell(model="dense"),
    verdict=Verdict(word="slower", clock="wall", estimates=ESTIMATES),
    seconds={"wall": (0.1, 0.15), "cpu": (0.2, 0.31)},
    processes=(3, 4),
    session_sd=0.07,
)
LACKS = Verdict(word="n/a", estimates={}, reason="base lacks it")
LACKING = [Row(cell=Cell(model="convnet", batch_size=size), verdict=LACKS) for size in range(1, 10)]
PIPELINE = Cell(model="none", pipeline="photos_one_by_one")


def notes(rows):
    return stored_table.tables(rows)[-1].notes


@pytest.fixture
def shown(terminal):
    """What a terminal of 80 columns shows."""
    return lambda rows: terminal(*stored_table.tables(rows))


def test_show_fits_80_columns(shown):
    """Long names, two clocks and the longest verdict fit, with every figure whole."""
    open_ = dataclasses.replace(SLOWER.verdict, word="inconclusive", clock="")
    other = dataclasses.replace(SLOWER, cell=Cell(model="squeezenet_small", batch_size=128), verdict=open_)
    alone = dataclasses.replace(SLOWER, cell=PIPELINE, per="image")
    text = shown([SLOWER, other, alone, *LACKING])

    assert "Pipelines alone, time an image (b32, 192 px)" in text
    assert "Steps, time a step (resident, 192 px, train, cpu, float32, tensorflow)" in text
    for figure in (
        "100 ms",
        "150 ms",
        "1.500 [1.200, 1.900]",
        "1.550 [0.012, 123.400]",
        "inconclusive",
        "photos_one_by_one",
    ):
        assert figure in text


def test_show_names_a_single_cell_by_its_model(shown):
    """A single cell is named by its model, all else is in the title."""
    assert "\n dense " in shown([SLOWER])


def test_notes_say_what_the_interval_holds():
    """Processes of both sides and the drift between sessions stand below the table."""
    together = dataclasses.replace(SLOWER, session_sd=0.0)

    assert "fresh processes differ (3 and 4) and how sessions do (standard d" in notes([SLOWER])[2]
    assert notes([together])[2].endswith("measured in the same sweep")


def test_ratio_stands_alone_where_processes_are_too_few(shown):
    """No interval is drawn, and the note says why."""
    few = Verdict(word="inconclusive", estimates={}, reason="too few processes (2 and 2)")
    row = dataclasses.replace(SLOWER, verdict=few)

    assert "1.500 [" not in shown([row])
    assert notes([row])[2:] == ("inconclusive: too few processes (2 and 2)",)


def test_notes_say_what_was_left_out():
    """Cells without figures are named with the reason, a few of them."""
    ids = [row.cell.id for row in LACKING]

    assert notes([SLOWER, *LACKING])[-1] == f"left out, base lacks it: {', '.join(ids[:6])} and 3 more"


def test_notes_say_why_there_is_no_verdict():
    """Differences, and the field over which cells are paired, are notes."""
    verdict = dataclasses.replace(LACKS, reason="no verdict: harness version 1, 2", estimates=ESTIMATES)
    row = dataclasses.replace(SLOWER, verdict=verdict, over="device cpu, gpu")

    assert "no verdict: harness version 1, 2" in notes([row])
    assert "not the same cells (base, candidate): device cpu, gpu" in notes([row])


def test_show_leaves_out_a_clock_without_figures():
    """Where the CPU clock has no ratio, nothing stands below the wall clock's."""
    verdict = dataclasses.replace(SLOWER.verdict, estimates={"wall": ESTIMATES["wall"]})
    row = dataclasses.replace(SLOWER, seconds={"wall": (0.1, 0.15)}, verdict=verdict)

    assert stored_table.tables([row])[0].texts()[0][-3:] == ["", "", ""]


def test_show_draws_notes_alone(shown):
    """Without any figure there are only notes."""
    assert "left out, base lacks it" in shown(LACKING)


@pytest.mark.parametrize("row", [SLOWER, LACKING[0]])
def test_to_json_is_plain(row):
    """Every row is an object of plain values."""
    assert json.loads(json.dumps(stored_table.to_json([row]), allow_nan=False))[0]["cell_id"] == row.cell.id
