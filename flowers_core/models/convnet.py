"""The codelab's convnets: a plain stack of ten convolutions, and its own with a global average in place of Flatten.

Known of the stack: ten convolutions, 32 filters at first, 16 and 8 in the last two. We take 32 for the first
eight, the plainest stack that begins and ends so. Where it pooled is lost: ours pools by 2 after each of the
first four pairs.
"""

import keras

_FILTERS = ((32, 32), (32, 32), (32, 32), (32, 32), (16, 8))  # of the 3x3 and the 1x1 of each pair


def convnet(*, image_size: int, classes: int) -> keras.Model:
    """The stack with four poolings, then Flatten: 43,389 parameters at 192 pixels and 5 classes."""
    layers = [keras.Input((image_size, image_size, 3))]
    for pair in _FILTERS[:-1]:
        layers += _pair(*pair)
        layers += [keras.layers.MaxPooling2D(2)]
    layers += _pair(*_FILTERS[-1])
    layers += [keras.layers.Flatten()]
    layers += [keras.layers.Dense(classes, activation="softmax", dtype="float32")]
    return keras.Sequential(layers, name="convnet")


def convnet_unpooled(*, image_size: int, classes: int) -> keras.Model:
    """The stack at full size, then a global average: 37,669 parameters at any size and 5 classes."""
    layers = [keras.Input((image_size, image_size, 3))]
    for pair in _FILTERS:
        layers += _pair(*pair)
    layers += [keras.layers.GlobalAveragePooling2D()]
    layers += [keras.layers.Dense(classes, activation="softmax", dtype="float32")]
    return keras.Sequential(layers, name="convnet_unpooled")


def _pair(filters_3x3: int, filters_1x1: int) -> list:
    return [
        keras.layers.Conv2D(filters_3x3, 3, padding="same", activation="relu"),
        keras.layers.Conv2D(filters_1x1, 1, padding="same", activation="relu"),
    ]


def convnet_gap(*, image_size: int, classes: int) -> keras.Model:
    """A 1x1 convolution before the average: 293,233 parameters at 5 classes.

    Source: the codelab's notebook "07 convnet, solution".
    """
    return keras.Sequential(
        [
            *_trunk(image_size),
            _convolution(40, size=1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="convnet_gap",
    )


def convnet_gap_dense(*, image_size: int, classes: int) -> keras.Model:
    """A dense layer of 90 after the average: 300,033 parameters at 5 classes.

    Source: the older variant, whose summary the codelab's text prints.
    """
    return keras.Sequential(
        [
            *_trunk(image_size),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(90, activation="relu"),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="convnet_gap_dense",
    )


def _trunk(image_size: int) -> list:
    return [
        keras.Input((image_size, image_size, 3)),
        _convolution(16),
        _convolution(30),
        keras.layers.MaxPooling2D(2),
        _convolution(60),
        keras.layers.MaxPooling2D(2),
        _convolution(90),
        keras.layers.MaxPooling2D(2),
        _convolution(110),
        keras.layers.MaxPooling2D(2),
        _convolution(130),
    ]


def _convolution(filters: int, size: int = 3) -> keras.Layer:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu")
