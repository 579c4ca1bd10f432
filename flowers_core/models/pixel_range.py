"""Pixels in [0, 1] -> the range that ImageNet weights were trained on, as layers before a base.

Where `pixels` are the codelab's there is no such layer.
"""

import keras

_BLUE_GREEN_RED_MEANS = (103.939, 116.779, 123.68)  # of ImageNet's photographs, in [0, 255]


@keras.saving.register_keras_serializable(package="flowers")
class Centred(keras.layers.Layer):
    """[0, 255] less the mean of each colour, blue first: what `keras.applications` calls the mode "caffe"."""

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:  # pyrefly: ignore[bad-override]: Layer's is untyped
        """Float images in [0, 1], shape `(batch, height, width, 3)`, to the same shape and dtype."""
        return images[..., ::-1] * 255.0 - keras.ops.cast(_BLUE_GREEN_RED_MEANS, images.dtype)


def centred(pixels: str) -> list[keras.Layer]:
    """For VGG16 and ResNet50. Computed in float32 whatever the policy: bfloat16 holds [0, 255] to 8 bits only."""
    return [Centred(name="centred", dtype="float32")] if pixels == "weights" else []


def signed(pixels: str) -> list[keras.Layer]:
    """[-1, 1], what `keras.applications` calls the mode "tf": for MobileNet and Xception."""
    return [keras.layers.Rescaling(2.0, offset=-1.0, name="signed", dtype="float32")] if pixels == "weights" else []
