"""One sentence of advice for a trace, with its figure."""

import pytest

from bench.results.cell import Cell
from bench.run import trace_advice
from bench.run.profiler_trace import Trace

WORK = [
    {"name": "filter gradients of convolutions", "seconds": 0.05, "share": 0.45, "layer": "conv2d_6"},
    {"name": "pooling", "seconds": 0.02, "share": 0.2, "layer": ""},
]
CELL = Cell(model="squeezenet", batch_size=8)
FED = Cell(model="squeezenet", batch_size=8, pipeline="records_parallel")
MAP = [{"name": "ParallelMapV2", "seconds": 0.1, "share": 0.8}]


def trace(**values) -> Trace:
    return Trace(**{"folder": "", "steps": 4, "step_seconds": 0.1, "input_share": 0.0, "work": WORK, **values})


def test_computing_is_named_with_its_share_and_layer():
    """And with the command that compares what may help."""
    assert trace_advice.sentence(trace(), CELL) == (
        "compute-bound: 45% of the operations' time in filter gradients of convolutions (most in conv2d_6), 20% in "
        "pooling; bfloat16 or batch 16 first: `python -m bench compare --axis precision=float32,mixed_bfloat16 "
        "--model squeezenet --batch-size 8`"
    )


def test_bfloat16_is_no_advice_where_it_is_used():
    """A larger batch is."""
    cell = Cell(model="squeezenet", batch_size=8, precision="mixed_bfloat16")

    assert trace_advice.sentence(trace(), cell).endswith(
        "batch 16 first: `python -m bench measure --model squeezenet --batch-size 16 --precision mixed_bfloat16`"
    )


def test_optimizer_is_spread_over_a_larger_batch():
    """It does the same for any batch, in float32 whatever the precision."""
    said = trace_advice.sentence(trace(work=[{**WORK[0], "name": "the optimizer"}]), CELL)

    assert "batch 16 first" in said
    assert "bfloat16" not in said


def test_waiting_for_input_comes_first():
    """With the pipeline's longest operation; only where something fed."""
    waiting = trace(input_share=0.3, data_ops=MAP)
    said = trace_advice.sentence(waiting, FED)

    assert said.startswith(
        "input-bound: 30% of the step waits for input, and 80% of its operations' time in ParallelMap"
    )
    assert "`python -m bench stall --model squeezenet --batch-size 8 --pipeline records_parallel`" in said
    assert trace_advice.sentence(waiting, CELL).startswith("compute-bound")


def test_overhead_asks_for_a_larger_batch():
    """Where most of a step neither computes nor waits."""
    said = trace_advice.sentence(trace(other_share=0.6), CELL)

    assert said.startswith("overhead-bound: 60% of the step neither computes nor waits for input; batch 16 first")


def test_pipeline_alone_has_no_step():
    """Its longest operation is all there is to say."""
    cell = Cell(model="none", pipeline="records_parallel")

    assert trace_advice.sentence(trace(data_ops=MAP), cell) == (
        "the pipeline alone: 80% of its operations' time in ParallelMapV2"
    )


def test_fused_step_computes():
    """XProf counts no operation of XLA's on a CPU."""
    assert trace_advice.sentence(trace(work=[]), CELL).startswith("compute-bound: 100% of the step computes")


@pytest.mark.parametrize("values", [{"problem": "no step"}, {"step_seconds": None}])
def test_nothing_is_said_of_nothing(values):
    """A trace that cannot be read, or without steps."""
    assert trace_advice.sentence(trace(**values), CELL) == ""


def test_trace_without_a_cell_names_no_command():
    """One that somebody else took."""
    assert trace_advice.sentence(trace()).endswith("; a larger batch first")
