"""The architectures: their names, and `build(name)`, which imports only the file it needs.

To add a model: write a function of its name in a file here, add its row below and a row to the table in
tests/core/test_models.py. `recipes` trains it by a default until it has a recipe of its own.
"""

import warnings
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from flowers_core.errors import InputError, RunFailed, one_of


class _Row(NamedTuple):
    """Where a model stands and what it can be given."""

    file: str
    image_size: int = 192
    smallest: int = 16  # four poolings by 2 leave one pixel of 16
    has_base: bool = False  # a network of keras.applications, for which ImageNet weights exist
    group: str = "further"  # "codelab": an architecture of the codelab itself, which the short profiles show


_ROWS = {
    "dense_single": _Row("dense", smallest=1, group="codelab"),
    "dense": _Row("dense", smallest=1, group="codelab"),
    "convnet": _Row("convnet", group="codelab"),
    "convnet_unpooled": _Row("convnet", smallest=1, group="codelab"),
    "convnet_gap": _Row("convnet_gap", group="codelab"),
    "convnet_gap_dense": _Row("convnet_gap", group="codelab"),
    "squeezenet": _Row("squeezenet", group="codelab"),
    "squeezenet_small": _Row("squeezenet", smallest=4, group="codelab"),
    "squeezenet_331": _Row("squeezenet", image_size=331, group="codelab"),
    "mobilenetv2": _Row("frozen", smallest=32, has_base=True, group="codelab"),
    "xception": _Row("xception", image_size=331, smallest=71, has_base=True, group="codelab"),
    "vgg16": _Row("frozen", smallest=32, has_base=True),
    "resnet50": _Row("frozen", smallest=32, has_base=True),
    "mobilenet": _Row("frozen", smallest=32, has_base=True),
}
NAMES = tuple(_ROWS)
"""Every model: the codelab's in its order, then the drop-in bases that its notebooks name."""

CODELAB = tuple(name for name, row in _ROWS.items() if row.group == "codelab")
"""The codelab's own; the others are further ones."""

WITH_BASE = tuple(name for name, row in _ROWS.items() if row.has_base)
"""Those with a network of keras.applications, for which ImageNet weights exist."""

PIXELS = ("codelab", "weights")
"""What a base is shown: [0, 1] as in the codelab, or the range that its ImageNet weights were trained on."""


def image_size(name: str) -> int:
    """Pixels on each side of the images for which the codelab made the model `name`.

    Raises:
        InputError: If there is no such model.
    """
    one_of("name", name, NAMES)
    return _ROWS[name].image_size


def check_image_size(name: str, size: int) -> None:
    """Checks that images are large enough for a model.

    Raises:
        InputError: If not, or if there is no such model.
    """
    one_of("name", name, NAMES)
    _check_whole("image_size", size, _ROWS[name].smallest, f"{name} shrinks smaller images to nothing")


def build(
    name: str,
    *,
    image_size: int | None = None,
    classes: int = 5,
    weights: str | Path | None = None,
    pixels: str = "codelab",
):
    """Builds an uncompiled model.

    It takes images of shape `(batch, image_size, image_size, 3)`, float32 in [0, 1], and gives class
    probabilities of shape `(batch, classes)`, float32 whatever the dtype policy.

    Args:
        name: One of `NAMES`.
        image_size: Pixels on each side; the codelab's own if None.
        classes: How many kinds of flowers, at least 2.
        weights: None for random weights; the path of a weights file; or "imagenet", which Keras downloads.
            The file holds the base without its top for a model with a pretrained base (mobilenetv2,
            xception, vgg16, resnet50, mobilenet), and the whole model (`model.save_weights`) for the others.
        pixels: One of `PIXELS`: what a base is shown. The model takes images in [0, 1] either way.

    Returns:
        A `keras.Model` named `name`.

    Raises:
        InputError: If the name is unknown, the size too small, the weights are missing or do not fit, or pixels are
            to be those of weights and the model has no base.
        RunFailed: If the weights of ImageNet cannot be downloaded.
    """
    one_of("name", name, NAMES)
    one_of("pixels", pixels, PIXELS if name in WITH_BASE else PIXELS[:1])
    row = _ROWS[name]
    size = row.image_size if image_size is None else image_size
    check_image_size(name, size)
    _check_whole("classes", classes, 2, "softmax needs something to tell apart")
    _check_weights(name, weights)
    make = getattr(import_module(f"{__name__}.{row.file}"), name)
    with _explained(name, weights):
        if row.has_base:
            return make(image_size=size, classes=classes, weights=weights and str(weights), pixels=pixels)
        model = make(image_size=size, classes=classes)
        if weights is not None:
            model.load_weights(weights)
        return model


def from_uint8(model):
    """The same model for pixels as they are decoded: scaled to [0, 1] on the device, not in the pipeline.

    A pipeline that hands over uint8 moves a quarter of the bytes.

    Args:
        model: A model of `build`; it is shared, not copied.

    Returns:
        A `keras.Model` that takes uint8 of shape `(batch, image_size, image_size, 3)`.
    """
    import keras

    pixels = keras.Input(model.input_shape[1:], dtype="uint8")
    # float32 whatever the policy: the model then rounds the same numbers that a float32 pipeline hands over
    images = keras.layers.Rescaling(1 / 255, dtype="float32", name="from_uint8")(pixels)
    return keras.Model(pixels, model(images), name=model.name)


def _check_whole(argument: str, value, least: int, reason: str) -> None:
    if not isinstance(value, int) or value < least:
        raise InputError(
            f"`{argument}` must be a whole number of at least {least}: {reason}. Received: {argument}={value!r}"
        )


def _check_weights(name: str, weights) -> None:
    if weights is None:
        return
    if weights == "imagenet":
        if name not in WITH_BASE:
            raise InputError(
                f'`weights="imagenet"` exists for {", ".join(WITH_BASE)}. Received: name={name!r}. '
                "Leave the weights out, or give a file saved by `model.save_weights`."
            )
    elif Path(weights).suffix != ".h5" or not Path(weights).is_file():
        raise InputError(
            f'`weights` must be an existing file ending in .h5, or "imagenet". Received: weights={str(weights)!r}'
        )


@contextmanager
def _explained(name: str, weights):
    """Turns what Keras raises about weights into sentences; lets everything else through."""
    try:
        with warnings.catch_warnings():
            # one for each layer that does not fit, before the error that says so
            warnings.filterwarnings("ignore", message="Skipping nested container")
            yield
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights is None:
            raise
        if weights == "imagenet":
            raise RunFailed(
                f"The ImageNet weights of {name} could not be downloaded ({error}). On a machine with internet, "
                'download the "no top" .h5 file of that address, bring it here, and give its path as `weights`.'
            ) from error
        reason = " ".join(str(error).partition("List of objects")[0].split())
        raise InputError(
            f"The weights do not fit {name}. Expected: {_expected(name)}. Received: "
            f"weights={str(weights)!r}, of which Keras says: {reason}"
        ) from error


def _expected(name: str) -> str:
    if _ROWS[name].has_base:
        return "the base's weights without its top (include_top=False)"
    return "a file that `save_weights` wrote for the same model, image size and classes"
