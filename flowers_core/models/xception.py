"""Fine-tuning: Xception with a new head, all of it learning; Chollet, arXiv:1610.02357."""

import keras

from flowers_core.models import pixel_range


def xception(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab") -> keras.Model:
    """Xception and a global average: 20,871,725 parameters, of which 20,817,197 learn, at 5 classes.

    Source: the codelab's notebook "07 Xception fine-tuned, best".
    """
    base = keras.applications.Xception(weights=weights, include_top=False, input_shape=(image_size, image_size, 3))
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            *pixel_range.signed(pixels),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="xception",
    )
