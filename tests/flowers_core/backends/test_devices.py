"""Devices: found without hanging, and absent with a reason."""

import subprocess

import pytest

from flowers_core.backends import devices
from flowers_core.errors import InputError


def test_the_cpu_is_always_there():
    """A CPU is found by the active backend, with one replica."""
    found = devices.find("cpu")

    assert (found.kind, found.replicas) == ("cpu", 1)
    with found.scope():
        pass


def test_an_unknown_device_is_refused():
    """The message lists the devices."""
    with pytest.raises(InputError, match="tpu, gpu, cpu"):
        devices.find("npu")


@pytest.mark.skipif(len(devices.hints()) > 1, reason="this machine may have an accelerator")
def test_an_absent_gpu_has_a_reason():
    """A machine without a GPU says so, and what to do."""
    with pytest.raises(devices.DeviceAbsent, match="GPU"):
        devices.find("gpu")


def test_a_dead_address_does_not_hang(monkeypatch):
    """The child that asks is given up, and the reason says for how long it was waited."""

    def slow(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", slow)

    assert devices.why_absent("tpu", backend="tensorflow", seconds=3) == "no TPU answered within 3 s"


def test_a_child_that_hangs_is_ended(monkeypatch, tmp_path):
    """A real child that never answers is ended in time."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(devices.sys, "executable", str(silent))

    assert devices.why_absent("gpu", backend="jax", seconds=0.5) == "no GPU answered within 0.5 s"


@pytest.mark.skipif(len(devices.hints()) > 1, reason="this machine may have an accelerator")
def test_a_child_that_sees_no_gpu_says_so():
    """The reason is in words, not the name of an error."""
    assert devices.why_absent("gpu", backend="tensorflow") == "no GPU for tensorflow: TensorFlow sees no GPU"


@pytest.mark.parametrize("finder", [devices._find_with_tensorflow, devices._find_with_jax])
def test_a_tpu_is_asked_for_in_a_child_first(monkeypatch, finder):
    """With either backend a TPU that does not answer is absent, with the reason, before this process asks for it."""
    monkeypatch.setattr(devices, "why_absent", lambda kind, backend: f"{kind} of {backend} is silent")
    with pytest.raises(devices.DeviceAbsent, match=r"tpu of .* is silent"):
        finder("tpu")


@pytest.mark.parametrize(
    ("environment", "files", "kinds"),
    [
        ({}, [], ["cpu"]),
        ({}, ["nvidia0"], ["gpu", "cpu"]),
        ({}, ["nvidiactl"], ["gpu", "cpu"]),
        ({}, ["dxg"], ["gpu", "cpu"]),
        ({}, ["accel0"], ["tpu", "cpu"]),
        ({}, ["vfio/vfio"], ["cpu"]),
        ({}, ["vfio/vfio", "vfio/0"], ["tpu", "cpu"]),
        ({"TPU_NAME": "grpc://10.0.0.2:8470"}, ["nvidia0"], ["tpu", "gpu", "cpu"]),
    ],
)
def test_hints_are_in_the_order_in_which_devices_are_tried(tmp_path, environment, files, kinds):
    """TPU, then GPU, then CPU, told by files and environment alone."""
    (tmp_path / "dev" / "vfio").mkdir(parents=True)
    for name in files:
        (tmp_path / "dev" / name).touch()

    assert devices.hints(environment, tmp_path) == kinds


def test_best_takes_the_first_that_answers(monkeypatch):
    """A device that is hinted at but does not answer is passed over, and it is told why."""
    monkeypatch.setattr(devices, "hints", lambda: ["tpu", "gpu", "cpu"])
    monkeypatch.setattr(devices, "why_absent", lambda kind, backend: "dead" if kind == "tpu" else None)  # noqa: ARG005
    told = []

    assert devices.best(backend="tensorflow") == "gpu"
    assert devices.best(backend="tensorflow", tell=told.append) == "gpu"
    assert told == ["passed over: dead"]


def test_best_falls_back_to_the_cpu(monkeypatch):
    """Where nothing else answers a CPU is there, and is not asked."""
    monkeypatch.setattr(devices, "hints", lambda: ["gpu", "cpu"])
    monkeypatch.setattr(devices, "why_absent", lambda kind, backend: f"{kind} {backend} dead")
    told = []

    assert devices.best(backend="jax", tell=told.append) == "cpu"
    assert told == ["passed over: gpu jax dead"]
