"""NVIDIA GPUs, by a stand-in for their library."""

import sys
import time
from types import SimpleNamespace

import pytest

from bench.machine import facts, nvml
from bench.results import identity, summary
from bench.results.cell import Cell
from tests.bench.machine.nvml_stand_in import Gpu, NVMLError, NVMLError_LibraryNotFound, NVMLError_NotSupported

H100 = {
    "name": "NVIDIA H100 80GB HBM3",
    "driver": "580.159.04",
    "memory": "81559 MiB",
    "cuda": "13.0",
    "power_limit_watts": 700.0,
    "most_clock_mhz": 1980,
}


@pytest.fixture
def gpu(monkeypatch):
    """Puts the stand-in in the place of NVIDIA's module."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def install(**fields):
        stand_in = Gpu(**fields)
        monkeypatch.setitem(sys.modules, "pynvml", stand_in)
        return stand_in

    return install


def test_devices_are_described(gpu):
    """Name, driver, CUDA, memory, and how the GPU is set; what it does not know is left out."""
    gpu()
    assert nvml.devices() == [H100]

    gpu(answers={"nvmlDeviceGetPowerManagementLimit": NVMLError_NotSupported("Not Supported")})
    assert nvml.devices() == [{name: value for name, value in H100.items() if name != "power_limit_watts"}]


def test_power_limit_tells_rows_apart_but_not_machines():
    """A GPU set to 400 W is the same machine, and its steps are other figures; those of the CPU are not."""
    machine = {"memory_bytes": 2**30, "accelerators": [H100]}
    capped = {"memory_bytes": 2**30, "accelerators": [H100 | {"power_limit_watts": 400.0}]}
    on_gpu, on_cpu = Cell(model="dense", device="gpu"), Cell(model="dense")

    assert facts.digest_of(machine) == facts.digest_of(capped)
    assert not identity.agree(machine, capped, [on_gpu])
    assert identity.agree(machine, capped, [on_cpu])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"starts": NVMLError_LibraryNotFound("NVML Shared Library Not Found")}, "no NVIDIA driver is installed"),
        ({"starts": NVMLError("Unknown Error")}, "NVML does not start: Unknown Error"),
        ({"answers": {"nvmlSystemGetCudaDriverVersion_v2": 11040}}, "driver 580.159.04, which runs CUDA up to 11.4"),
        ({"answers": {"nvmlDeviceGetCount": 0}}, "NVML sees no GPU"),
    ],
)
def test_explain_says_why_a_framework_sees_no_gpu(gpu, fields, said):
    """No driver, one that does not start, one that is too old for the framework's CUDA, or nothing plugged in."""
    gpu(**fields)

    assert said in nvml.explain()


def test_explain_without_the_package(monkeypatch):
    """Then that is what to install."""
    monkeypatch.setitem(sys.modules, "pynvml", None)

    assert nvml.explain() == "NVML: the package nvidia-ml-py is not installed"


def test_watch_sees_clocks_power_and_energy(gpu, monkeypatch):
    """70 J for 10 images are 7 J an image; memory is what came on top of what others held."""
    monkeypatch.setattr(nvml, "SHORTEST_SECONDS", 0.0)
    stand_in = gpu()
    watch = nvml.watch("gpu")
    watch.start()
    stand_in.answers["nvmlDeviceGetMemoryInfo"] = SimpleNamespace(total=0, used=5 * 10**9)
    watch._samples.append(watch._sample())
    seen = watch.stop(images=10)

    assert seen == {
        "clock_mhz": 1980,
        "least_clock_mhz": 1980,
        "watts": 350.0,
        "celsius": 61,
        "memory_bytes": 3 * 10**9,
        "slowed_by": [],
        "joules_per_image": 7.0,
    }


@pytest.mark.parametrize("energy", [0, NVMLError_NotSupported("Not Supported")])
def test_watch_claims_no_energy_that_it_cannot_know(gpu, energy):
    """A window shorter than the counter's own steps, or a GPU without the counter."""
    gpu(energy=energy)
    watch = nvml.watch("gpu")
    watch.start()
    if energy:
        time.sleep(0.01)

    assert "joules_per_image" not in watch.stop(images=10)


@pytest.mark.parametrize(
    "name", ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
)
def test_watch_says_what_slowed_the_gpu_and_who_used_it(gpu, measured, name):
    """By the name of newer and of older drivers; a row of a table says both."""
    other = SimpleNamespace(pid=77, usedGpuMemory=1_200_000_000)
    unknown = NVMLError_NotSupported("Not Supported")
    gpu(
        answers={
            "nvmlDeviceGetCurrentClocksEventReasons": unknown,
            "nvmlDeviceGetComputeRunningProcesses": [other],
            name: 0x44 | 0x01,
        }
    )
    watch = nvml.watch("gpu")
    watch.start()
    seen = watch.stop(images=1)
    figure = summary.summarise([measured(device="gpu", seen={"accelerator": seen})])

    assert seen["slowed_by"] == ["heat (hardware)", "power limit"]
    assert seen["others"] == [{"pid": 77, "bytes": 1_200_000_000}]
    assert "the GPU was busy with another process before this began: process 77 (1.20 GB)" in figure.warnings
    assert "the GPU was held below its clocks by: heat (hardware), power limit" in figure.warnings


@pytest.mark.parametrize(
    ("visible", "handle"), [("0", "gpu0"), ("GPU-12ab,1", "GPU-12ab"), ("1", None), ("", None), ("-1", None)]
)
def test_watch_looks_at_the_gpu_that_frameworks_see(gpu, monkeypatch, visible, handle):
    """CUDA_VISIBLE_DEVICES hides GPUs from them, not from NVML."""
    gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert nvml.watch("gpu").handle == handle


def test_watch_of_other_devices_sees_nothing(gpu):
    """A CPU, a TPU, or a GPU of another maker."""
    gpu(starts=NVMLError_LibraryNotFound("NVML Shared Library Not Found"))
    for device in ("cpu", "tpu", "gpu"):
        watch = nvml.watch(device)
        watch.start()
        assert watch.stop(images=1) == {}
