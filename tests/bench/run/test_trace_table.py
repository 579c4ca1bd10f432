"""Traces as tables."""

import dataclasses
import io

from rich.console import Console

from bench.run import trace_table
from bench.run.profiler_trace import Trace
from bench.run.trace_table import Named

OPS = [{"name": "_MklConv2D", "seconds": 0.08, "share": 0.8}, {"name": "Relu", "seconds": 0.02, "share": 0.2}]
WORK = [{"name": "filter gradients of convolutions", "seconds": 0.05, "share": 0.45, "layer": "conv2d_6"}]
ONE = Trace(folder="/x/cell/a", steps=6, step_seconds=0.1, our_step_seconds=0.099, input_share=0.01, ops=OPS)
OTHER = Trace(
    folder="/x/cell/b",
    steps=6,
    step_seconds=0.15,
    our_step_seconds=0.1,
    input_share=0.3,
    ops=[{"name": "_MklConv2D", "seconds": 0.09, "share": 0.7}, {"name": "Cast", "seconds": 0.04, "share": 0.3}],
)


def test_steps_of_xprof_stand_beside_ours(terminal):
    """With waiting and memory; the longest operations below."""
    text = terminal(trace_table.steps([Named("dense", ONE)]))

    assert all(figure in text for figure in ("100 ms", "99.0 ms", "1.0%", "Conv2D 80%, Relu 20%"))


def test_steps_are_numbered_for_diff(measured):
    """By short names where the cells are known; two of one cell by their times."""
    cell, other = measured().cell, measured(batch_size=8).cell
    traces = [
        Named("x", dataclasses.replace(ONE, folder=f"/x/{day}"), cell) for day in ("20261126T100203Z", "20261127T")
    ]
    rows = trace_table.steps([*traces, Named("x", ONE, other), Named("y/z", ONE)], numbered=True).texts()

    assert [row[:2] for row in rows] == [
        ["1", "dense b32 2026-11-26 10:02:03"],
        ["2", "dense b32 2026-11-27 ::"],
        ["3", "dense b8"],
        ["4", "y/z"],
    ]


def test_steps_end_in_advice_and_quote_xprof(measured):
    """The advice first; nothing of the pipeline where a resident batch was drawn."""
    said = dataclasses.replace(ONE, work=WORK, suggestions=["<not> input-bound"], data_ops=OPS)
    resident, fed = (
        trace_table.steps([Named("a", said, measured(pipeline=pipeline).cell)]).notes
        for pipeline in ("resident", "records_parallel")
    )

    assert resident[0].startswith("dense: compute-bound: 45% of")
    assert 'dense: XProf says: "<not> input-bound"'.replace("dense: ", "dense, ") in resident
    assert not any("of the input pipeline" in note for note in resident)
    assert any("of the input pipeline" in note for note in fed)


def test_paths_are_whole():
    """However narrow the terminal: they are copied."""
    out = Console(file=io.StringIO(), width=20)
    trace_table.draw_paths([Named("a", dataclasses.replace(ONE, folder="/x" * 40))], out)

    assert out.file.getvalue() == "/x" * 40 + "\n"


def test_steps_note_clocks_that_disagree():
    """And problems."""
    notes = trace_table.steps([Named("a", OTHER), Named("b", Trace(folder="", problem="no step"))]).notes

    assert any(note.startswith("a: the two step times differ") for note in notes)
    assert "b: no step" in notes


def test_difference_begins_with_what_grew_most():
    """Step and waiting on top; an operation that only one of them has counts as no time in the other."""
    table = trace_table.difference(ONE, OTHER)
    rows = table.texts()

    assert [row[0] for row in rows] == ["step", "waiting for input", "Cast", "Relu", "_MklConv2D"]
    assert rows[0] == ["step", "100 ms", "150 ms", "+50.0 ms"]
    assert rows[2] == ["Cast", "n/a", "40.0 ms", "+40.0 ms"]
    assert rows[3][3] == "-20.0 ms"
    assert table.notes[:2] == ("A: cell/a", "B: cell/b")


def test_measurements_without_a_trace_are_left_out(measured):
    """They have none to show."""
    traced = dataclasses.replace(measured(), trace=vars(ONE))

    assert trace_table.of_measurements([measured(), traced]) == [Named(measured().cell.id, ONE, measured().cell)]
