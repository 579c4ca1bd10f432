"""The codelab's models in plain torch.nn: peers of our Keras models, of the same layers, weights and operations.

They are written as torch's users write them. A layer with a stride of 2 pads both sides, where Keras pads bottom and
right alone if the side is even: outputs are of the same shape, and the same work. The last layer gives logits, which
torch's loss takes. Nothing is imported until a model is built: the harness runs where there is no torch.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from bench.machine.own import lazy

nn: Any = lazy.Lazy("torch.nn")  # also of annotations: a module is `Any`

_EPSILON = 1e-3  # of Keras' normalisation
_CODELAB_NORM = {"eps": _EPSILON, "momentum": 0.1}  # what Keras calls a momentum of 0.9


@cache
def _own_modules() -> SimpleNamespace:
    """The modules that torch has not; classes of its own can be made only where it is installed."""
    import torch

    class Flatten(torch.nn.Module):
        """Rows, columns, channels, as Keras flattens: of channels-last memory a view, in torch's order a copy."""

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return maps.permute(0, 2, 3, 1).flatten(1)

    class Fire(torch.nn.Module):
        """Squeezes to few channels with 1x1, then expands with 1x1 and 3x3 side by side."""

        def __init__(self, squeeze: torch.nn.Module, expand1x1: torch.nn.Module, expand3x3: torch.nn.Module):
            super().__init__()
            self.squeeze, self.expand1x1, self.expand3x3 = squeeze, expand1x1, expand3x3

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            squeezed = self.squeeze(maps)
            return torch.cat((self.expand1x1(squeezed), self.expand3x3(squeezed)), dim=1)

    class Residual(torch.nn.Module):
        """A stack of layers and a shortcut past it, added."""

        def __init__(self, layers: Iterable[torch.nn.Module], shortcut: torch.nn.Module | None = None):
            super().__init__()
            self.layers, self.shortcut = torch.nn.Sequential(*layers), shortcut or torch.nn.Identity()

        def forward(self, maps: torch.Tensor) -> torch.Tensor:
            return self.layers(maps) + self.shortcut(maps)

    class Frozen(torch.nn.Sequential):
        """A base that never changes: no gradients, and its normalisation keeps to its statistics in training, too."""

        def __init__(self, *layers: torch.nn.Module):
            super().__init__(*layers)
            self.requires_grad_(requires_grad=False)

        def train(self, mode: bool = True) -> Any:
            del mode
            return super().train(mode=False)

    return SimpleNamespace(Flatten=Flatten, Fire=Fire, Residual=Residual, Frozen=Frozen)


def dense_single(*, image_size: int, classes: int) -> Any:
    """One layer on the pixels."""
    return nn.Sequential(_own_modules().Flatten(), nn.Linear(3 * image_size**2, classes))


def dense(*, image_size: int, classes: int) -> Any:
    """Dense layers of 500, 50 and `classes` units."""
    widths = (3 * image_size**2, 500, 50)
    hidden = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(_own_modules().Flatten(), *hidden, nn.Linear(widths[-1], classes))


_PAIRS = ((32, 32), (32, 32), (32, 32), (32, 32), (16, 8))  # filters of the 3x3 and the 1x1 of each pair


def convnet(*, image_size: int, classes: int) -> Any:
    """Ten convolutions with four poolings, then a dense layer."""
    layers, channels = [], 3
    for number, pair in enumerate(_PAIRS, 1):
        layers += _convolutions(channels, pair, sizes=(3, 1))
        layers += [nn.MaxPool2d(2)] * (number < len(_PAIRS))
        channels = pair[-1]
    return nn.Sequential(*layers, _own_modules().Flatten(), nn.Linear(channels * (image_size // 16) ** 2, classes))


def convnet_unpooled(*, image_size: int, classes: int) -> Any:
    """The same ten at full size, then a global average."""
    del image_size
    filters = [number for pair in _PAIRS for number in pair]
    return nn.Sequential(*_convolutions(3, filters, sizes=(3, 1) * len(_PAIRS)), *_average(filters[-1], classes))


def convnet_gap(*, image_size: int, classes: int) -> Any:
    """Six convolutions with four poolings, a 1x1 convolution, a global average."""
    del image_size
    return nn.Sequential(*_trunk(), *_convolutions(130, (40,), sizes=(1,)), *_average(40, classes))


def convnet_gap_dense(*, image_size: int, classes: int) -> Any:
    """The same six, a global average, and a dense layer of 90."""
    del image_size
    return nn.Sequential(*_trunk(), *_average(130, 90), nn.ReLU(inplace=True), nn.Linear(90, classes))


def _trunk() -> list[Any]:
    first, *others = (16, 30, 60, 90, 110, 130)
    layers, channels = _convolutions(3, (first,), sizes=(3,)), first
    for number, filters in enumerate(others):
        layers += [nn.MaxPool2d(2)] * (number > 0)
        layers += _convolutions(channels, (filters,), sizes=(3,))
        channels = filters
    return layers


def _convolutions(channels: int, filters: Sequence[int], *, sizes: Sequence[int]) -> list[Any]:
    """Convolutions one after another, each with its relu."""
    layers = []
    for count, size in zip(filters, sizes, strict=True):
        layers += [nn.Conv2d(channels, count, size, padding=size // 2), nn.ReLU(inplace=True)]
        channels = count
    return layers


def _average(channels: int, units: int, dropout: float = 0.0) -> list[Any]:
    """A global average and a dense layer."""
    dropped = [nn.Dropout(dropout)] if dropout else []
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropped, nn.Linear(channels, units)]


def squeezenet(*, image_size: int, classes: int) -> Any:
    """Five fire modules, normalised after the relu."""
    del image_size
    return nn.Sequential(*_five_fires(_relu_then_norm), *_average(48, classes))


def squeezenet_small(*, image_size: int, classes: int) -> Any:
    """Three fire modules without normalisation."""
    del image_size
    layers, channels = [_relu(3, 32, 3)], 32
    for _ in range(2):
        layers += [_fire(channels, 24, 48, _relu), nn.MaxPool2d(2)]
        channels = 48
    return nn.Sequential(*layers, _fire(channels, 24, 48, _relu), *_average(48, classes))


def squeezenet_331(*, image_size: int, classes: int) -> Any:
    """Five fire modules, normalised before the relu, and dropout."""
    del image_size
    return nn.Sequential(*_five_fires(_norm_then_relu), *_average(48, classes, dropout=0.4))


_Convolution = Callable[[int, int, int], Any]


def _five_fires(convolution: _Convolution) -> list[Any]:
    layers, channels = [_relu_then_norm(3, 32, 3)], 32
    for squeeze, expand in ((24, 48), (48, 96), (64, 128), (48, 96)):
        layers += [_fire(channels, squeeze, expand, convolution), nn.MaxPool2d(2)]
        channels = expand
    return [*layers, _fire(channels, 24, 48, convolution)]


def _fire(channels: int, squeeze: int, expand: int, convolution: _Convolution) -> Any:
    wide, half = convolution(channels, squeeze, 1), expand // 2
    return _own_modules().Fire(wide, convolution(squeeze, half, 1), convolution(squeeze, half, 3))


def _relu(channels: int, filters: int, size: int) -> Any:
    return nn.Sequential(*_convolutions(channels, (filters,), sizes=(size,)))


def _relu_then_norm(channels: int, filters: int, size: int) -> Any:
    layers = _convolutions(channels, (filters,), sizes=(size,))
    return nn.Sequential(*layers, nn.BatchNorm2d(filters, **_CODELAB_NORM))


def _norm_then_relu(channels: int, filters: int, size: int) -> Any:
    norm = nn.BatchNorm2d(filters, **_CODELAB_NORM)
    norm.weight.requires_grad_(requires_grad=False)  # no scale learns: the next layer scales after the relu
    return nn.Sequential(nn.Conv2d(channels, filters, size, padding=size // 2, bias=False), norm, nn.ReLU(inplace=True))


def mobilenetv2(*, image_size: int, classes: int) -> Any:
    """MobileNetV2, frozen, and a dense layer."""
    blocks = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    layers, channels = _convolution_relu6(3, 32, 3, stride=2), 32
    for expansion, filters, repeats, stride in blocks:
        for number in range(repeats):
            block = _inverted(channels, filters, expansion, stride=1 if number else stride)
            layers += [_own_modules().Residual(block)] if number else block
            channels = filters
    return _on_frozen([*layers, *_convolution_relu6(channels, 1280, 1)], 1280, _halve(image_size), classes)


def _inverted(channels: int, filters: int, expansion: int, *, stride: int) -> list[Any]:
    wide = channels * expansion
    expand = _convolution_relu6(channels, wide, 1) if expansion > 1 else []
    return [
        *expand,
        *_convolution_relu6(wide, wide, 3, stride=stride, groups=wide),
        *_convolution_norm(wide, filters, 1),
    ]


def mobilenet(*, image_size: int, classes: int) -> Any:
    """MobileNet, frozen, and a dense layer."""
    blocks = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
    layers, channels = _convolution_relu6(3, 32, 3, stride=2), 32
    for filters, stride in blocks:
        layers += _convolution_relu6(channels, channels, 3, stride=stride, groups=channels) + _convolution_relu6(
            channels, filters, 1
        )
        channels = filters
    return _on_frozen(layers, channels, _halve(image_size), classes)


def vgg16(*, image_size: int, classes: int) -> Any:
    """VGG16, frozen, and a dense layer."""
    layers, channels = [], 3
    for filters, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [*_convolutions(channels, (filters,) * repeats, sizes=(3,) * repeats), nn.MaxPool2d(2)]
        channels = filters
    return _on_frozen(layers, channels, image_size // 32, classes)


def resnet50(*, image_size: int, classes: int) -> Any:
    """ResNet50 as Keras has it, frozen, and a dense layer: convolutions with bias, strides in the first 1x1."""
    settings = {"eps": 1.001e-5, "bias": True}
    layers = [*_convolution_norm(3, 64, 7, stride=2, **settings), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
    channels = 64
    for filters, repeats in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for number in range(repeats):
            stride = 2 if number == 0 and filters > 64 else 1
            stack = [
                *_convolution_norm(channels, filters, 1, stride=stride, **settings), nn.ReLU(inplace=True),
                *_convolution_norm(filters, filters, 3, **settings), nn.ReLU(inplace=True),
                *_convolution_norm(filters, 4 * filters, 1, **settings),
            ]  # fmt: skip
            past = None if number else _convolution_norm(channels, 4 * filters, 1, stride=stride, **settings)
            layers += [_own_modules().Residual(stack, past and nn.Sequential(*past)), nn.ReLU(inplace=True)]
            channels = 4 * filters
    return _on_frozen(layers, channels, _halve(image_size), classes)


def xception(*, image_size: int, classes: int) -> Any:
    """Xception, all of which learns, a global average and a dense layer."""
    del image_size
    layers = [
        *_convolution_norm(3, 32, 3, stride=2, padding=0), nn.ReLU(inplace=True),
        *_convolution_norm(32, 64, 3, padding=0), nn.ReLU(inplace=True),
    ]  # fmt: skip
    channels = 64
    for filters, first_relu in (((128, 128), False), ((256, 256), True), ((728, 728), True)):
        layers += [_shrinking(channels, filters, first_relu=first_relu)]
        channels = filters[-1]
    layers += [_own_modules().Residual(_separables(channels, (728,) * 3)) for _ in range(8)]
    layers += [_shrinking(channels, (728, 1024), first_relu=True)]
    for before, filters in ((1024, 1536), (1536, 2048)):
        layers += [*_separable(before, filters), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *_average(2048, classes))


def _shrinking(channels: int, filters: Sequence[int], *, first_relu: bool) -> Any:
    """Separable convolutions that a pooling halves, past which a 1x1 convolution goes in steps of 2."""
    stack = _separables(channels, filters)[0 if first_relu else 1 :]
    past = nn.Sequential(*_convolution_norm(channels, filters[-1], 1, stride=2))
    return _own_modules().Residual([*stack, nn.MaxPool2d(3, 2, padding=1)], past)


def _separables(channels: int, filters: Sequence[int]) -> list[Any]:
    """Separable convolutions, each after a relu; the first is not in place: the shortcut takes what it was given."""
    layers = []
    for number, count in enumerate(filters):
        layers += [nn.ReLU(inplace=number > 0), *_separable(channels, count)]
        channels = count
    return layers


def _separable(channels: int, filters: int) -> list[Any]:
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
    return [depthwise, *_convolution_norm(channels, filters, 1)]


def _convolution_norm(
    channels: int, filters: int, size: int, *, padding: int | None = None, eps: float = _EPSILON, **settings: Any
) -> list[Any]:
    """A convolution and its normalisation."""
    padding = size // 2 if padding is None else padding
    convolution = nn.Conv2d(channels, filters, size, padding=padding, **{"bias": False, **settings})
    return [convolution, nn.BatchNorm2d(filters, eps=eps, momentum=0.01)]


def _convolution_relu6(channels: int, filters: int, size: int, **settings: Any) -> list[Any]:
    """A convolution, its normalisation, and a relu that ends at 6."""
    return [*_convolution_norm(channels, filters, size, **settings), nn.ReLU6(inplace=True)]


def _halve(image_size: int) -> int:
    """Side of the maps after five layers with a stride of 2, each padded."""
    for _ in range(5):
        image_size = (image_size + 1) // 2
    return image_size


def _on_frozen(layers: Iterable[Any], channels: int, side: int, classes: int) -> Any:
    own = _own_modules()
    return nn.Sequential(own.Frozen(*layers), own.Flatten(), nn.Linear(channels * side**2, classes))


MODELS: dict[str, Callable[..., Any]] = {
    build.__name__: build
    for build in (
        *(dense_single, dense, convnet, convnet_unpooled, convnet_gap, convnet_gap_dense),
        *(squeezenet, squeezenet_small, squeezenet_331),
        *(mobilenetv2, xception, vgg16, resnet50, mobilenet),
    )
}
"""Builders by the names of `flowers_core.models.MODELS`.

Each takes `image_size`, the side of its images in pixels, and `classes`, and gives a `torch.nn.Module` that takes
images `(batch, 3, image_size, image_size)` in [0, 1] and gives logits `(batch, classes)`.
"""
