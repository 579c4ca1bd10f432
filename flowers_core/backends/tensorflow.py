"""Keras on TensorFlow."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from flowers_core.backends import Backend, StepParts, loss_in_training
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.backends.precision import FORMATS
from flowers_core.backends.replicas import Group

if TYPE_CHECKING:
    import keras
    import numpy as np


class TensorFlow(Backend):
    """Keras' TensorFlow backend; several GPUs or TPU cores share a batch by a `tf.distribute` strategy."""

    name = "tensorflow"
    _task = ""  # this process' part in the names of devices, where several train one model

    def connect(self, kind: str) -> Device:
        """Finds a device; see `Backend.connect`."""
        if kind == "tpu":
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
            strategy = tf.distribute.TPUStrategy(resolver)
            return Device(kind="tpu", name="TPU", replicas=strategy.num_replicas_in_sync, scope=strategy.scope)
        if kind == "cpu":
            self.leave_gpus()
            return Device(kind="cpu", name="CPU", replicas=1, scope=nullcontext)
        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            raise DeviceAbsent(
                "TensorFlow sees no GPU here (install the extra `gpu`, and look at the driver with nvidia-smi)"
            )
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        if len(gpus) == 1:
            return Device(kind="gpu", name=name, replicas=1, scope=lambda: tf.device("/GPU:0"))
        strategy = tf.distribute.MirroredStrategy()
        return Device(kind="gpu", name=name, replicas=len(gpus), scope=strategy.scope)

    def leave_gpus(self) -> None:
        """Keeps TensorFlow off the GPUs: it would take their memory, and Keras would place the model on one."""
        tf.config.set_visible_devices([], "GPU")

    def train_step(self, model: "keras.Model", batches: Iterable, *, steps: int = 1) -> Callable[[], dict]:
        """A training step, or several in Keras' own loop, which draws its batches in the graph.

        See `Backend.train_step`.
        """
        iterator = _distribute(model, batches)
        if steps > 1:
            model.steps_per_execution = steps
        model.make_train_function()
        function: Any = model.train_function
        return lambda: function(iterator)

    def step_parts(self, model: "keras.Model", batches: Iterable) -> StepParts:
        """A training step in parts, by the loop over an iterator that Keras puts around its own step."""
        iterator = _distribute(model, batches)
        keras_model: Any = model
        forward = loss_in_training(model)

        def gradients(batch: tuple) -> tuple:
            with tf.GradientTape() as tape:
                loss = keras_model.optimizer.scale_loss(forward(batch))
            found = tape.gradient(loss, keras_model.trainable_weights)
            return loss, *(gradient for gradient in found if gradient is not None)

        stops: list[Any] = [keras_model._make_function(program) for program in (forward, gradients)]
        return StepParts(
            forward=lambda: stops[0](iterator),
            gradients=lambda: stops[1](iterator),
            step=self.train_step(model, batches),
        )

    def predict_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], Any]:
        """A prediction; see `Backend.predict_step`."""
        iterator = _distribute(model, batches)
        model.make_predict_function()
        function: Any = model.predict_function
        return lambda: function([next(iterator)])

    def synchronise(self, outputs: Any) -> Any:
        """Waits for the device; reading the loss alone would not wait for the update of the weights behind it."""
        if not self._task:
            tf.test.experimental.sync_devices()
        for device in tf.config.list_logical_devices() if self._task else ():
            if self._task in device.name:  # those of other processes cannot be asked
                with tf.device(device.name):
                    tf.raw_ops.SyncDevice()
        return outputs

    def make_deterministic(self) -> None:
        """As TensorFlow does it."""
        tf.config.experimental.enable_op_determinism()

    def peak_device_bytes(self, kind: str) -> int | None:
        """Peak memory of the first GPU; TensorFlow does not say that of a TPU."""
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if kind == "gpu" else None

    def repeat_on_device(self, images: "np.ndarray", labels: "np.ndarray", kind: str) -> Iterable:
        """An endless dataset of one batch, copied to a GPU beside the step before: the step never waits for it."""
        data = tf.data.Dataset.from_tensors((images, labels)).repeat()
        if kind == "gpu":
            with tf.device("/gpu:0"):
                data = data.apply(tf.data.experimental.copy_to_device("/gpu:0")).prefetch(1)
        return data

    def copy_to_device(self, arrays: "Sequence[np.ndarray]", kind: str) -> Any:
        """Copies arrays; see `Backend.copy_to_device`."""
        with tf.device(f"/{kind}:0"):
            return self.synchronise([tf.identity(tf.constant(array)) for array in arrays])

    def product(self, square: "np.ndarray", format: str, kind: str) -> Callable[[], Any]:
        """A product of matrices; see `Backend.product`."""
        with tf.device(f"/{kind}:0"):
            operand = tf.cast(tf.constant(square), FORMATS[format])

        @tf.function
        def multiply() -> Any:
            with tf.device(f"/{kind}:0"):
                return operand @ operand

        def work() -> Any:
            before = tf.config.experimental.tensor_float_32_execution_enabled()
            tf.config.experimental.enable_tensor_float_32_execution(format != "float32")
            try:
                return self.synchronise(multiply())
            finally:
                tf.config.experimental.enable_tensor_float_32_execution(before)

        return work

    def addition(self, length: int, kind: str) -> Callable[[], Any]:
        """An addition; see `Backend.addition`."""
        with tf.device(f"/{kind}:0"):
            source = tf.zeros((length,), tf.float32)

        @tf.function
        def add() -> Any:
            with tf.device(f"/{kind}:0"):
                return source + 1.0

        return lambda: self.synchronise(add())

    def float32_format(self, kind: str) -> str:
        """On a GPU TF32 where TensorFlow is allowed to, as it is unless told otherwise; on a TPU bfloat16."""
        allowed = kind == "gpu" and tf.config.experimental.tensor_float_32_execution_enabled()
        return "mixed_bfloat16" if kind == "tpu" else "tf32" if allowed else "float32"

    def join(self, group: Group, kind: str) -> Device:
        """`MirroredStrategy` in one process, `MultiWorkerMirroredStrategy` over several; see `Backend.join`."""
        if group.total == 1:
            return self.connect(kind)
        physical = tf.config.list_physical_devices(kind.upper())
        if kind == "cpu":
            self.leave_gpus()
            if group.processes > 1 and group.replicas > 1:
                raise DeviceAbsent("MultiWorkerMirroredStrategy takes a CPU for one replica; give `--replicas 1`")
            logical = [tf.config.LogicalDeviceConfiguration()] * group.replicas
            tf.config.set_logical_device_configuration(physical[0], logical)
        else:
            tf.config.set_visible_devices(group.local(physical, "TensorFlow"), kind.upper())
        strategy: Any = _strategy(group, kind)
        if group.processes > 1:
            self._task = f"/task:{group.rank}/"
        replicas = strategy.num_replicas_in_sync
        if replicas != group.total:
            raise DeviceAbsent(f"tf.distribute found {replicas} replicas, not {group.total}")
        return Device(kind=kind, name=kind.upper(), replicas=replicas, scope=strategy.scope)

    def place_share(self, model: "keras.Model", images: "np.ndarray", labels: "np.ndarray") -> Any:
        """A part of the share for each replica; see `Backend.place_share`."""
        strategy: Any = model.distribute_strategy
        local = strategy.extended._num_replicas_in_sync // _processes(strategy)
        images_each = len(images) // local

        def place(array: "np.ndarray") -> Any:
            def value(context: Any) -> Any:
                replica = context.replica_id_in_sync_group % local
                return tf.constant(array[replica * images_each : (replica + 1) * images_each])

            return strategy.experimental_distribute_values_from_function(value)

        return place(images), place(labels)

    def shared_step(self, model: "keras.Model", shares: Iterable) -> Callable[[], dict]:
        """A step by `strategy.run`: Keras' own loop cannot reduce what several processes return."""
        strategy: Any = model.distribute_strategy
        shares = iter(shares)
        first = next(shares)
        with strategy.scope():  # all variables before the step is traced: strategies make none within
            model._symbolic_build(data_batch=tuple(strategy.experimental_local_results(part)[0] for part in first))
            model.optimizer.build(model.trainable_variables)

        @tf.function
        def step(batch: Any) -> dict:
            logs = strategy.run(model.train_step, args=(batch,))
            return {name: strategy.reduce("MEAN", value, axis=None) for name, value in logs.items()}

        shares = chain([first], shares)
        return lambda: step(next(shares))

    def shared_logs(self, logs: dict) -> dict[str, float]:
        """The step has averaged them."""
        return {name: float(value) for name, value in logs.items()}


def _strategy(group: Group, kind: str) -> tf.distribute.Strategy:
    if group.processes == 1:
        return tf.distribute.MirroredStrategy([f"{kind.upper()}:{number}" for number in range(group.replicas)])
    task = {"type": "worker", "index": group.rank}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": group.addresses}, "task": task})
    return tf.distribute.MultiWorkerMirroredStrategy()


def _processes(strategy: Any) -> int:
    """How many processes a strategy spans."""
    resolver = strategy.cluster_resolver
    return max(1, len(resolver.cluster_spec().as_dict().get("worker", ()))) if resolver else 1


def _distribute(model: "keras.Model", batches: Iterable) -> Any:
    """An iterator that gives each replica its share of the global batch."""
    return iter(model.distribute_strategy.experimental_distribute_dataset(batches))
