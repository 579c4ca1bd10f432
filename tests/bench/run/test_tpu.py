"""What a TPU needs, held without one: static shapes, one process that owns it, and no input operation on it."""

import subprocess
import sys

import numpy as np
import pytest

from bench.results.cell import NO_MODEL, Cell
from bench.run import process
from flowers_core.backends import precision
from flowers_core.data import manifest
from flowers_core.input import array_batches

FRAMEWORKS = ("jax", "jaxlib", "keras", "tensorflow", "torch")
ON_TPU = Cell(model="dense", device="tpu", backend="jax", xla=True)


@pytest.fixture
def batches(synthetic_records):
    """An endless stream of NumPy batches of 6 of 20 images, past two ends of the epoch."""
    shards = manifest.paths(synthetic_records, manifest.load(synthetic_records))
    stream = iter(array_batches.build("records_turbo", shards, image_size=192, batch_size=6, epochs=None))
    yield [next(stream) for _ in range(8)]
    stream.close()


def test_step_is_traced_once(batches):
    """Every batch has the same shape and type, the remainder of an epoch is dropped: XLA compiles a step once."""
    jax = pytest.importorskip("jax")
    traces = []

    @jax.jit
    def step(images, labels):
        traces.append(images.shape)
        return images.mean() + labels.sum()

    for images, labels in batches:
        step(images, labels)

    assert traces == [(6, 192, 192, 3)]


def test_batches_are_on_the_host(batches):
    """What decode workers hand over is memory of the host; only the step's own copy goes to the device."""
    for images, labels in batches:
        assert type(images) is type(labels) is np.ndarray


@pytest.mark.parametrize("module", ["flowers_core.input.decode_worker", "bench.cli.main", "bench.run.sweep"])
def test_processes_beside_the_step_load_no_framework(module):
    """A TPU belongs to the first process that opens it: decode workers and the parent of a sweep never could."""
    code = f"import {module}, sys; print([name for name in {FRAMEWORKS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_only_the_process_of_a_step_sees_the_tpu(monkeypatch):
    """A pipeline alone, and whatever TensorFlow does on the host, is kept to the CPU."""
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    alone = Cell(model=NO_MODEL, pipeline="records_turbo")

    assert process.environment(alone)["JAX_PLATFORMS"] == process.environment()["JAX_PLATFORMS"] == "cpu"
    assert "JAX_PLATFORMS" not in process.environment(ON_TPU)


def test_sixteen_bits_are_bfloat16():
    """A TPU's own format is suitable, float16 is refused with what to use, TF32 is NVIDIA's."""
    assert precision.unsuitable("mixed_bfloat16", "tpu") is None
    assert "use mixed_bfloat16" in precision.unsuitable("mixed_float16", "tpu")
    assert "NVIDIA" in precision.unsuitable("tf32", "tpu")
