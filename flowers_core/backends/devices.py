"""TPU, GPU, CPU: which of them this machine has, and where a model must be built to run there."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from flowers_core.errors import one_of

DEVICES = ("tpu", "gpu", "cpu")  # in the order in which `best` tries them

# A dead TPU address blocks the resolver for over 200 s: it is asked in a child process that may be given up.
PROBE_SECONDS = 60.0


class DeviceAbsent(RuntimeError):
    """The device asked for is not to be had here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a model is built and run.

    Attributes:
        kind: `tpu`, `gpu` or `cpu`.
        name: What the device calls itself, e.g. `NVIDIA H200`.
        replicas: How many copies of the model share a global batch.
        scope: Gives the context in which the model is built and its step is run.
    """

    kind: str
    name: str
    replicas: int
    scope: Callable[[], AbstractContextManager]


def find(kind: str) -> Device:
    """Finds a device with the active Keras backend, in this process.

    Raises:
        InputError: If `kind` is not among `DEVICES`.
        DeviceAbsent: If this machine, or the installed framework, has no such device.
    """
    import keras

    one_of("device", kind, DEVICES)
    return _find_with_jax(kind) if keras.backend.backend() == "jax" else _find_with_tensorflow(kind)


def _find_with_tensorflow(kind: str) -> Device:
    import tensorflow as tf

    if kind == "tpu":
        _ask_for_tpu("tensorflow")
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        strategy = tf.distribute.TPUStrategy(resolver)
        return Device(kind="tpu", name="TPU", replicas=strategy.num_replicas_in_sync, scope=strategy.scope)
    if kind == "cpu":
        tf.config.set_visible_devices([], "GPU")  # otherwise Keras would place the model on a GPU
        return Device(kind="cpu", name="CPU", replicas=1, scope=nullcontext)
    found = tf.config.list_physical_devices("GPU")
    if not found:
        raise DeviceAbsent(
            "TensorFlow sees no GPU here (install the extra `gpu`, and look at the driver with nvidia-smi)"
        )
    name = tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU")
    if len(found) == 1:
        return Device(kind="gpu", name=name, replicas=1, scope=lambda: tf.device("/GPU:0"))
    strategy = tf.distribute.MirroredStrategy()
    return Device(kind="gpu", name=name, replicas=len(found), scope=strategy.scope)


def _ask_for_tpu(backend: str) -> None:
    """Raises DeviceAbsent if no TPU answers a child process: this one would hang."""
    absent = why_absent("tpu", backend=backend)
    if absent:
        raise DeviceAbsent(absent)


def _find_with_jax(kind: str) -> Device:
    import jax
    import keras

    if kind == "tpu":
        _ask_for_tpu("jax")
    try:
        found = jax.devices(kind)
    except RuntimeError as error:
        raise DeviceAbsent(f"JAX sees no {kind.upper()} here: {str(error).splitlines()[0]}") from error
    if len(found) == 1 or kind == "cpu":
        return Device(kind=kind, name=found[0].device_kind, replicas=1, scope=lambda: jax.default_device(found[0]))
    distribution = keras.distribution.DataParallel(devices=found)
    return Device(kind=kind, name=found[0].device_kind, replicas=len(found), scope=distribution.scope)


def why_absent(kind: str, *, backend: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Asks for a device in a child process, which is given up after `seconds`: this never hangs.

    Returns:
        None when the device is there, else the reason why not, in one line.
    """
    asks = {
        ("tpu", "tensorflow"): "import tensorflow as tf; tf.distribute.cluster_resolver.TPUClusterResolver.connect()",
        ("gpu", "tensorflow"): "import sys, tensorflow as tf\n"
        "sys.exit(not tf.config.list_physical_devices('GPU') and 'TensorFlow sees no GPU')",
    }
    ask = asks.get((kind, backend), f"import jax; jax.devices({kind!r})")
    try:
        child = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no {kind.upper()} answered within {seconds:g} s"
    if child.returncode == 0:
        return None
    last = (child.stderr.strip().splitlines() or ["no message"])[-1]
    return f"no {kind.upper()} for {backend}: {last}"


def hints(environment: dict[str, str] | None = None, root: Path = Path("/")) -> list[str]:
    """Devices that this machine may have, told by its files and environment without loading a framework."""
    environment = dict(os.environ) if environment is None else environment
    devices = root / "dev"
    kinds = []
    if environment.get("TPU_NAME") or _any(devices, "accel[0-9]*", "vfio/[0-9]*"):  # older and newer TPU machines
        kinds.append("tpu")
    if _any(devices, "nvidia[0-9]*", "nvidiactl", "kfd", "dxg"):  # NVIDIA, AMD, either under Windows
        kinds.append("gpu")
    return [*kinds, "cpu"]


def _any(folder: Path, *patterns: str) -> bool:
    """Whether a file matches one of the patterns."""
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def best(*, backend: str, tell: Callable[[str], None] = lambda _: None) -> str:
    """The first of TPU, GPU and CPU that is really there; loads no framework where there is only a CPU.

    Args:
        backend: `tensorflow` or `jax`, which shall use it.
        tell: Is called with one line for each device that the machine seems to have, but that does not answer.
    """
    for kind in hints()[:-1]:
        absent = why_absent(kind, backend=backend)
        if absent is None:
            return kind
        tell(f"passed over: {absent}")
    return "cpu"
