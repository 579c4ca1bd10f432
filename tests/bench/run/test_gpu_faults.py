"""What can be wrong with a GPU: a sentence each, and the matrix goes on."""

import re
import sys
from dataclasses import replace

import pytest

from bench.results import summary
from bench.results.cell import Cell
from bench.run import measure, sweep
from bench.run.measure import Job
from bench.run.sweep import Limits, Sweep
from flowers_core import backends
from flowers_core.backends.devices import DeviceAbsent
from flowers_core.backends.tensorflow import TensorFlow
from tests.bench.machine.nvml_stand_in import Gpu, NVMLError_LibraryNotFound

TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver"


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        (Gpu(starts=NVMLError_LibraryNotFound("not found")), "no NVIDIA driver is installed"),
        (Gpu(answers={"nvmlSystemGetCudaDriverVersion_v2": 11040}), "driver 580.159.04, which runs CUDA up to 11.4"),
    ],
)
def test_gpu_that_a_framework_does_not_see_is_na_with_both_reasons(monkeypatch, gpu, said):
    """What the framework says, and what the driver's library knows of it."""

    def refuse(*_):
        raise DeviceAbsent("TensorFlow sees no GPU here")

    monkeypatch.setitem(sys.modules, "pynvml", gpu)
    monkeypatch.setattr(TensorFlow, "find", refuse)
    done = measure.measure(Job(cell=Cell(model="dense_single", device="gpu")))

    assert done.status == "n/a"
    assert done.reason.startswith("TensorFlow sees no GPU here. NVML")
    assert said in done.reason


@pytest.mark.parametrize(
    ("built", "error", "said"),
    [
        (True, TOO_OLD, f"torch sees no GPU here: {TOO_OLD}"),
        (
            True,
            "libcudart.so.13: cannot open shared object file",
            "torch sees no GPU here: libcudart.so.13: cannot open",
        ),
        (False, "", "is a build without CUDA; install one with it"),
    ],
)
def test_torch_says_why_it_has_no_cuda(monkeypatch, built, error, said):
    """A driver too old, libraries that are missing, or a build without CUDA."""
    torch = pytest.importorskip("torch")
    on_torch = pytest.importorskip("flowers_core.backends.torch")

    def fail():
        raise RuntimeError(error)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    monkeypatch.setattr(torch.cuda, "init", fail)
    with pytest.raises(DeviceAbsent, match=re.escape(said)):
        on_torch.Torch().connect("gpu")


def test_jax_says_why_it_has_no_cuda():
    """Its own words in one line: here there is no plugin for CUDA."""
    pytest.importorskip("jax")
    with pytest.raises(DeviceAbsent, match="JAX sees no GPU here: "):
        backends.get("jax").connect("gpu")


def test_matrix_goes_on_after_out_of_memory(tmp_path, measured):
    """The cell is `oom`, a larger batch of it is not tried, other models and smaller batches are."""
    cells = tuple(
        Cell(model=model, batch_size=size, device="gpu") for model in ("xception", "dense") for size in (64, 128, 32)
    )

    def run(job, **_):
        if job.cell.model == "xception" and job.cell.batch_size >= 64:
            return replace(measured(status="oom", reason="CUDA out of memory"), cell=job.cell)
        return replace(measured(batch_size=job.cell.batch_size), cell=job.cell)

    planned = Sweep(id="s", cells=cells)
    done = {cell: result.status for cell, result in sweep.run(planned, tmp_path, limits=Limits(), measure=run)}

    assert list(done.values()) == ["oom", "n/a", "ok", "ok", "ok", "ok"]


def test_loss_that_is_no_number_is_said(measured):
    """NaN in float16: the time stands, with a doubt."""
    figure = summary.summarise([measured(precision="mixed_float16", device="gpu")])
    lost = summary.summarise([replace(measured(precision="mixed_float16", device="gpu"), loss=None, loss_finite=False)])

    assert figure.warnings == ()
    assert lost.warnings == ("the loss was not a number",)
    assert lost.images_per_second == figure.images_per_second
    assert measure._loss({"loss": float("nan")}) == {"loss": None, "loss_finite": False}
