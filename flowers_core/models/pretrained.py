"""Transfer learning: a network of keras.applications with a new head, which learns alone or with its base.

Sources: the codelab's notebooks "04 transfer learning, solution", which uses MobileNetV2 on a frozen base and names the
other bases, and "07 Xception fine-tuned, best" (Chollet, arXiv:1610.02357), in which all of it learns. Their bases
see pixels in [0, 1], although ImageNet weights were trained on other ranges.
"""

from collections.abc import Callable
from typing import Any

import keras

_BLUE_GREEN_RED_MEANS = (103.939, 116.779, 123.68)  # of ImageNet's photographs, in [0, 255]

# Of batch normalisation in fine-tuning, as that of the codelab's own models: MobileNetV2's statistics take over a
# thousandth a step, Xception's a hundredth, and would long be ImageNet's in part. The same in Kornblith et al.,
# arXiv:1805.08974.
_MOMENTUM = 0.9


def mobilenetv2(**how: Any) -> keras.Model:
    """MobileNetV2, frozen: 2,488,389 parameters, of which 230,405 learn, at 192 pixels and 5 classes."""
    return _transfer(keras.applications.MobileNetV2, signed, **how)


def vgg16(**how: Any) -> keras.Model:
    """VGG16, frozen: 14,806,853 parameters, of which 92,165 learn, at 192 pixels and 5 classes."""
    return _transfer(keras.applications.VGG16, centred, **how)


def resnet50(**how: Any) -> keras.Model:
    """ResNet50, frozen: 23,956,357 parameters, of which 368,645 learn, at 192 pixels and 5 classes."""
    return _transfer(keras.applications.ResNet50, centred, **how)


def mobilenet(**how: Any) -> keras.Model:
    """MobileNet, frozen: 3,413,189 parameters, of which 184,325 learn, at 192 pixels and 5 classes."""
    return _transfer(keras.applications.MobileNet, signed, **how)


def xception(
    *, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab", fine_tune: bool = False
) -> keras.Model:
    """Xception and a global average: 20,871,725 parameters, of which 20,817,197 learn, at 5 classes."""
    base = _base(keras.applications.Xception, image_size, weights)
    if fine_tune:
        _follow_photos(base)
    layers = [*signed(pixels), base, keras.layers.GlobalAveragePooling2D()]
    return _stack("xception", layers, image_size, classes)


def _base(application: Callable[..., keras.Model], image_size: int, weights: str | None) -> keras.Model:
    return application(weights=weights, include_top=False, input_shape=(image_size, image_size, 3))


def _transfer(
    application: Callable[..., keras.Model],
    scaling: Callable[[str], list[keras.Layer]],
    *,
    image_size: int,
    classes: int,
    weights: str | None = None,
    pixels: str = "codelab",
    fine_tune: bool = False,
) -> keras.Model:
    """The codelab's frozen base under all of its features; or one that learns, under their averages, as Xception's.

    A head on all features, 46,080 of MobileNetV2 at 192 pixels, is 36 times as large, and learns photos by heart.
    """
    base, pooling = _base(application, image_size, weights), keras.layers.Flatten()
    if fine_tune:
        pooling = keras.layers.GlobalAveragePooling2D()
        _follow_photos(base)
    else:
        base.trainable = False
    name = application.__name__.lower()
    return _stack(name, [*scaling(pixels), base, pooling], image_size, classes)


def _follow_photos(base: keras.Model) -> None:
    """Has the statistics of batch normalisation become those of the photos within a few steps."""
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _MOMENTUM


def _stack(name: str, layers: list, image_size: int, classes: int) -> keras.Model:
    head = keras.layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Sequential([keras.Input((image_size, image_size, 3)), *layers, head], name=name)


@keras.saving.register_keras_serializable(package="flowers")
class Centred(keras.layers.Layer):
    """[0, 255] less the mean of each colour, blue first: what `keras.applications` calls the mode "caffe"."""

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:  # pyrefly: ignore[bad-override]: Layer's is untyped
        """Float images in [0, 1], shape `(batch, height, width, 3)`, to the same shape and dtype."""
        return images[..., ::-1] * 255.0 - keras.ops.cast(_BLUE_GREEN_RED_MEANS, images.dtype)


def centred(pixels: str) -> list[keras.Layer]:
    """For VGG16 and ResNet50; none for the codelab's pixels.

    Computed in float32 whatever the policy: bfloat16 holds [0, 255] to 8 bits only.
    """
    return [Centred(name="centred", dtype="float32")] if pixels == "weights" else []


def signed(pixels: str) -> list[keras.Layer]:
    """[-1, 1], what `keras.applications` calls the mode "tf", for MobileNet and Xception; none for the codelab's."""
    return [keras.layers.Rescaling(2.0, offset=-1.0, name="signed", dtype="float32")] if pixels == "weights" else []
