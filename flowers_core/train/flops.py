"""The cost of a model for one image, counted from its layers: parameters, multiply-adds, FLOPs, activation bytes.

The rules, so that two machines and two people count the same:

Multiply-adds are those of dense layers and of plain, depthwise and separable convolutions: every number of a
kernel is used once at each output position, padding included.

FLOPs are two for each multiply-add, and for each output element one for a bias, an activation, an addition of
maps or a rescaling, two for batch normalisation (at prediction a scale and a shift), the window's area for
pooling. Softmax counts as one activation. Moving data (concatenation, padding, flattening) is free.

Training FLOPs: each layer costs its forward FLOPs once, once more if it has weights that learn (their gradient),
and once more if anything before it learns (the gradient of its input). So a network that learns costs 3 times
its forward pass but for its first layer, and a frozen base costs its forward pass only.

Bytes that a step moves are those of a step whose layers are not fused; compilers fuse some, and move less. Forward, a
layer's output is written once and read once. Backward, where anything up to the layer learns, it is read again, and its
gradient is written and read. A weight is read forward; one that learns once more backward, its gradient is written and
read, and Adam reads and writes the weight and two moments; a frozen one once more where a gradient passes it.

Activation bytes are the outputs of all layers in float32, except those that only rename their
input (flattening, dropout at prediction): what a backward pass would have to keep if nothing were fused.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, Any

from flowers_core import models, progress
from flowers_core.errors import InputError

if TYPE_CHECKING:
    import keras

_KERNEL_LAYERS = ("Dense", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
_OPERATIONS_PER_OUTPUT = {"BatchNormalization": 2, "Activation": 1, "ReLU": 1, "Add": 1, "Rescaling": 1}
_MOVES = ("Concatenate", "ZeroPadding2D")
_RENAMES = ("InputLayer", "Flatten", "Reshape", "Dropout")


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """The cost of one layer for one image.

    Attributes:
        name: The layer's name, after the nested model that holds it, e.g. "xception/block1_conv1".
        output_shape: Without the batch axis.
        parameters: Numbers in its weights.
        trainable_parameters: Those that learn.
        multiply_adds: Of the forward pass.
        flops: Of the forward pass.
        activation_bytes: Of its output, in float32.
    """

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    flops: int
    activation_bytes: int


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """The cost of a model for one image.

    Attributes:
        name: The model's name.
        image_size: Side in pixels.
        parameters: Numbers in its weights.
        trainable_parameters: Those that learn.
        multiply_adds: Of the forward pass.
        forward_gflops: Of the forward pass, 1e9 FLOPs.
        training_gflops: Of forward and backward pass, without the optimizer.
        activation_megabytes: Of the outputs of all layers, 1e6 bytes.
    """

    name: str
    image_size: int
    parameters: int
    trainable_parameters: int
    multiply_adds: int
    forward_gflops: float
    training_gflops: float
    activation_megabytes: float


def layers(model: "keras.Model") -> list[LayerCost]:
    """The cost of each layer, in the order of computation; the layers of a nested model stand in its place.

    Raises:
        InputError: If the model has a kind of layer for which there is no rule.
    """
    return [_cost(name, layer) for name, layer in _flat(model, prefix="")]


def total(model: "keras.Model") -> ModelCost:
    """The cost of a whole model, built for images of a fixed size.

    Raises:
        InputError: If the model has a kind of layer for which there is no rule.
    """
    costs = layers(model)
    return ModelCost(
        name=model.name,
        image_size=model.input_shape[1],
        parameters=sum(cost.parameters for cost in costs),
        trainable_parameters=sum(cost.trainable_parameters for cost in costs),
        multiply_adds=sum(cost.multiply_adds for cost in costs),
        forward_gflops=sum(cost.flops for cost in costs) / 1e9,
        training_gflops=_training_flops(costs) / 1e9,
        activation_megabytes=sum(cost.activation_bytes for cost in costs) / 1e6,
    )


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What an image costs in a step.

    Attributes:
        gflops: 1e9 FLOPs.
        gigabytes: 1e9 bytes moved, with the image's share of the weights'.
    """

    gflops: float
    gigabytes: float


def step_cost(model: "keras.Model", *, mode: str, batch_size: int, precision: str) -> StepCost:
    """The cost of an image in a training step with Adam (`mode` is `train`), or in a prediction.

    Args:
        model: Built for images of a fixed size.
        mode: `train` or `predict`.
        batch_size: Images that share the moving of the weights.
        precision: A Keras dtype policy; the mixed ones keep activations in 16 bits, and weights in 32.

    Raises:
        InputError: If the model has a kind of layer for which there is no rule.
    """
    numbers = prod(model.input_shape[1:])
    return cost_of_layers(layers(model), numbers, mode=mode, batch_size=batch_size, precision=precision)


def cost_of_layers(costs: list[LayerCost], numbers: int, *, mode: str, batch_size: int, precision: str) -> StepCost:
    """The same of layers in the order of computation, whichever library's, and of so many numbers in an image."""
    width = 4 if precision == "float32" else 2
    moved = numbers * 4.0
    for cost, (learns, learnt_before) in zip(costs, _learning(costs), strict=True):
        back = mode == "train" and (learns or learnt_before)
        moved += cost.activation_bytes / 4 * width * (5 if back else 2)
        trained = cost.trainable_parameters if back else 0
        moved += 4 * (trained * 10 + (cost.parameters - trained) * (2 if back else 1)) / batch_size
    flops = _training_flops(costs) if mode == "train" else sum(cost.flops for cost in costs)
    return StepCost(gflops=flops / 1e9, gigabytes=moved / 1e9)


def table(names: Iterable[str] = models.MODELS) -> list[dict[str, Any]]:
    """The costs of models by name, a row for each, at the codelab's image sizes and 5 classes, in float32.

    Raises:
        InputError: If there is no such model.
    """
    names = tuple(names)
    # Keras keeps its list of weights that are still to be filled by thread: it ends with this thread, and
    # the gigabyte of random numbers that nobody will read is never drawn
    with ThreadPoolExecutor(max_workers=1) as drawing:
        costs = drawing.map(_without_weights, names)
        return [asdict(cost) for cost in progress.track(costs, "counting layers", len(names))]


def _without_weights(name: str) -> ModelCost:
    import keras

    with keras.StatelessScope(initialize_variables=False):
        return total(models.build(name))


def _flat(model: "keras.Model", prefix: str) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _flat(layer, f"{prefix}{layer.name}/")
        else:
            yield prefix + layer.name, layer


def _cost(name: str, layer: Any) -> LayerCost:
    shape = tuple(layer.output.shape[1:])
    multiply_adds, others = _operations(layer, shape)
    return LayerCost(
        name=name,
        output_shape=shape,
        parameters=_size(layer.weights),
        trainable_parameters=_size(layer.trainable_weights),
        multiply_adds=multiply_adds,
        flops=2 * multiply_adds + others,
        activation_bytes=0 if type(layer).__name__ in _RENAMES else prod(shape) * 4,
    )


def _operations(layer: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Multiply-adds, and the operations that are none, of one forward pass of one layer."""
    kind, elements = type(layer).__name__, prod(shape)
    if kind in _KERNEL_LAYERS:
        kernels = [weight for weight in layer.weights if weight.name.endswith("kernel")]
        per_output = bool(layer.use_bias) + (layer.activation.__name__ != "linear")
        return prod(shape[:-1]) * _size(kernels), elements * per_output
    if kind in _OPERATIONS_PER_OUTPUT:
        return 0, elements * _OPERATIONS_PER_OUTPUT[kind]
    if kind == "MaxPooling2D":
        return 0, elements * prod(layer.pool_size)
    if kind == "GlobalAveragePooling2D":
        return 0, prod(layer.input.shape[1:])
    if kind in _MOVES + _RENAMES:
        return 0, 0
    raise InputError(f"No rule counts a layer of kind {kind} ({layer.name}). Add one to flowers_core/train/flops.py.")


def _training_flops(costs: list[LayerCost]) -> int:
    return sum((1 + sum(learning)) * cost.flops for learning, cost in zip(_learning(costs), costs, strict=True))


def _learning(costs: list[LayerCost]) -> list[tuple[bool, bool]]:
    """Of each layer whether it has weights that learn, and whether anything before it has."""
    learns = [cost.trainable_parameters > 0 for cost in costs]
    learnt_before = [False, *accumulate(learns, lambda before, here: before or here)]
    return list(zip(learns, learnt_before, strict=False))


def _size(weights: Iterable[Any]) -> int:
    return sum(prod(weight.shape) for weight in weights)
