"""Pixels in [0, 1] -> the range that ImageNet weights were trained on, as layers before a base."""

import keras

_BLUE_GREEN_RED_MEANS = (103.939, 116.779, 123.68)  # of ImageNet's photographs, in [0, 255]


@keras.saving.register_keras_serializable(package="flowers")
class Centred(keras.layers.Layer):
    """[0, 255] less the mean of each colour, blue first: what `keras.applications` calls the mode "caffe"."""

    def call(self, images):
        """Float images in [0, 1], shape `(batch, height, width, 3)`, to the same shape and dtype."""
        return images[..., ::-1] * 255.0 - keras.ops.cast(_BLUE_GREEN_RED_MEANS, images.dtype)


def centred() -> list[keras.layers.Layer]:
    """For VGG16 and ResNet50. Computed in float32 whatever the policy: bfloat16 holds [0, 255] to 8 bits only."""
    return [Centred(name="centred", dtype="float32")]


def signed() -> list[keras.layers.Layer]:
    """[-1, 1], what `keras.applications` calls the mode "tf": for MobileNet and Xception."""
    return [keras.layers.Rescaling(2.0, offset=-1.0, name="signed", dtype="float32")]
