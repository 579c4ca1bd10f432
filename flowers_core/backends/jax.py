"""Keras on JAX.

The weights move into the step, which hands their memory from call to call as `fit` does within an epoch: the model's
own variables are spent.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax

from flowers_core.backends import Backend
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.backends.precision import FORMATS

if TYPE_CHECKING:
    import keras
    import numpy as np


class Jax(Backend):
    """Keras' JAX backend; several GPUs or TPU cores share a batch by `keras.distribution.DataParallel`."""

    name = "jax"

    def connect(self, kind: str) -> Device:
        """Finds a device; see `Backend.connect`."""
        try:
            devices = jax.devices(kind)
        except RuntimeError as error:
            raise DeviceAbsent(f"JAX sees no {kind.upper()} here: {str(error).splitlines()[0]}") from error
        name = devices[0].device_kind
        if len(devices) == 1 or kind == "cpu":
            return Device(kind=kind, name=name, replicas=1, scope=lambda: jax.default_device(devices[0]))
        import keras

        distribution = keras.distribution.DataParallel(devices=devices)
        return Device(kind=kind, name=name, replicas=len(devices), scope=distribution.scope)

    def train_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], dict]:
        """A training step; see `Backend.train_step`."""
        iterator = epoch_iterator(batches)
        # Optimizer slots and metrics must exist before their values can be handed over; `fit` does the same.
        model._symbolic_build(data_batch=next(iterator))
        model.make_train_function()
        function: Any = model.train_function
        state = tuple(
            _values(variables)
            for variables in (
                model.trainable_variables,
                model.non_trainable_variables,
                model.optimizer.variables,
                model.metrics_variables,
            )
        )

        def step() -> dict:
            nonlocal state  # the compiled step takes its old state's memory: what it gives back must be kept
            logs, state = function(state, iterator)
            return logs

        return step

    def predict_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], Any]:
        """A prediction; see `Backend.predict_step`."""
        iterator = epoch_iterator(batches)
        model.make_predict_function()
        function: Any = model.predict_function
        state = (_values(model.trainable_variables), _values(model.non_trainable_variables))

        def step() -> Any:
            nonlocal state
            outputs, state = function(state, iterator)
            return outputs

        return step

    def synchronise(self, outputs: Any) -> Any:
        """Waits for the arrays of `outputs`."""
        return jax.block_until_ready(outputs)

    def make_deterministic(self) -> None:
        """On CPUs and TPUs it always is; on a GPU a flag of XLA's asks for it, read when the first step compiles."""
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()

    def peak_device_bytes(self, kind: str) -> int | None:
        """Peak memory of the first accelerator, where its allocator counts it."""
        if kind == "cpu":
            return None
        return (jax.devices(kind)[0].memory_stats() or {}).get("peak_bytes_in_use")

    def repeat_on_device(self, images: "np.ndarray", labels: "np.ndarray", kind: str) -> Iterable:
        """An endless generator of one batch on JAX's default device, that of the scope it is drawn in."""
        del kind
        batch = jax.device_put(images), jax.device_put(labels)
        while True:
            yield batch

    def copy_to_device(self, arrays: "Sequence[np.ndarray]", kind: str) -> Any:
        """Copies arrays; see `Backend.copy_to_device`."""
        return jax.block_until_ready(jax.device_put(list(arrays), jax.devices(kind)[0]))

    def product(self, square: "np.ndarray", format: str, kind: str) -> Callable[[], Any]:
        """A product of matrices; see `Backend.product`."""
        device = jax.devices(kind)[0]
        operand = jax.device_put(square, device).astype(FORMATS[format])
        chosen = {"float32": jax.lax.Precision.HIGHEST, "tf32": jax.lax.Precision.HIGH}.get(format)
        multiply = jax.jit(lambda left, right: jax.numpy.matmul(left, right, precision=chosen))
        return lambda: jax.block_until_ready(multiply(operand, operand))

    def addition(self, length: int, kind: str) -> Callable[[], Any]:
        """An addition; see `Backend.addition`."""
        source = jax.device_put(jax.numpy.zeros(length, "float32"), jax.devices(kind)[0])
        add = jax.jit(lambda numbers: numbers + 1)
        return lambda: jax.block_until_ready(add(source))

    def float32_format(self, kind: str) -> str:
        """On a GPU TF32, on a TPU products of bfloat16, unless `jax_default_matmul_precision` says otherwise."""
        if getattr(jax.config, "jax_default_matmul_precision", None) in ("highest", "float32"):
            return "float32"
        return {"gpu": "tf32", "tpu": "mixed_bfloat16"}.get(kind, "float32")


def epoch_iterator(batches: Iterable) -> Iterator:
    """Batches as `fit` draws them: each device has its share; on an accelerator one batch ahead of the step."""
    from keras.src.backend.jax.trainer import JAXEpochIterator  # not public: this is what `fit` itself draws from

    data: Any = batches if hasattr(batches, "element_spec") else (batch for batch in batches)  # no other iterable
    return iter(JAXEpochIterator(x=data, steps_per_execution=1)._get_iterator())


def _values(variables: Iterable) -> list:
    return [variable.value for variable in variables]
