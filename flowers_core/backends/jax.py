"""Keras on JAX.

The weights move into the step, which hands their memory from call to call as `fit` does within an epoch: the model's
own variables are spent.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import jax

from flowers_core.backends import Backend
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.backends.precision import FORMATS
from flowers_core.backends.replicas import Group

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
        return self._step(model, epoch_iterator(batches))

    def _step(self, model: "keras.Model", iterator: Iterator) -> Callable[[], dict]:
        """A training step that draws batches which are placed already."""
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

    def join(self, group: Group, kind: str) -> Device:
        """`keras.distribution.DataParallel` over the devices of all processes; see `Backend.join`."""
        if kind == "cpu":
            jax.config.update("jax_num_cpu_devices", group.replicas)
        if group.processes > 1:
            own = range(group.first_device, group.first_device + group.replicas)
            jax.distributed.initialize(
                group.addresses[0],
                group.processes,
                group.rank,
                local_device_ids=None if kind == "cpu" else list(own),
                initialization_timeout=int(group.meet_seconds),
                heartbeat_timeout_seconds=int(group.meet_seconds),  # whoever started us notices sooner
            )
        if group.total == 1:
            return self.connect(kind)
        try:
            devices = jax.devices(kind)
        except RuntimeError as error:
            raise DeviceAbsent(f"JAX sees no {kind.upper()} here: {str(error).splitlines()[0]}") from error
        hosts: dict[int, list] = {}
        for device in devices:
            hosts.setdefault(device.process_index, []).append(device)
        import keras

        seen = replace(group, first_device=0) if group.processes > 1 else group  # each process sees its own alone
        chosen = [device for host in hosts.values() for device in seen.local(host, "JAX")]
        distribution = keras.distribution.DataParallel(devices=chosen)
        return Device(kind=kind, name=chosen[0].device_kind, replicas=len(chosen), scope=distribution.scope)

    def shared_step(self, model: "keras.Model", images: "np.ndarray", labels: "np.ndarray") -> Callable[[], dict]:
        """A step on arrays that span all devices; see `Backend.shared_step`."""
        import keras

        distribution = keras.distribution.distribution()
        if distribution is None:
            batch = jax.device_put(images), jax.device_put(labels)
        else:
            batch = tuple(
                jax.make_array_from_process_local_data(distribution.get_data_layout(array.shape).backend_layout, array)
                for array in (images, labels)
            )
        return self._step(model, repeat(batch))

    def shared_loss(self, logs: dict) -> float:
        """The step has computed it over the global batch."""
        return float(logs["loss"])


def epoch_iterator(batches: Iterable) -> Iterator:
    """Batches as `fit` draws them: each device has its share; on an accelerator one batch ahead of the step."""
    from keras.src.backend.jax.trainer import JAXEpochIterator  # not public: this is what `fit` itself draws from

    data: Any = batches if hasattr(batches, "element_spec") else (batch for batch in batches)  # no other iterable
    return iter(JAXEpochIterator(x=data, steps_per_execution=1)._get_iterator())


def _values(variables: Iterable) -> list:
    return [variable.value for variable in variables]
