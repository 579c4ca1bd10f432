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
        return _find_tensorflow_tpu()
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


def _find_tensorflow_tpu() -> Device:
    import tensorflow as tf

    absent = why_absent("tpu", backend="tensorflow")
    if absent:
        raise DeviceAbsent(absent)
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    strategy = tf.distribute.TPUStrategy(resolver)
    return Device(kind="tpu", name="TPU", replicas=strategy.num_replicas_in_sync, scope=strategy.scope)


def _find_with_jax(kind: str) -> Device:
    import jax
    import keras

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
        ("gpu", "tensorflow"): "import tensorflow as tf; assert tf.config.list_physical_devices('GPU')",
    }
    ask = asks.get((kind, backend), f"import jax; jax.devices({kind!r})")
    try:
        child = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no {kind.upper()} answered within {seconds:.0f} s"
    if child.returncode == 0:
        return None
    last = (child.stderr.strip().splitlines() or ["no message"])[-1]
    return f"no {kind.upper()} for {backend}: {last}"


def hints(environment: dict[str, str] | None = None, root: Path = Path("/")) -> list[str]:
    """Devices that this machine may have, told by its files and environment without loading a framework."""
    environment = dict(os.environ) if environment is None else environment
    devices = root / "dev"
    kinds = []
    if environment.get("TPU_NAME") or any(devices.glob("accel[0-9]*")):
        kinds.append("tpu")
    if any(devices.glob("nvidia[0-9]*")) or any(devices.glob("kfd")):
        kinds.append("gpu")
    return [*kinds, "cpu"]


def best(*, backend: str) -> str:
    """The first of TPU, GPU and CPU that is really there; loads no framework where there is only a CPU."""
    return next(kind for kind in hints() if kind == "cpu" or why_absent(kind, backend=backend) is None)
