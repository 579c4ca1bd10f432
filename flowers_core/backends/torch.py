"""Keras on PyTorch.

Keras' models keep channels last, and its torch backend hands them to cuDNN and oneDNN as channels-last memory without a
copy: there is no second layout to choose. Steps run eagerly unless `torch.compile` is asked for.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from flowers_core import resources
from flowers_core.backends import Backend, StepParts, loss_in_training, torch_graph
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.backends.precision import FORMATS
from flowers_core.backends.replicas import Group
from flowers_core.errors import InputError

if TYPE_CHECKING:
    import keras

_PLACES = {"gpu": "cuda:0", "cpu": "cpu"}

# Nothing writes into a batch: one that its source keeps for itself, as TensorFlow does, needs no copy.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


class Torch(Backend):
    """Keras' torch backend, on a CPU or the first CUDA device."""

    name = "torch"

    def connect(self, kind: str) -> Device:
        """Finds a device; see `Backend.connect`."""
        import keras

        if kind == "tpu":
            raise DeviceAbsent("Keras' torch backend reaches no TPU; use `--backend jax`")
        if kind == "cpu":
            if threads := resources.threads_under_quota():  # torch sees the cores, not the quota
                torch.set_num_threads(threads)
            return Device(kind="cpu", name="CPU", replicas=1, scope=lambda: keras.device("cpu"))
        if not torch.cuda.is_available():
            raise DeviceAbsent(_why_no_cuda())
        return Device(kind="gpu", name=torch.cuda.get_device_name(0), replicas=1, scope=lambda: keras.device("cuda:0"))

    def train_step(self, model: "keras.Model", batches: Iterable, *, steps: int = 1) -> Callable[[], dict]:
        """A training step; see `Backend.train_step`.

        Raises:
            InputError: If there are to be several a call: torch has no loop over steps on the device.
        """
        if steps > 1:
            raise InputError(f"`steps` must be 1 on torch, where a call trains one step. Received: steps={steps}")
        iterator = tensors(batches)
        # Optimizer slots and metrics are made on a first batch, before anything is compiled; `fit` does the same.
        model._symbolic_build(data_batch=next(iterator))
        model.make_train_function()
        function: Any = model.train_function
        module: Any = model  # Keras' models are torch's modules here
        module.train()
        return lambda: function([next(iterator)])

    def step_parts(self, model: "keras.Model", batches: Iterable) -> StepParts:
        """A training step in parts; the forward pass keeps what the backward one would need, as in the step."""
        iterator, step = tensors(batches), self.train_step(model, batches)
        keras_model: Any = model
        forward = loss_in_training(model)

        def gradients(batch: tuple) -> torch.Tensor:
            loss = forward(batch)
            keras_model.zero_grad()
            keras_model.optimizer.scale_loss(loss).backward()
            return loss.detach()

        stops: list[Any] = [forward, gradients]
        if keras_model._should_torch_compile():
            stops = torch_graph.parts(model, stops)
        return StepParts(
            forward=lambda: stops[0](next(iterator)), gradients=lambda: stops[1](next(iterator)), step=step
        )

    def predict_step(self, model: "keras.Model", batches: Iterable) -> Callable[[], Any]:
        """A prediction; see `Backend.predict_step`."""
        iterator = tensors(batches)
        model.make_predict_function()
        function: Any = model.predict_function
        module: Any = model
        module.eval()
        return lambda: function([next(iterator)[:1]])

    def compile_whole(self, model: "keras.Model") -> None:
        """One graph a step; see `torch_graph`."""
        torch_graph.use(model)

    def synchronise(self, outputs: Any) -> Any:
        """Waits for the GPU, if there is one; a CPU has computed what a step returns."""
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return outputs

    def make_deterministic(self) -> None:
        """As torch does it; it refuses an operation that has no deterministic form."""
        torch.use_deterministic_algorithms(mode=True)

    def peak_device_bytes(self, kind: str) -> int | None:
        """Peak memory of the first CUDA device that tensors took; torch's allocator may hold more."""
        return torch.cuda.max_memory_allocated() if kind == "gpu" else None

    def repeat_on_device(self, images: "np.ndarray", labels: "np.ndarray", kind: str) -> Iterable:
        """An endless generator of one batch on the device."""
        batch = torch.from_numpy(images).to(_PLACES[kind]), torch.from_numpy(labels).to(_PLACES[kind])
        while True:
            yield batch

    def copy_to_device(self, arrays: Sequence[np.ndarray], kind: str) -> Any:
        """Copies arrays; see `Backend.copy_to_device`."""
        return self.synchronise([torch.from_numpy(array).to(_PLACES[kind], copy=True) for array in arrays])

    def product(self, square: np.ndarray, format: str, kind: str) -> Callable[[], Any]:
        """A product of matrices; see `Backend.product`."""
        operand = torch.from_numpy(square).to(_PLACES[kind], getattr(torch, FORMATS[format]))

        def multiply() -> Any:
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("high" if format == "tf32" else "highest")
            try:
                return self.synchronise(operand @ operand)
            finally:
                torch.set_float32_matmul_precision(before)

        return multiply

    def addition(self, length: int, kind: str) -> Callable[[], Any]:
        """An addition; see `Backend.addition`."""
        numbers = torch.zeros(length, device=_PLACES[kind])
        sums = torch.empty_like(numbers)
        return lambda: self.synchronise(torch.add(numbers, 1, out=sums))

    def float32_format(self, kind: str) -> str:
        """On a GPU that has TF32, that is what cuDNN convolves in, though other products are of float32."""
        if kind != "gpu" or torch.cuda.get_device_capability() < (8, 0) or not torch.backends.cudnn.allow_tf32:
            return "float32"
        return "tf32"

    def join(self, group: Group, kind: str) -> Device:
        """`torch.distributed`, by NCCL between GPUs and gloo between CPUs; see `Backend.join`."""
        if group.replicas > 1:
            raise DeviceAbsent("torch has a process for each replica")
        device = self.connect(kind)
        if kind == "gpu":
            numbers = list(range(torch.cuda.device_count()))
            number = group.local(numbers, "torch")[0]
            torch.cuda.set_device(number)
            name = torch.cuda.get_device_name(number)
            device = replace(device, name=name, scope=lambda: _keras_device(f"cuda:{number}"))
        if group.processes == 1:
            return device
        torch.distributed.init_process_group(
            "nccl" if kind == "gpu" else "gloo",
            init_method=f"tcp://{group.addresses[0]}",
            rank=group.rank,
            world_size=group.processes,
            timeout=timedelta(seconds=group.meet_seconds),
        )
        return replace(device, replicas=group.total)

    def place_share(self, model: "keras.Model", images: "np.ndarray", labels: "np.ndarray") -> Any:
        """Tensors on this process' device; see `Backend.place_share`."""
        del model
        return next(tensors([(images, labels)]))

    def shared_step(self, model: "keras.Model", shares: Iterable) -> Callable[[], dict]:
        """Keras' own step with the forward pass through `DistributedDataParallel`, which averages the gradients."""
        shares = iter(shares)
        first = next(shares)
        module: Any = model
        module._symbolic_build(data_batch=first)
        module.train()
        parallel = torch.nn.parallel.DistributedDataParallel(module) if torch.distributed.is_initialized() else module
        shares = chain([first], shares)

        def step() -> dict:
            images, labels = next(shares)
            predicted = parallel(images, training=True)
            module.zero_grad()
            loss = module._compute_loss(x=images, y=labels, y_pred=predicted, sample_weight=None, training=True)
            module._loss_tracker.update_state(loss, sample_weight=len(images))
            module.optimizer.scale_loss(loss).backward()
            weights = module.trainable_weights[:]
            with torch.no_grad():
                module.optimizer.apply([weight.value.grad for weight in weights], weights)
            return module.compute_metrics(images, labels, predicted, None)

        return step

    def shared_logs(self, logs: dict) -> dict[str, float]:
        """The means over all processes, which saw equally many images."""
        means = torch.stack([torch.as_tensor(value).detach().float() for value in logs.values()])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(means)
            means /= torch.distributed.get_world_size()
        return dict(zip(logs, means.tolist(), strict=True))


def _keras_device(name: str) -> Any:
    import keras

    return keras.device(name)


def tensors(batches: Iterable) -> Iterator[tuple[torch.Tensor, ...]]:
    """Batches as tensors on Keras' device: NumPy arrays share their memory on a CPU, and are copied to a GPU."""
    from keras.src.backend.torch.core import get_device  # not public: where Keras puts whatever it makes

    for batch in batches:
        yield tuple(_tensor(array).to(get_device(), non_blocking=True) for array in batch)


def _tensor(array: Any) -> torch.Tensor:
    """A tensor as it is; the memory of anything else that NumPy understands, such as a tensor of TensorFlow."""
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.asarray(array))


def _why_no_cuda() -> str:
    """Why torch sees no GPU: its build, the driver, or none there."""
    if not torch.backends.cuda.is_built():
        return f"torch {torch.__version__} is a build without CUDA; install one with it"
    with warnings.catch_warnings(record=True) as caught:  # of a driver that is missing or too old
        warnings.simplefilter("always")
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return f"torch sees no GPU here: {str(error).splitlines()[0]}"
    return f"torch sees no GPU here: {str(caught[0].message).splitlines()[0] if caught else 'it names no reason'}"
