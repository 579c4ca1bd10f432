"""Squeezenets: stacks of fire modules, after the codelab and Iandola et al., arXiv:1602.07360."""

from collections.abc import Callable

import keras

Convolution = Callable[[keras.KerasTensor, int, int], keras.KerasTensor]
"""`(x, filters, size) -> feature map`, with its relu and normalisation."""

_MOMENTUM = 0.9  # of batch normalisation: an epoch has only 23 steps, too few for Keras' 0.99


def squeezenet(*, image_size: int, classes: int) -> keras.Model:
    """Five fire modules with batch normalisation after the relu: 120,613 parameters at 5 classes.

    Source: the codelab's notebook "07 squeezenet".
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu_then_norm(inputs, 32, 3)
    x = _five_fires(x, _relu_then_norm)
    return keras.Model(inputs, _head(x, classes), name="squeezenet")


def squeezenet_small(*, image_size: int, classes: int) -> keras.Model:
    """Three fire modules without normalisation: 21,709 parameters at 5 classes.

    Source: the example in the codelab's text.
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu(inputs, 32, 3)
    for _ in range(2):
        x = keras.layers.MaxPooling2D(2)(fire(x, squeeze=24, expand=48, convolution=_relu))
    x = fire(x, squeeze=24, expand=48, convolution=_relu)
    return keras.Model(inputs, _head(x, classes), name="squeezenet_small")


def squeezenet_331(*, image_size: int, classes: int) -> keras.Model:
    """Five fire modules with batch normalisation before the relu: 119,365 parameters at 5 classes.

    Source: the codelab's notebook for TPU pods; dropout 0.4 before the last layer.
    """
    inputs = keras.Input((image_size, image_size, 3))
    x = _relu_then_norm(inputs, 32, 3)
    x = _five_fires(x, _norm_then_relu)
    return keras.Model(inputs, _head(x, classes, dropout=0.4), name="squeezenet_331")


def fire(x: keras.KerasTensor, *, squeeze: int, expand: int, convolution: Convolution) -> keras.KerasTensor:
    """Squeezes to few channels with 1x1, then expands with 1x1 and 3x3 side by side.

    Args:
        x: Feature map, shape `(batch, height, width, channels)`.
        squeeze: Channels in the middle; smaller than `expand`.
        expand: Channels that come out, half from each branch.
        convolution: Of all three.

    Returns:
        Feature map, shape `(batch, height, width, expand)`.
    """
    squeezed = convolution(x, squeeze, 1)
    expanded_1x1 = convolution(squeezed, expand // 2, 1)
    expanded_3x3 = convolution(squeezed, expand // 2, 3)
    return keras.layers.Concatenate()([expanded_1x1, expanded_3x3])


def _five_fires(x: keras.KerasTensor, convolution: Convolution) -> keras.KerasTensor:
    for squeeze, expand in ((24, 48), (48, 96), (64, 128), (48, 96)):
        x = keras.layers.MaxPooling2D(2)(fire(x, squeeze=squeeze, expand=expand, convolution=convolution))
    return fire(x, squeeze=24, expand=48, convolution=convolution)


def _head(x: keras.KerasTensor, classes: int, dropout: float = 0.0) -> keras.KerasTensor:
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return keras.layers.Dense(classes, activation="softmax", dtype="float32")(x)


def _relu(x: keras.KerasTensor, filters: int, size: int) -> keras.KerasTensor:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu")(x)


def _relu_then_norm(x: keras.KerasTensor, filters: int, size: int) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(momentum=_MOMENTUM)(_relu(x, filters, size))


def _norm_then_relu(x: keras.KerasTensor, filters: int, size: int) -> keras.KerasTensor:
    # no bias and no scale: the normalisation's shift is the bias, and the next layer scales after the relu
    x = keras.layers.Conv2D(filters, size, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=_MOMENTUM, scale=False)(x)
    return keras.layers.Activation("relu")(x)
