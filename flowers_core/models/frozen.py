"""Transfer learning: a network of keras.applications that stays as it is, and one dense layer that learns.

Source: the codelab's notebook "04 transfer learning, solution"; it uses MobileNetV2 and names the other bases.
A base is shown pixels in [0, 1] as in the codelab, although ImageNet weights were trained on other ranges; or, where
pixels are those of the weights, what `keras.applications` says that they expect.
"""

from collections.abc import Callable

import keras

from flowers_core.models import pixel_range


def mobilenetv2(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab") -> keras.Model:
    """MobileNetV2: 2,488,389 parameters, of which 230,405 learn, at 192 pixels and 5 classes."""
    return _under_dense(
        keras.applications.MobileNetV2, "mobilenetv2", image_size, classes, weights, pixel_range.signed(pixels)
    )


def vgg16(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab") -> keras.Model:
    """VGG16: 14,806,853 parameters, of which 92,165 learn, at 192 pixels and 5 classes."""
    return _under_dense(keras.applications.VGG16, "vgg16", image_size, classes, weights, pixel_range.centred(pixels))


def resnet50(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab") -> keras.Model:
    """ResNet50: 23,956,357 parameters, of which 368,645 learn, at 192 pixels and 5 classes."""
    return _under_dense(
        keras.applications.ResNet50, "resnet50", image_size, classes, weights, pixel_range.centred(pixels)
    )


def mobilenet(*, image_size: int, classes: int, weights: str | None = None, pixels: str = "codelab") -> keras.Model:
    """MobileNet: 3,413,189 parameters, of which 184,325 learn, at 192 pixels and 5 classes."""
    return _under_dense(
        keras.applications.MobileNet, "mobilenet", image_size, classes, weights, pixel_range.signed(pixels)
    )


def _under_dense(
    application: Callable[..., keras.Model],
    name: str,
    image_size: int,
    classes: int,
    weights: str | None,
    shown: list[keras.Layer],
) -> keras.Model:
    base = application(weights=weights, include_top=False, input_shape=(image_size, image_size, 3))
    base.trainable = False
    return keras.Sequential(
        [
            keras.Input((image_size, image_size, 3)),
            *shown,
            base,
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax", dtype="float32"),
        ],
        name=name,
    )
