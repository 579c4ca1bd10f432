"""Traces as tables."""

from io import StringIO

from rich.console import Console

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


def drawn(show, *given):
    console = Console(file=StringIO(), width=80)
    show(*given, console)
    return console.file.getvalue()


def test_xprofs_step_stands_beside_ours():
    """With waiting and memory; the longest operations below."""
    text = drawn(trace_table.show, [("dense", ONE)])

    assert "100 ms" in text
    assert "99.0 ms" in text
    assert "1.0%" in text
    assert "Conv2D 80%, Relu 20%" in text
    assert max(map(len, text.splitlines())) <= 80


def test_clocks_that_disagree_are_said():
    """And problems."""
    said = trace_table.notes([("a", OTHER), ("b", Trace(folder="", problem="no step"))])

    assert any(one.startswith("a: the two step times differ") for one in said)
    assert "b: no step" in said


def test_what_grew_most_comes_first():
    """Step and waiting on top; an operation that only one of them has counts as no time in the other."""
    rows = trace_table.difference(ONE, OTHER)

    assert [row[0] for row in rows] == ["step", "waiting for input", "Cast", "Relu", "_MklConv2D"]
    assert rows[0] == ("step", "100 ms", "150 ms", "+50.0 ms")
    assert rows[2] == ("Cast", "n/a", "40.0 ms", "+40.0 ms")
    assert rows[3][3] == "-20.0 ms"


def test_a_difference_names_both():
    """By cell and time."""
    text = drawn(trace_table.show_difference, ONE, OTHER)

    assert "A: cell/a" in text
    assert "B: cell/b" in text


def test_only_measurements_with_a_trace_count(measured):
    """The others have none to show."""
    import dataclasses

    with_trace = dataclasses.replace(measured(), trace=vars(ONE))

    assert trace_table.of([measured(), with_trace]) == [(measured().cell.id, ONE)]
