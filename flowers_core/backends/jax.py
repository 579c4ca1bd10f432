"""Keras on JAX.

The weights move into the step, which hands their memory from call to call as `fit` does within an epoch: the model's
own variables are spent.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, cast

import jax

from flowers_core.backends import Backend, StepParts
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

    def train_step(self, model: "keras.Model", batches: Iterable, *, steps: int = 1) -> Callable[[], dict]:
        """A training step, or several in a loop that XLA compiles: Keras' own would call one after another from Python.

        See `Backend.train_step`.
        """
        if steps == 1:
            return _Step(model, epoch_iterator(batches))
        return _Steps(model, epoch_iterator(batches), steps, same_batch=isinstance(batches, _Repeated))

    def step_parts(self, model: "keras.Model", batches: Iterable) -> StepParts:
        """A training step in parts, all from the weights that the last step left."""
        iterator = epoch_iterator(batches)
        step, keras_model = _Step(model, iterator), cast("Any", model)

        def loss(state: tuple, batch: tuple, trainable: list) -> tuple:
            images, labels = batch
            _, non_trainable, optimizer, metrics = state
            found, (_, _, non_trainable, _) = keras_model.compute_loss_and_updates(
                trainable, non_trainable, metrics, images, labels, None, training=True, optimizer_variables=optimizer
            )
            return found, non_trainable

        def forward(state: tuple, batch: tuple) -> tuple:
            return loss(state, batch, state[0])

        def gradients(state: tuple, batch: tuple) -> tuple:
            return jax.value_and_grad(partial(loss, state, batch), has_aux=True)(state[0])

        stops = [jax.jit(program) for program in (forward, gradients)]
        return StepParts(
            forward=lambda: stops[0](step.state, next(iterator)[:2]),
            gradients=lambda: stops[1](step.state, next(iterator)[:2]),
            step=step,
        )

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
        """One batch without end on JAX's default device, that of the scope it is drawn in."""
        del kind
        return _Repeated(images, labels)

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
        numbers, sums = (jax.device_put(jax.numpy.zeros(length, "float32"), jax.devices(kind)[0]) for _ in range(2))
        add = jax.jit(lambda numbers, _: numbers + 1, donate_argnums=1, keep_unused=True)

        def work() -> Any:
            nonlocal sums
            sums = jax.block_until_ready(add(numbers, sums))
            return sums

        return work

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

    def place_share(self, model: "keras.Model", images: "np.ndarray", labels: "np.ndarray") -> Any:
        """Arrays that span all devices; see `Backend.place_share`."""
        import keras

        del model
        distribution = keras.distribution.distribution()
        if distribution is None:
            return jax.device_put(images), jax.device_put(labels)
        return tuple(
            jax.make_array_from_process_local_data(distribution.get_data_layout(array.shape).backend_layout, array)
            for array in (images, labels)
        )

    def shared_step(self, model: "keras.Model", shares: Iterable) -> Callable[[], dict]:
        """The step of one process, on arrays that span all devices; see `Backend.shared_step`."""
        shares = iter(shares)
        first = next(shares)
        return _SharedStep(model, chain([first, first], shares))  # the model is built by one that it does not train on

    def settle(self, step: Callable[[], dict]) -> None:
        """Weights move into a step, and back; see `Backend.settle`."""
        if not isinstance(step, _SharedStep):
            raise TypeError("a step of JAX's `shared_step` can be settled")
        step.settle()

    def shared_logs(self, logs: dict) -> dict[str, float]:
        """The step has computed them over the global batch."""
        return {name: float(value) for name, value in logs.items()}


class _Repeated:
    """The same batch again and again, placed on the device when the first is drawn."""

    def __init__(self, images: "np.ndarray", labels: "np.ndarray"):
        self._images, self._labels = images, labels

    def __iter__(self) -> Iterator[tuple]:
        return repeat((jax.device_put(self._images), jax.device_put(self._labels)))


class _Step:
    """A training step that draws batches which are placed already, and keeps the state between calls.

    Attributes:
        state: Values of the trainable and the other weights, of the optimizer and of the metrics. A call takes their
            memory and leaves new ones.
    """

    def __init__(self, model: "keras.Model", iterator: Iterator):
        # Optimizer slots and metrics must exist before their values can be handed over; `fit` does the same.
        model._symbolic_build(data_batch=next(iterator))
        model.make_train_function()
        self._iterator = iterator
        self._function: Any = model.train_function
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        self.state = tuple(map(_values, variables))

    def __call__(self) -> dict:
        logs, self.state = self._function(self.state, self._iterator)
        return logs


class _SharedStep(_Step):
    """A training step that gives the weights back to the model, which goes on from them."""

    def __init__(self, model: "keras.Model", iterator: Iterator):
        super().__init__(model, iterator)
        parts = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        self._variables = (*parts, model.metrics_variables)
        self.state = ()  # the variables' own

    def __call__(self) -> dict:
        self.state = self.state or tuple(map(_values, self._variables))
        return super().__call__()

    def settle(self) -> None:
        """Gives the weights back; the next call takes them from there."""
        for variables, values in zip(self._variables, self.state, strict=bool(self.state)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self.state = ()


class _Steps(_Step):
    """Several training steps a call, in a loop on the device."""

    def __init__(self, model: "keras.Model", iterator: Iterator, steps: int, *, same_batch: bool):
        """Prepares the loop.

        Args:
            model: Compiled.
            iterator: Of batches.
            steps: How many a call.
            same_batch: Whether all batches are one, which then is not copied for each step.
        """
        super().__init__(model, iterator)
        self._drawn = 1 if same_batch else steps

        def train(state: tuple, batch: tuple) -> tuple:
            logs, state = model.train_step(state, batch)
            return tuple(map(list, state)), logs

        def loop(state: tuple, batches: list[tuple]) -> tuple:
            if same_batch:
                state, logs = jax.lax.scan(lambda state, _: train(state, batches[0]), state, length=steps)
            else:
                stacked = jax.tree.map(lambda *arrays: jax.numpy.stack(arrays), *batches)
                state, logs = jax.lax.scan(train, state, stacked)
            return jax.tree.map(lambda values: values[-1], logs), state

        self._loop: Any = jax.jit(loop, donate_argnums=0)

    def __call__(self) -> dict:
        batches = [next(self._iterator) for _ in range(self._drawn)]
        logs, self.state = self._loop(self.state, batches)
        return logs


def epoch_iterator(batches: Iterable) -> Iterator:
    """Batches as `fit` draws them: each device has its share; on an accelerator one batch ahead of the step."""
    from keras.src.backend.jax.trainer import JAXEpochIterator  # not public: this is what `fit` itself draws from

    data: Any = batches if hasattr(batches, "element_spec") else (batch for batch in batches)  # no other iterable
    return iter(JAXEpochIterator(x=data, steps_per_execution=1)._get_iterator())


def _values(variables: Iterable) -> list:
    return [variable.value for variable in variables]
