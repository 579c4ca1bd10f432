"""Traces as tables."""

import dataclasses

from bench.run import trace_table
from bench.run.profiler_trace import Trace

OPS = [{"name": "_MklConv2D", "seconds": 0.08, "share": 0.8}, {"name": "Relu", "seconds": 0.02, "share": 0.2}]
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
    text = terminal(trace_table.steps([("dense", ONE)]))

    assert all(figure in text for figure in ("100 ms", "99.0 ms", "1.0%", "Conv2D 80%, Relu 20%"))


def test_steps_note_clocks_that_disagree():
    """And problems."""
    notes = trace_table.steps([("a", OTHER), ("b", Trace(folder="", problem="no step"))]).notes

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

    assert trace_table.of_measurements([measured(), traced]) == [(measured().cell.id, ONE)]
