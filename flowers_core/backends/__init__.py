"""Keras' backends as objects, which hold all that differs between frameworks, from devices to memory."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flowers_core.backends import devices
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.errors import one_of

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A backend's row: its properties, known without loading its framework.

    Attributes:
        implementation: Its class, a `Backend`: `module:class` within `flowers_core.backends`.
        always_compiled: Whether XLA compiles every step, so that there is none without it.
        compiles_replicas: Whether XLA can compile a step that several replicas share.
        extras: The package's extras that install it.
    """

    implementation: str
    always_compiled: bool = False
    compiles_replicas: bool = True
    extras: tuple[str, ...] = ()


BACKENDS: dict[str, BackendSpec] = {
    "tensorflow": BackendSpec(implementation="tensorflow:TensorFlow", compiles_replicas=False),
    "jax": BackendSpec(implementation="jax:Jax", always_compiled=True, extras=("jax",)),
}
"""To add a backend: a module here with a subclass of `Backend`, and its row."""


class Backend(ABC):
    """A framework behind Keras: its devices, steps, synchronisation and memory."""

    name: str

    def find(self, kind: str) -> Device:
        """Finds a device in this process.

        A child process asks for a TPU first, for this one would hang at a dead address.

        Raises:
            InputError: If `kind` is not among `devices.DEVICES`.
            DeviceAbsent: If this machine, or the installed framework, has no such device.
        """
        one_of("device", kind, devices.DEVICES)
        if kind == "tpu":
            reason = devices.why_absent(kind, backend=self.name)
            if reason:
                raise DeviceAbsent(reason)
        return self.connect(kind)

    @abstractmethod
    def connect(self, kind: str) -> Device:
        """Finds a device without asking a child process first: it may take minutes to find that there is no TPU.

        Raises:
            DeviceAbsent: If there is no such device.
        """

    @abstractmethod
    def train_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], dict]:
        """A function that trains on the next batch, exactly as `fit` does.

        Keras compiles a function that draws a batch from an iterator and updates the model. It is called here without
        the callbacks, the progress bar and the epoch loop of `fit`, which take 1 ms a step of their own. Nothing waits
        for the device: a step is done after `synchronise`.

        Why not `fit` itself, or `train_on_batch`? `fit` would time its callbacks as well, and its loop cannot be
        stopped between two steps. `train_on_batch` copies each batch from the host and reads the loss back, so that
        the device waits in every step.

        Args:
            model: Compiled.
            batches: Pairs of images, shape `(batch, size, size, 3)`, and int64 labels, shape `(batch,)`, for as many
                steps as will be called: a `tf.data.Dataset` or, outside TensorFlow, a generator.

        Returns:
            A function without arguments that returns the logs: the running loss and metrics as scalars of the backend.
        """

    @abstractmethod
    def predict_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], Any]:
        """A function that returns class probabilities of the next batch, float32 `(batch, classes)`, as `predict` does.

        Args:
            model: Built; of its compilation only `jit_compile` matters.
            batches: As for `train_step`; labels are ignored.
        """

    @abstractmethod
    def synchronise(self, outputs: Any) -> Any:
        """Waits until `outputs` and all work queued before them are computed, and returns them.

        Args:
            outputs: What a step returned: tensors or arrays, in any nesting.
        """

    @abstractmethod
    def peak_device_bytes(self, kind: str) -> int | None:
        """Most memory held on the accelerator so far; None on a CPU or where the framework does not say."""

    @abstractmethod
    def repeat_on_device(self, images: "np.ndarray", labels: "np.ndarray", kind: str) -> Iterable:
        """The same batch again and again, placed on the device: a step fed so never waits for input."""


@cache
def get(name: str) -> Backend:
    """A backend by name; imports its framework.

    Raises:
        InputError: If there is no such backend.
    """
    one_of("backend", name, BACKENDS)
    module, implementation = BACKENDS[name].implementation.split(":")
    return getattr(import_module(f"{__name__}.{module}"), implementation)()


def name_from_environment() -> str:
    """The backend that KERAS_BACKEND names; TensorFlow unless it is set."""
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    one_of("KERAS_BACKEND", name, BACKENDS)
    return name
