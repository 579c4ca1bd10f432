"""The codelab's own convnet: 3x3 convolutions, four poolings, and a global average in place of Flatten."""

import keras


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
