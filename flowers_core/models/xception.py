"""Fine-tuning: Xception with a new head, all of it learning; Chollet, arXiv:1610.02357."""

import keras

from flowers_core.models import pixel_range


def xception(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab"):
    """Xception and a global average: 20,871,725 parameters, of which 20,817,197 learn, at 5 classes.

    Source: the codelab's notebook "07 Xception fine-tuned, best".

    Args:
        image_size: Pixels on each side; images have shape `(batch, image_size, image_size, 3)`, float32.
        classes: Width of the output, shape `(batch, classes)`, float32.
        weights: None, "imagenet", or the path of the base's weights without its top.
        pixels: What the base is shown: `codelab` for [0, 1] as there, `weights` for [-1, 1] as its weights expect.
    """
    base = keras.applications.Xception(weights=weights, include_top=False, input_shape=(image_size, image_size, 3))
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            *(pixel_range.signed() if pixels == "weights" else []),
            base,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name="xception",
    )
