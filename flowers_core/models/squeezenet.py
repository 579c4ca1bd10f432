"""Squeezenets: stacks of fire modules, after the codelab and Iandola et al., arXiv:1602.07360."""

from collections.abc import Callable

import keras

Convolution = Callable[[keras.KerasTensor, int, int, str], keras.KerasTensor]
"""`(x, filters, size, name) -> feature map`, with its relu and normalisation; a trace shows the names."""

_MOMENTUM = 0.9  # of batch normalisation: an epoch has only 23 steps, too few for Keras' 0.99


def squeezenet(*, image_size: int, classes: int) -> keras.Model:
    """Five fire modules with batch normalisation after the relu: 120,613 parameters at 5 classes.

    Source: the codelab's notebook "07 squeezenet".
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu_then_norm(inputs, 32, 3, "stem")
    x = _five_fires(x, _relu_then_norm)
    return keras.Model(inputs, _head(x, classes), name="squeezenet")


def squeezenet_small(*, image_size: int, classes: int) -> keras.Model:
    """Three fire modules without normalisation: 21,709 parameters at 5 classes.

    Source: the example in the codelab's text.
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu(inputs, 32, 3, "stem")
    for number in (1, 2):
        x = keras.layers.MaxPooling2D(2)(fire(x, squeeze=24, expand=48, convolution=_relu, name=f"fire{number}"))
    x = fire(x, squeeze=24, expand=48, convolution=_relu, name="fire3")
    return keras.Model(inputs, _head(x, classes), name="squeezenet_small")


def squeezenet_331(*, image_size: int, classes: int) -> keras.Model:
    """Five fire modules with batch normalisation before the relu: 119,365 parameters at 5 classes.

    Source: the codelab's notebook for TPU pods; dropout 0.4 before the last layer.
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu_then_norm(inputs, 32, 3, "stem")
    x = _five_fires(x, _norm_then_relu)
    return keras.Model(inputs, _head(x, classes, dropout=0.4), name="squeezenet_331")


def fire(x: keras.KerasTensor, *, squeeze: int, expand: int, convolution: Convolution, name: str) -> keras.KerasTensor:
    """Squeezes to few channels with 1x1, then expands with 1x1 and 3x3 side by side.

    Args:
        x: Feature map, shape `(batch, height, width, channels)`.
        squeeze: Channels in the middle; smaller than `expand`.
        expand: Channels that come out, half from each branch.
        convolution: Of all three.
        name: Begins the names of its layers.

    Returns:
        Feature map, shape `(batch, height, width, expand)`.
    """
    squeezed = convolution(x, squeeze, 1, f"{name}_squeeze")
    expanded_1x1 = convolution(squeezed, expand // 2, 1, f"{name}_expand1x1")
    expanded_3x3 = convolution(squeezed, expand // 2, 3, f"{name}_expand3x3")
    return keras.layers.Concatenate(name=f"{name}_concatenate")([expanded_1x1, expanded_3x3])


def _five_fires(x: keras.KerasTensor, convolution: Convolution) -> keras.KerasTensor:
    for number, (squeeze, expand) in enumerate(((24, 48), (48, 96), (64, 128), (48, 96)), start=1):
        x = fire(x, squeeze=squeeze, expand=expand, convolution=convolution, name=f"fire{number}")
        x = keras.layers.MaxPooling2D(2)(x)
    return fire(x, squeeze=24, expand=48, convolution=convolution, name="fire5")


def _head(x: keras.KerasTensor, classes: int, dropout: float = 0.0) -> keras.KerasTensor:
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32")(x)


def _relu(x: keras.KerasTensor, filters: int, size: int, name: str) -> keras.KerasTensor:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(x)


def _relu_then_norm(x: keras.KerasTensor, filters: int, size: int, name: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(_relu(x, filters, size, name))


def _norm_then_relu(x: keras.KerasTensor, filters: int, size: int, name: str) -> keras.KerasTensor:
    # no bias and no scale: the normalisation's shift is the bias, and the next layer scales after the relu
    x = keras.layers.Conv2D(filters, size, padding="same", use_bias=False, name=name)(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM, scale=False, name=f"{name}_norm")(x)
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)
