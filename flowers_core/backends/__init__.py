"""Keras' backends as objects, which hold all that differs between frameworks, from devices to memory."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flowers_core.backends import devices
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.backends.replicas import Group
from flowers_core.errors import InputError, one_of

if TYPE_CHECKING:
    import keras
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A backend's row: its properties, known without loading its framework.

    Attributes:
        implementation: Its class, a `Backend`: `module:class` within `flowers_core.backends`.
        framework: The module that Keras imports for it.
        extras: The package's extras that install it.
        compiler: What compiles its steps: `XLA`, or `torch.compile`.
        always_compiled: Whether XLA compiles every step, so that there is none without it.
        compiles_replicas: Whether XLA can compile a step that several replicas share.
        tf_data: Whether its steps draw from a `tf.data.Dataset` in their graph; others draw arrays in Python.
        process_per_replica: Whether each replica is a process of its own, also on one host.
        normalizes_globally: Whether batch normalisation takes its statistics over the global batch; else each replica
            takes those of its share.
        draws_ahead: Whether batches go to the device ahead of the step that trains on them, so that nobody can time
            how long one waits.
        loops_on_device: Whether one call can run several training steps there.
    """

    implementation: str
    framework: str
    extras: tuple[str, ...]
    compiler: str = "XLA"
    always_compiled: bool = False
    compiles_replicas: bool = True
    tf_data: bool = False
    process_per_replica: bool = False
    normalizes_globally: bool = False
    draws_ahead: bool = False
    loops_on_device: bool = False


BACKENDS: dict[str, BackendSpec] = {
    "tensorflow": BackendSpec(
        implementation="tensorflow:TensorFlow",
        framework="tensorflow",
        extras=("tensorflow",),
        compiles_replicas=False,
        tf_data=True,
        loops_on_device=True,
    ),
    "jax": BackendSpec(
        implementation="jax:Jax",
        framework="jax",
        extras=("jax",),
        always_compiled=True,
        normalizes_globally=True,
        draws_ahead=True,
        loops_on_device=True,
    ),
    "torch": BackendSpec(
        implementation="torch:Torch",
        framework="torch",
        extras=("torch",),
        compiler="torch.compile",
        process_per_replica=True,
    ),
}
"""To add a backend: a module here with a subclass of `Backend`, and its row."""


@dataclass(frozen=True, kw_only=True)
class StepParts:
    """A training step beside programs that stop earlier, each compiled by itself; a call draws the next batch.

    Attributes:
        forward: The model and its loss as in training, batch normalisation's moving statistics among it.
        gradients: The same, and the gradients of the loss.
        step: The whole step, as of `Backend.train_step`: the optimizer's update of the weights and the metrics, too.
    """

    forward: Callable[[], Any]
    gradients: Callable[[], Any]
    step: Callable[[], dict]


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
    def train_step(self, model: "keras.Model", batches: Iterable, *, steps: int = 1) -> Callable[[], dict]:
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
            steps: How many a call trains, each on a batch of its own, in a loop on the device; 1 unless
                `BackendSpec.loops_on_device`.

        Returns:
            A function without arguments that returns the logs: the running loss and metrics as scalars of the backend.
        """

    @abstractmethod
    def step_parts(self, model: "keras.Model", batches: Iterable) -> StepParts:
        """A training step, and what of it can be run without the rest, on one device.

        Args:
            model: Compiled, with the `train_step` of Keras' models.
            batches: As for `train_step`.
        """

    @abstractmethod
    def predict_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], Any]:
        """A function that returns class probabilities of the next batch, float32 `(batch, classes)`, as `predict` does.

        Args:
            model: Built; of its compilation only `jit_compile` matters.
            batches: As for `train_step`; labels are ignored.
        """

    def compile_whole(self, model: "keras.Model") -> None:
        """Has a compiler make all of the steps of a model that is compiled, where Keras alone would not see to that."""
        del model

    @abstractmethod
    def synchronise(self, outputs: Any) -> Any:
        """Waits until `outputs` and all work queued before them are computed, and returns them.

        Args:
            outputs: What a step returned: tensors or arrays, in any nesting.
        """

    @abstractmethod
    def make_deterministic(self) -> None:
        """Makes every operation give the same bits in every run, at a price; before a model is built."""

    @abstractmethod
    def peak_device_bytes(self, kind: str) -> int | None:
        """Most memory held on the accelerator so far; None on a CPU or where the framework does not say."""

    @abstractmethod
    def repeat_on_device(self, images: "np.ndarray", labels: "np.ndarray", kind: str) -> Iterable:
        """The same batch again and again, placed on the device: a step fed so never waits for input."""

    @abstractmethod
    def copy_to_device(self, arrays: Sequence["np.ndarray"], kind: str) -> Any:
        """Copies arrays of the host to the first device of a kind, as a step that they feed has to, and waits."""

    @abstractmethod
    def product(self, square: "np.ndarray", format: str, kind: str) -> Callable[[], Any]:
        """A function that multiplies a matrix with itself on the first device of a kind, and waits for it.

        Args:
            square: Float32, shape `(size, size)`.
            format: One of `precision.FORMATS`, in which it is multiplied.
            kind: `tpu`, `gpu` or `cpu`.
        """

    @abstractmethod
    def addition(self, length: int, kind: str) -> Callable[[], Any]:
        """A function that adds 1 to so many float32 on the first device of a kind, and waits: as fast as its memory.

        Sums are written where earlier ones were. In new memory they take five times as long on a CPU, for the kernel
        clears each of its pages first.
        """

    @abstractmethod
    def float32_format(self, kind: str) -> str:
        """One of `precision.FORMATS`: what the device multiplies in where a model is float32, unless told otherwise."""

    @abstractmethod
    def join(self, group: Group, kind: str) -> Device:
        """Meets the other processes of a group, and finds the devices of this one; before anything is computed.

        On a CPU the replicas of a process are stand-ins that share its cores, and take the same path as accelerators.

        Args:
            group: Who trains together.
            kind: One of `devices.DEVICES`.

        Returns:
            A device whose `replicas` are those of all processes, and in whose scope the model is built.

        Raises:
            DeviceAbsent: If there are fewer devices than replicas, or the framework cannot do it.
        """

    @abstractmethod
    def place_share(self, model: "keras.Model", images: "np.ndarray", labels: "np.ndarray") -> Any:
        """Puts this process' share of a batch on the devices of its replicas, for `shared_step`.

        Args:
            model: Built in the scope of the device that `join` gave.
            images: The share, shape `(share, size, size, 3)`.
            labels: Theirs, shape `(share,)`.
        """

    @abstractmethod
    def shared_step(self, model: "keras.Model", shares: Iterable) -> Callable[[], dict]:
        """A function that trains all replicas on the next batch that they share.

        Gradients are averaged over all of them. Every process of the group must call it equally often.

        Args:
            model: Compiled, built in the scope of the device that `join` gave.
            shares: What `place_share` gave, for as many steps as will be called, all of one size.

        Returns:
            A function that returns the running loss and metrics, as `train_step` gives them; `shared_logs` reads them.
        """

    def settle(self, step: Callable[[], dict]) -> None:
        """Has the model's variables hold what a function of `shared_step` has learnt, and it go on from what they hold.

        They do in any case where a step works on the variables themselves.
        """
        del step

    @abstractmethod
    def shared_logs(self, logs: dict) -> dict[str, float]:
        """The running loss and metrics over the global batches; every process of the group must ask."""


def loss_in_training(model: Any) -> Callable[[tuple], Any]:
    """A function of a batch that gives the loss as Keras' own training step computes it, where variables are at hand.

    Args:
        model: A Keras model on TensorFlow or torch; JAX hands its state in.
    """
    options = {"training": True} if model._call_has_training_arg else {}

    def loss(batch: tuple) -> Any:
        images, labels = batch
        predicted = model(images, **options)
        return model._compute_loss(x=images, y=labels, y_pred=predicted, training=True)

    return loss


@cache
def get(name: str) -> Backend:
    """A backend by name; imports its framework.

    Raises:
        InputError: If there is no such backend.
    """
    one_of("backend", name, BACKENDS)
    module, implementation = BACKENDS[name].implementation.split(":")
    return getattr(import_module(f"{__name__}.{module}"), implementation)()


def is_installed(name: str) -> bool:
    """Whether the framework of a backend is installed, asked without importing it."""
    return find_spec(BACKENDS[name].framework) is not None


def default() -> str:
    """The backend where none is named: the first of `BACKENDS` that is installed, TensorFlow where none is."""
    return next((name for name in BACKENDS if is_installed(name)), "tensorflow")


def name_from_environment() -> str:
    """The backend that KERAS_BACKEND names; the first that is installed unless it is set."""
    name = os.environ.get("KERAS_BACKEND") or default()
    one_of("KERAS_BACKEND", name, BACKENDS)
    return name


def choose(asked: str | None = None) -> str:
    """The backend that an option asks for, or else `name_from_environment`, installed or not.

    Raises:
        InputError: If there is no such backend, or KERAS_BACKEND names another.
    """
    name = asked or name_from_environment()
    one_of("backend", name, BACKENDS)
    if asked and os.environ.get("KERAS_BACKEND", asked) not in (asked, ""):
        raise InputError(
            f"`--backend` and KERAS_BACKEND must agree. Received: --backend {asked} and "
            f"KERAS_BACKEND={os.environ['KERAS_BACKEND']}. Unset the variable, or leave out the option"
        )
    return name


def check_installed(name: str) -> None:
    """Checks that the framework of a backend is installed.

    Raises:
        InputError: If not; says which others are.
    """
    if is_installed(name):
        return
    spec, there = BACKENDS[name], [other for other in BACKENDS if is_installed(other)]
    others = f", or choose `--backend {there[0]}`, which is" if there else ""
    extras = [spec.extras[0], *(BACKENDS[other].extras[0] for other in there)]
    install = f"`make bench EXTRAS=[{','.join(extras)}]`"
    raise InputError(f"`backend` must be installed. Received: {name}, without {spec.framework}: {install}{others}")
