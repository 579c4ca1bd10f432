"""Traces of real steps, read by XProf without a browser; and those that cannot be read."""

import os
import subprocess
import sys
import time
from contextlib import nullcontext
from importlib.util import find_spec

import pytest

from bench.machine.facts import PROJECT_ROOT
from bench.run import profiler_trace, xprof


@pytest.fixture(scope="module")
def step():
    """A product of matrices that takes some milliseconds, on TensorFlow."""
    import tensorflow as tf

    square = tf.random.stateless_uniform((700, 700), (0, 0))
    product = tf.function(lambda: tf.reduce_sum(square @ square))
    product()
    return lambda: product().numpy()


@pytest.fixture(scope="module")
def traced(step, tmp_path_factory):
    """A trace of eight steps, and what was said of it."""
    folder = tmp_path_factory.mktemp("traces") / "cell" / "time"
    return folder, profiler_trace.Trace(**profiler_trace.take(step, folder, backend="tensorflow", step_seconds=0.25))


def test_read_finds_the_steps_that_were_marked(traced):
    """All but the first and the last; its step time is at least half of ours of the same steps."""
    _, found = traced

    assert found.problem == ""
    assert found.steps == 8 - 2
    assert found.step_seconds > 0.45 * found.our_step_seconds > 0


def test_read_puts_the_work_first(traced):
    """Matrix products take most of a product of matrices, and nothing waits for input."""
    _, found = traced

    assert "MatMul" in found.ops[0]["name"]
    assert found.ops[0]["share"] > 0.5
    assert found.ops[0]["seconds"] > 0
    assert found.work[0]["name"] == "matrix products"
    assert "NOT input-bound" in found.suggestions[0]
    assert found.input_share < 0.1


def test_take_keeps_only_the_trace(traced):
    """No cache of XProf's lies beside it, and its size is told."""
    folder, found = traced
    files = [path for path in folder.rglob("*") if path.is_file()]

    assert [path.name.endswith(".xplane.pb") for path in files] == [True]
    assert found.bytes == files[0].stat().st_size


def test_read_opens_a_trace_again(traced):
    """What is found does not hang on who took it."""
    folder, found = traced
    again = profiler_trace.read(folder)

    assert (again.steps, again.step_seconds, again.ops) == (found.steps, found.step_seconds, found.ops)


def test_read_sees_waiting_for_input(tmp_path):
    """A pipeline that sleeps starves its step."""
    import tensorflow as tf

    def slow(number):
        return tf.numpy_function(lambda n: (time.sleep(0.02), n)[1], [number], tf.int64)

    data = iter(tf.data.Dataset.range(100).map(slow))
    consume = tf.function(lambda given: next(given) + 1)
    consume(data)
    found = profiler_trace.Trace(
        **profiler_trace.take(lambda: consume(data).numpy(), tmp_path, backend="tensorflow", step_seconds=0.5)
    )

    assert found.input_share > 0.5  # it waits for the sleep, however busy the machine
    assert any("Map" in op["name"] for op in found.data_ops)


def test_read_says_that_no_step_is_marked(step, tmp_path, monkeypatch):
    """XProf then finds none; how to take a better one is told."""
    start, stop, _ = profiler_trace._tensorflow(tmp_path)
    monkeypatch.setitem(profiler_trace.TRACERS, "tensorflow", lambda _: (start, stop, lambda _: nullcontext()))
    found = profiler_trace.take(step, tmp_path, backend="tensorflow", step_seconds=0.25)

    assert "no step" in found["problem"]
    assert "marks each" in found["problem"]


def test_take_survives_a_profiler_in_use(step, tmp_path):
    """The reason is kept, and the other trace goes on."""
    import tensorflow as tf

    tf.profiler.experimental.start(str(tmp_path / "other"))
    try:
        found = profiler_trace.take(step, tmp_path / "ours", backend="tensorflow", step_seconds=0.25)
    finally:
        tf.profiler.experimental.stop(save=False)

    assert found["problem"].startswith("it was not taken")


def test_read_says_that_there_is_no_trace(tmp_path):
    """Nothing there, or a file that is none."""
    nothing = profiler_trace.read(tmp_path)
    (tmp_path / "host.xplane.pb").write_bytes(b"\xff" * 100)
    damaged = profiler_trace.read(tmp_path)

    assert "no trace in it" in nothing.problem
    assert damaged.problem
    assert damaged.step_seconds is None


def test_read_names_the_package_of_xprof(tmp_path, monkeypatch):
    """What to install is named."""
    monkeypatch.setitem(__import__("sys").modules, "xprof.convert", None)
    (tmp_path / "host.xplane.pb").write_bytes(b"")

    assert "tensorboard-plugin-profile" in profiler_trace.read(tmp_path).problem


@pytest.mark.parametrize(
    ("type_name", "operation", "kind"),
    [
        (
            "_MklNativeConv2DBackpropFilterWithBias",
            "gradient_tape/net/conv2d_6/Conv2D",
            "filter gradients of convolutions",
        ),
        ("_MklNativeConv2DBackpropInput", "gradient_tape/net/conv2d_6/Conv2D", "input gradients of convolutions"),
        ("Mul", "net/batch_normalization_2/batchnorm/mul", "batch normalization"),
        ("_FusedMatMul", "net/dense/MatMul", "matrix products"),
        ("convolution", "jit(step)/conv_general_dilated", "convolutions"),
        ("Mul", "net/rescaling/mul", "other operations"),
    ],
)
def test_operations_have_a_kind(type_name, operation, kind):
    """By their types, and by the layers that they belong to."""
    assert xprof.kind(type_name, operation) == kind


def test_layer_stands_in_the_path_of_an_operation():
    """Behind the model; calls and gradients are no layers."""
    path = "StatefulPartitionedCall/gradient_tape/squeezenet_1/conv2d_6_1/convolution/Conv2DBackpropFilter"

    assert xprof.layer(path) == "conv2d_6_1"
    assert xprof.layer("AssignAddVariableOp") == ""


def test_suggestions_are_plain_text():
    """Markup and control signs are taken out, and nothing stands twice."""
    tables = [
        {"p": {"statement": "Use <a href='x'>bfloat16</a>\x1b[31m", "x": "y"}},
        {"p": {"all_other_statement": ""}},
        {},
    ]

    assert xprof._suggestions(tables + tables) == ["Use bfloat16 [31m"]


def test_table_is_read_by_names_of_columns():
    """Not by their place, which differs from version to version."""
    tables = [{"cols": [], "rows": []}, {"cols": [{"id": "b"}, {"id": "a"}], "rows": [{"c": [{"v": 1}, {"v": 2}]}]}]

    assert xprof._table(tables, "a") == [{"b": 1, "a": 2}]
    assert xprof._table(tables, "c") == []


def test_agrees_is_within_five_percent():
    """On either side."""
    agree = [
        profiler_trace.Trace(folder="", step_seconds=seconds, our_step_seconds=1.0).agrees
        for seconds in (0.96, 1.04, 1.06, None)
    ]

    assert agree == [True, True, False, False]


@pytest.mark.skipif(find_spec("jax") is None, reason="the extra `jax` is not installed")
def test_read_finds_steps_on_jax(tmp_path):
    """JAX marks them in its own way, and XProf finds them as well; operations are found in XLA's thunks."""
    code = f"""
import jax
from pathlib import Path
from bench.machine import facts as machine
from bench.run import profiler_trace as trace
product = jax.jit(lambda square: square @ square)
square = jax.numpy.ones((600, 600))
step = lambda: product(square).block_until_ready()
step()
found = trace.take(step, Path({str(tmp_path)!r}), backend="jax", step_seconds=0.25)
assert found["problem"] == "", found["problem"]
assert found["steps"] == 6, found
assert found["ops"][0]["name"] == "dot_general", found["ops"]
assert found["work"][0]["name"] == "matrix products", found["work"]
"""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_committed_sample_opens():
    """Whoever has not traced yet can look at one."""
    samples = sorted((PROJECT_ROOT / "results" / "reference" / "traces").glob("*/*/"))
    found = [profiler_trace.read(folder) for folder in samples]

    assert [(trace.problem, trace.steps > 0, trace.bytes < 1_000_000) for trace in found] == [("", True, True)]
    assert "Conv2D" in found[0].ops[0]["name"]
