"""Tests of `flowers_core.backends.devices`: asked for without hanging, and absent with a reason."""

import subprocess
from importlib.util import find_spec

import pytest

from flowers_core import backends
from flowers_core.backends import devices
from flowers_core.errors import InputError

no_accelerator = pytest.mark.skipif(len(devices.hints()) > 1, reason="this machine may have an accelerator")
needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="the extra `jax` is not installed")


def test_find_cpu_always_succeeds():
    """A CPU is found, with one replica and a scope that can be entered."""
    cpu = backends.get("tensorflow").find("cpu")

    assert (cpu.kind, cpu.replicas) == ("cpu", 1)
    with cpu.scope():
        pass


def test_find_refuses_unknown_device():
    """The message lists the devices."""
    with pytest.raises(InputError, match="tpu, gpu, cpu"):
        backends.get("tensorflow").find("npu")


@no_accelerator
def test_find_absent_gpu_gives_reason():
    """A machine without a GPU says so, and what to do."""
    with pytest.raises(backends.DeviceAbsent, match="GPU"):
        backends.get("tensorflow").find("gpu")


@pytest.mark.parametrize("name", ["tensorflow", pytest.param("jax", marks=needs_jax)])
def test_find_asks_for_tpu_in_child_first(monkeypatch, name):
    """A TPU that does not answer the child is absent, with the reason, before this process asks for it."""
    monkeypatch.setattr(devices, "why_absent", lambda kind, backend: f"{kind} of {backend} is silent")
    with pytest.raises(backends.DeviceAbsent, match=f"tpu of {name} is silent"):
        backends.get(name).find("tpu")


def test_why_absent_says_how_long_it_waited(monkeypatch):
    """The child that asks is given up, and the reason says for how long it was waited."""

    def slow(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", slow)

    assert devices.why_absent("tpu", backend="tensorflow", seconds=3) == "no TPU answered within 3 s"


def test_why_absent_ends_hanging_child(monkeypatch, tmp_path):
    """A real child that never answers is ended in time."""
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o700)
    monkeypatch.setattr(devices.sys, "executable", str(silent))

    assert devices.why_absent("gpu", backend="jax", seconds=0.5) == "no GPU answered within 0.5 s"


@no_accelerator
def test_why_absent_gives_reason_in_words():
    """A real child looks for a GPU; the reason is its message, not the name of an error."""
    assert devices.why_absent("gpu", backend="tensorflow").startswith("no GPU for tensorflow: TensorFlow sees no GPU")


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
def test_hints_follow_files_and_environment(tmp_path, environment, files, kinds):
    """TPU, then GPU, then CPU, by files and environment alone."""
    (tmp_path / "dev" / "vfio").mkdir(parents=True)
    for name in files:
        (tmp_path / "dev" / name).touch()

    assert devices.hints(environment, tmp_path) == kinds


@pytest.mark.parametrize(
    ("hints", "dead", "best", "lines"),
    [
        (["tpu", "gpu", "cpu"], {"tpu"}, "gpu", ["passed over: no tpu"]),
        (["gpu", "cpu"], {"gpu"}, "cpu", ["passed over: no gpu"]),
        (["cpu"], {"cpu"}, "cpu", []),
    ],
    ids=["passes over what is dead", "falls back to the CPU", "does not ask for a CPU"],
)
def test_best_takes_first_that_answers(monkeypatch, hints, dead, best, lines):
    """A device that is hinted at but does not answer is passed over, and the user hears why."""
    monkeypatch.setattr(devices, "hints", lambda: hints)
    monkeypatch.setattr(devices, "why_absent", lambda kind, **_: f"no {kind}" if kind in dead else None)
    heard = []

    assert devices.best(backend="tensorflow", tell=heard.append) == best
    assert heard == lines
