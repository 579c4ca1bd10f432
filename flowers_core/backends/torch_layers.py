"""Keras' layers on torch, written so that Inductor makes fast code of them; they stand in while a graph is recorded.

Each is an operation of known gradient, of arithmetic on whole images as Keras lays them, `(batch, rows, columns,
channels)`. Torch's own are closed to Inductor, or are sums and scattered writes that it does number after number.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import product
from math import prod
from operator import mod
from typing import Any

import keras
import torch
from keras.src.backend.torch import nn  # not public: where Keras computes losses and pooling

_MOST_PLACES = 256  # in a window: bfloat16 counts them exactly


@contextmanager
def replace_layers(*, on_cpu: bool) -> Iterator[None]:
    """Has Keras use ours, and take cross-entropy from logits, meanwhile.

    Args:
        on_cpu: Whether to replace the maximum of windows, too, for which a GPU has fast operations.
    """
    with ExitStack() as stack:
        stack.enter_context(_own_normalization())
        stack.enter_context(_loss_of_logits())
        if on_cpu:
            stack.enter_context(_own_maximum())
        yield


class _Normalized(torch.autograd.Function):
    """Images normalised by their own statistics, with these; by Keras' formulas, see `ops.moments`.

    torch's own takes the variance from differences, number after number, which costs as much time again. Sums are taken
    over a row of an image, then over all rows: Inductor sums 16 channels at a time, and a row that they share stays in
    cache meanwhile.
    """

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float) -> tuple:
        numbers = images.flatten(0, 1).float()
        mean, squares = (_sum_pixels(part) / images[..., 0].numel() for part in (numbers, numbers * numbers))
        variance = (squares - mean * mean).clamp(min=0)
        scale = torch.rsqrt(variance + epsilon)
        ctx.save_for_backward(images, gamma, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        outputs = ((numbers - mean) * (scale * gamma) + beta).to(images.dtype)
        return outputs.reshape(images.shape), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        images, gamma, mean, scale = ctx.saved_tensors
        given, pixels = gradients[0].flatten(0, 1).float(), images[..., 0].numel()
        apart = images.flatten(0, 1).float() - mean
        of_beta, of_gamma = _sum_pixels(given), _sum_pixels(given * apart) * scale
        found = (given - of_beta / pixels - apart * (scale * of_gamma / pixels)) * (gamma * scale)
        return found.to(images.dtype).reshape(images.shape), of_gamma, of_beta, None


def _sum_pixels(rows: torch.Tensor) -> torch.Tensor:
    """Of each channel, `(rows, columns, channels)`."""
    return rows.sum(dim=1).sum(dim=0)


@contextmanager
def _own_normalization() -> Iterator[None]:
    """Has batch normalisation in training be ours while a graph is recorded; see `BatchNormalization.call`."""
    layer: Any = keras.layers.BatchNormalization
    own = layer.call

    def call(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        plain = self.axis in (-1, inputs.dim() - 1) and not (self.renorm or self.synchronized) and mask is None
        if not (training and self.trainable and plain and inputs.dim() == 4):
            return own(self, inputs, training=training, mask=mask)
        new = partial(torch.full, (inputs.shape[-1],), dtype=torch.float32, device=inputs.device)
        gamma = self.gamma.value if self.scale else new(fill_value=1.0)
        beta = self.beta.value if self.center else new(fill_value=0.0)
        outputs, mean, variance = _Normalized.apply(inputs, gamma, beta, self.epsilon)
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + now * (1 - self.momentum))
        return outputs

    with _replace(layer, "call", call):
        yield


class _Maximum(torch.autograd.Function):
    """The maximum of each window, of windows that cover images; the first of equals learns, as in torch.

    Torch keeps the place of each maximum in 8 bytes, clears the gradients, and writes them one by one. Here a place in
    a window is a number in the images' own precision, and each pixel asks whether it was chosen: both are passes over
    memory in its order. Where windows overlap, a pixel would ask several, and where they leave a border, whether
    it lies there: both are slower than torch's way, a border of 331 pixels so much that a step took 390 ms, not 270.
    """

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, sizes: tuple[int, int]) -> torch.Tensor:
        highest, *others = (
            images[:, row :: sizes[0], column :: sizes[1]] for row, column in product(*map(range, sizes))
        )
        chosen = torch.zeros_like(highest)
        for number, part in enumerate(others, 1):
            chosen = torch.where(part > highest, number, chosen)
            highest = torch.maximum(highest, part)
        kept = chosen.as_strided(chosen.shape, chosen.stride())  # or Inductor computes it anew for each pixel
        ctx.save_for_backward(kept)
        ctx.sizes = sizes
        return highest

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple:
        (chosen,), (rows, columns) = ctx.saved_tensors, ctx.sizes
        own = torch.arange(float(rows * columns), device=chosen.device).view(rows, 1, columns, 1)
        windows, given = (values[:, :, None, :, None] for values in (chosen, gradients[0]))
        return torch.where(windows == own, given, 0.0).flatten(3, 4).flatten(1, 2), None


@contextmanager
def _own_maximum() -> Iterator[None]:
    """Has the maximum of windows side by side that leave no border be ours, see `keras.ops.max_pool`."""
    own = nn.max_pool

    def maximum(
        inputs: torch.Tensor, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
    ) -> torch.Tensor:
        given = (pool_size, strides or pool_size)
        sizes, steps = ((value,) * 2 if isinstance(value, int) else tuple(value) for value in given)
        is_keras = inputs.dim() == 4 and (data_format or keras.config.image_data_format()) == "channels_last"
        if not is_keras or sizes != steps or prod(sizes) > _MOST_PLACES or any(map(mod, inputs.shape[1:3], sizes)):
            return own(inputs, pool_size, strides, padding, data_format)
        return _Maximum.apply(inputs, sizes)

    with _replace(nn, "max_pool", maximum):
        yield


@contextmanager
def _loss_of_logits() -> Iterator[None]:
    """Has cross-entropy use the logits that Keras' softmax leaves with its result, while a graph is recorded."""
    own = nn.sparse_categorical_crossentropy

    def loss(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
        logits = None if from_logits else getattr(output, "_keras_logits", None)
        return own(target, output if logits is None else logits, from_logits or logits is not None, axis)

    with _replace(nn, "sparse_categorical_crossentropy", loss):
        yield


@contextmanager
def _replace(owner: Any, name: str, ours: Callable) -> Iterator[None]:
    """Puts ours in the place of a function of Keras', which then comes back."""
    own = getattr(owner, name)
    setattr(owner, name, ours)
    try:
        yield
    finally:
        setattr(owner, name, own)
