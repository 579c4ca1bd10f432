"""Traces of torch's profiler: read from what Kineto writes, and of a real step where torch is installed."""

import gzip
import json
from importlib.util import find_spec

import pytest

from bench.run import kineto, profiler_trace, trace_table
from bench.run.trace_table import Named


def event(name, begin, duration, *, category="cpu_op", thread=1):
    return {"ph": "X", "cat": category, "name": name, "ts": begin, "dur": duration, "pid": 1, "tid": thread}


def step(number, begin):
    """100 microseconds: a convolution of 60 inside an operation of 70, and on another thread its gradient of 40."""
    mark = event(f"ProfilerStep#{number}", begin, 100, category="user_annotation")
    outer, inner = event("aten::conv2d", begin + 5, 70), event("aten::mkldnn_convolution", begin + 10, 60)
    return [mark, inner, outer, event("aten::convolution_backward", begin + 50, 40, thread=2)]


def write(folder, events):
    with gzip.open(folder / kineto.NAME, "wt") as file:
        json.dump({"traceEvents": [*events, {"ph": "M", "name": "process_name"}]}, file)
    return folder


def test_facts_are_of_whole_steps_and_own_time(tmp_path):
    """Without the first and the last step; an operation counts without those inside it, on every thread."""
    found = kineto.facts(
        write(tmp_path, [at for number in range(4) for at in step(number, 1000 * number)]) / kineto.NAME
    )

    assert (found["steps"], found["step_seconds"]) == (2, pytest.approx(1e-4))
    assert [(op["name"], round(op["seconds"] * 1e6)) for op in found["ops"]] == [
        ("aten::mkldnn_convolution", 60),
        ("aten::convolution_backward", 40),
        ("aten::conv2d", 10),
    ]
    assert [(work["name"], round(work["share"], 2)) for work in found["work"]] == [
        ("convolutions", 0.64),
        ("gradients of convolutions", 0.36),
    ]


def test_kernels_of_a_gpu_count_alone(tmp_path):
    """What the host does meanwhile is launching them."""
    events = [at for number in range(3) for at in step(number, 1000 * number)]
    found = kineto.facts(write(tmp_path, [*events, event("sgemm_128", 1010, 80, category="kernel")]) / kineto.NAME)

    assert [(op["name"], op["share"]) for op in found["ops"]] == [("sgemm_128", 1.0)]
    assert found["work"][0]["name"] == "matrix products"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("## Call CompiledFxGraph fljhs ##", "passes over memory that Inductor fuses"),
        ("triton_poi_fused_convolution_relu_3", "passes over memory that Inductor fuses"),
        ("flowers::folded_convolution", "convolutions"),
        ("flowers::convolution_backward", "gradients of convolutions"),
        ("aten::_fused_adam_", "the optimizer"),
    ],
)
def test_operations_of_compiled_steps_have_a_kind(tmp_path, operation, kind):
    """What Inductor makes into one program is named by no layer; our operations are of the kind of torch's."""
    marks = [event(f"ProfilerStep#{number}", 100 * number, 100, category="user_annotation") for number in range(3)]
    found = kineto.facts(write(tmp_path, [*marks, event(operation, 110, 80)]) / kineto.NAME)

    assert [work["name"] for work in found["work"]] == [kind]


@pytest.mark.parametrize(("content", "said"), [(b"\x1f\x8bhalf", "no trace of torch"), (None, "no step is marked")])
def test_damaged_trace_is_a_problem(tmp_path, content, said):
    """A file that is none, and one without marks."""
    write(tmp_path, [event("aten::mm", 0, 10)])
    if content:
        (tmp_path / kineto.NAME).write_bytes(content)

    assert said in profiler_trace.read(tmp_path).problem


def test_table_says_where_it_opens(tmp_path):
    """In Perfetto; no figure is called XProf's."""
    trace = profiler_trace.read(write(tmp_path, [at for number in range(4) for at in step(number, 1000 * number)]))
    table = trace_table.steps([Named("dense", trace)])

    assert table.title == "Steps as the profiler sees them"
    assert "ui.perfetto.dev" in table.notes[-1]
    assert "compute-bound: 64% of the operations' time in convolutions" in " ".join(table.notes)
    assert "XProf" not in " ".join(table.notes)


@pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
def test_take_traces_steps_of_torch(tmp_path):
    """Its steps, its products first; the file is kept, and read again to the same."""
    import torch

    square = torch.rand(300, 300)
    taken = profiler_trace.take(lambda: square @ square, tmp_path / "t", backend="torch", step_seconds=0.25)

    assert taken["problem"] == ""
    assert taken["steps"] == 8 - 2
    assert taken["work"][0]["name"] == "matrix products"
    assert profiler_trace.read(tmp_path / "t").ops == taken["ops"]
