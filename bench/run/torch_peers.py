"""Models of timm, and ours in plain torch.nn, as training steps on torch: what a peer takes on the same batch and size.

As torch's users train: channels last, autocast in the mixed precisions, Adam, `torch.compile` where asked for.
FLOPs are counted by the rules of `flowers_core.train.flops`, from the modules as they run; additions between modules,
some thousandths of all, are not seen.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from math import prod
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import Cell
from bench.run import product, torch_models
from bench.run.product import InputError, Unsuitable

EXTRA = "install timm, and the torchvision that fits torch: `pip install timm torchvision`"
_MOVES = ("Identity", "Dropout", "Flatten", "DropPath")  # modules that compute nothing


def build_model(cell: Cell, device: Any, *, classes: int) -> Any:
    """A model on the device, channels last, without pretrained weights.

    Raises:
        Unsuitable: If timm cannot be imported.
        InputError: If timm has no such model, or it takes no images of the cell's size.
    """
    with device.scope():
        if user_code.peers_library(cell.model) == "torch":
            model = torch_models.MODELS[user_code.peer(cell.model)](image_size=cell.image_size, classes=classes)
        else:
            model = _of_timm(cell.model, classes=classes)
        import torch

        model = model.to(place(cell), memory_format=torch.channels_last)
    return torch.compile(model) if cell.torch_compile else model


def _of_timm(model: str, *, classes: int) -> Any:
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torchvision raises the latter where it does not fit torch
        raise Unsuitable(f"{user_code.readable(model)} needs timm: {error}. To measure it, {EXTRA}") from error
    name = user_code.peer(model)
    if not timm.is_model(name):  # it knows older names, too
        meant = "".join(f"; did you mean timm:{close}?" for close in get_close_matches(name, timm.list_models(), n=1))
        raise InputError(f"`model` must be one of timm's (`timm.list_models()`). Received: {model}{meant}")
    return timm.create_model(name, pretrained=False, num_classes=classes)


def place(cell: Cell) -> str:
    """Torch's name of the cell's device."""
    return "cuda:0" if cell.device == "gpu" else cell.device


def step(model: Any, cell: Cell, batches: Iterable) -> Callable[[], Any]:
    """One training step or prediction on the next batch, not synchronised; see `programs`."""
    return programs(model, cell, batches)["step"]


def programs(model: Any, cell: Cell, batches: Iterable) -> dict[str, Callable[[], Any]]:
    """One training step or prediction on the next batch as `step`, not synchronised; of training its beginnings, too.

    Args:
        model: Of `build_model`.
        cell: What is measured.
        batches: Images, shape `(batch, size, size, 3)`, float32 in [0, 1] or uint8, and labels.

    Returns:
        Functions by `bench.results.measurement.PROGRAMS`. The step gives the loss as Keras does, in logs; a prediction
        probabilities, `(batch, classes)`.
    """
    import torch

    kind = place(cell).partition(":")[0]
    tensors = _channels_first(product.find("backends.torch:tensors")(batches))
    half = {"mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}.get(cell.precision)
    autocast = torch.autocast(kind, half, enabled=half is not None)
    if cell.mode == "predict":
        return {"step": _prediction(model.eval(), tensors, autocast)}
    model.train()
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learning, fused=kind == "cuda" or user_code.peers_library(cell.model) == "torch")
    scaler = torch.amp.GradScaler(kind, enabled=cell.precision == "mixed_float16")

    def forward() -> Any:
        images, labels = next(tensors)
        with autocast:
            return torch.nn.functional.cross_entropy(model(images), labels)

    def gradients() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = forward()
        scaler.scale(loss).backward()
        return loss.detach()

    def train() -> dict:
        loss = gradients()
        scaler.step(optimizer)
        scaler.update()
        return {"loss": loss}

    return {"forward": forward, "gradients": gradients, "step": train}


def _prediction(model: Any, tensors: Iterator, autocast: Any) -> Callable[[], Any]:
    import torch

    def predict() -> Any:
        images, _ = next(tensors)
        with torch.inference_mode(), autocast:
            return torch.softmax(model(images).float(), dim=1)

    return predict


def _channels_first(batches: Iterator) -> Iterator:
    """Images as torch's models take them: the same memory, which is channels last, under another shape."""
    for images, labels in batches:
        floats = images if images.is_floating_point() else images.float() / 255
        yield floats.permute(0, 3, 1, 2), labels.long()


def cost(model: Any, cell: Cell) -> Any:
    """What an image costs in a step, by the same rules as a Keras model's: a `flowers_core.train.flops.StepCost`.

    Raises:
        Unsuitable: If the commit does not count.
        InputError: If a module with weights is of a kind for which there is no rule.
    """
    count = product.find("train.flops:cost_of_layers")
    numbers = 3 * cell.image_size**2
    return count(
        layers(model, cell.image_size), numbers, mode=cell.mode, batch_size=cell.batch_size, precision=cell.precision
    )


def layers(model: Any, image_size: int) -> list[Any]:
    """The cost of each module that computes, in the order of computation, found without computing anything."""
    import torch

    known, costs = product.find("train.flops:LayerCost"), []
    plain = copy.deepcopy(getattr(model, "_orig_mod", model)).to("meta").eval()

    def count(module: Any, given: tuple, output: Any) -> None:
        shape, weights = tuple(output.shape[1:]), list(module.parameters(recurse=False))
        multiply_adds, others = _operations(module, prod(shape), given[0])
        costs.append(
            known(
                name=type(module).__name__,
                output_shape=shape,
                parameters=sum(weight.numel() for weight in weights),
                trainable_parameters=sum(weight.numel() for weight in weights if weight.requires_grad),
                multiply_adds=multiply_adds,
                flops=2 * multiply_adds + others,
                activation_bytes=0 if type(module).__name__ in _MOVES else 4 * prod(shape),
            )
        )

    for module in plain.modules():
        if not list(module.children()) or list(module.parameters(recurse=False)):
            module.register_forward_hook(count)
    with torch.no_grad():
        plain(torch.zeros(1, 3, image_size, image_size, device="meta"))
    return costs


def _operations(module: Any, elements: int, given: Any) -> tuple[int, int]:
    """Multiply-adds, and the operations that are none, of one forward pass of one module."""
    from torch import nn

    if isinstance(module, nn.Conv2d | nn.Linear):
        return elements // module.weight.shape[0] * module.weight.numel(), elements * (module.bias is not None)
    if isinstance(module, nn.BatchNorm2d):
        return 0, 2 * elements
    if list(module.parameters(recurse=False)):
        raise InputError(
            f"No rule counts a module of kind {type(module).__name__}: add one to bench/run/torch_peers.py"
        )
    if type(module).__name__ in _MOVES:
        return 0, 0
    if isinstance(module, nn.MaxPool2d):
        side = module.kernel_size if isinstance(module.kernel_size, int) else max(module.kernel_size)
        return 0, elements * side**2
    pools = "Pool" in type(module).__name__
    return 0, given.shape[1:].numel() if pools else elements
