"""Networks without convolutions, the codelab's first: every pixel is joined to every unit."""

import keras


def dense_single(*, image_size: int, classes: int) -> keras.Model:
    """One softmax layer on the pixels: 552,965 parameters at 192 pixels and 5 classes.

    Source: the warm-up of the codelab's first playground.
    """
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="dense_single",
    )


def dense(*, image_size: int, classes: int) -> keras.Model:
    """Dense layers of 500, 50 and `classes` units: 55,321,805 parameters at 192 pixels and 5 classes.

    Source: the codelab's section on neural networks.
    """
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(500, activation="relu"),
            keras.layers.Dense(50, activation="relu"),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="dense",
    )
