"""The architectures: `build(name)` imports the file of one of `MODELS`, and no other."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowers_core import user_code
from flowers_core.errors import InputError, RunFailed, one_of
from flowers_core.models.registry import (
    MODELS,
    ModelSpec,
    Recipe,
    codelab_names,
    is_users,
    names_with_base,
    recipe,
    representatives,
    spec,
)

if TYPE_CHECKING:
    import keras

__all__ = [
    "MODELS", "PIXELS", "ModelSpec", "Recipe", "build", "check_image_size", "codelab_names", "from_uint8", "image_size",
    "is_users", "names_with_base", "recipe", "representatives", "spec",
]  # fmt: skip

PIXELS = ("codelab", "weights")
"""The range of a base's input: [0, 1] as in the codelab, or the one that its ImageNet weights were trained on."""


def image_size(name: str) -> int:
    """Side in pixels of the images for which the codelab made a model.

    Raises:
        InputError: If there is no such model.
    """
    return spec(name).image_size


def check_image_size(name: str, size: int) -> None:
    """Checks that images are large enough for a model.

    Raises:
        InputError: If not, or if there is no such model.
    """
    _check_whole("image_size", size, spec(name).smallest, f"{name} shrinks smaller images to nothing")


def build(
    name: str,
    *,
    image_size: int | None = None,
    classes: int = 5,
    weights: str | Path | None = None,
    pixels: str = "codelab",
    fine_tune: bool = False,
) -> "keras.Model":
    """Builds an uncompiled model.

    It takes images of shape `(batch, image_size, image_size, 3)`, float32 in [0, 1], and gives class
    probabilities of shape `(batch, classes)`, float32 whatever the dtype policy.

    Args:
        name: One of `MODELS`, `path/to/file.py:function` or `keras.applications:NAME`, see `user_code`.
        image_size: Side in pixels; the codelab's own if None.
        classes: How many kinds of flowers, at least 2.
        weights: None for random weights; the path of a weights file; or "imagenet", which Keras downloads.
            The file holds the base without its top for a model with a pretrained base (mobilenetv2,
            xception, vgg16, resnet50, mobilenet), and the whole model (`model.save_weights`) for the others.
        pixels: One of `PIXELS`. The model takes images in [0, 1] either way.
        fine_tune: Whether all of a base learns, by our recipe for that.

    Returns:
        A `keras.Model`, of `MODELS` one named `name`.

    Raises:
        InputError: If the name is unknown, the size too small, the weights are missing or do not fit, or pixels are
            to be those of the weights or all of a base is to learn and the model has none.
        RunFailed: If the weights of ImageNet cannot be downloaded.
    """
    row = spec(name)
    one_of("pixels", pixels, PIXELS if row.has_base else PIXELS[:1])
    recipe(name, fine_tune=fine_tune)
    size = row.image_size if image_size is None else image_size
    check_image_size(name, size)
    _check_whole("classes", classes, 2, "softmax needs something to tell apart")
    _check_weights(name, weights)
    _settle_keras()
    if user_code.peer(name):
        raise InputError(f"Models of timm and torch are measured (`bench measure`), not trained. Received: {name}")
    if is_users(name):
        model = user_code.build_model(name, image_size=size, classes=classes)
        with _explain_weight_errors(name, weights):
            if weights is not None:
                model.load_weights(weights)
        return model
    module, function = row.builder.split(":")
    builder = getattr(import_module(f"{__name__}.{module}"), function)
    with _explain_weight_errors(name, weights):
        if row.has_base:
            learning = {"fine_tune": True} if fine_tune else {}
            return builder(
                image_size=size, classes=classes, weights=weights and str(weights), pixels=pixels, **learning
            )
        model = builder(image_size=size, classes=classes)
        if weights is not None:
            model.load_weights(weights)
        return model


def from_uint8(model: "keras.Model") -> "keras.Model":
    """The same model for pixels as they are decoded: scaled to [0, 1] on the device, not in the pipeline.

    A pipeline that yields uint8 moves a quarter of the bytes.

    Args:
        model: A model of `build`; it is shared, not copied.

    Returns:
        A `keras.Model` that takes uint8 of shape `(batch, image_size, image_size, 3)`.
    """
    import keras

    pixels = keras.Input(model.input_shape[1:], dtype="uint8")
    # float32 whatever the policy: the model then rounds the numbers that a float32 pipeline yields
    images = keras.layers.Rescaling(1 / 255, dtype="float32", name="from_uint8")(pixels)
    return keras.Model(pixels, model(images), name=model.name)


def _settle_keras() -> None:
    """Sets what models take for granted and a user's own `keras.json` may have otherwise."""
    import keras

    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


def _check_whole(argument: str, value: Any, least: int, reason: str) -> None:
    if not isinstance(value, int) or value < least:
        raise InputError(
            f"`{argument}` must be a whole number of at least {least}: {reason}. Received: {argument}={value!r}"
        )


def _check_weights(name: str, weights: str | Path | None) -> None:
    if weights is None:
        return
    if weights == "imagenet":
        if not spec(name).has_base:
            raise InputError(
                f'`weights="imagenet"` exists for {", ".join(names_with_base())}. Received: name={name!r}. '
                "Leave the weights out, or give a file saved by `model.save_weights`."
            )
    elif Path(weights).suffix != ".h5" or not Path(weights).is_file():
        raise InputError(
            f'`weights` must be an existing file ending in .h5, or "imagenet". Received: weights={str(weights)!r}'
        )


@contextmanager
def _explain_weight_errors(name: str, weights: str | Path | None) -> Iterator[None]:
    """Turns what Keras raises about weights into sentences; lets everything else through."""
    try:
        with warnings.catch_warnings():
            # Keras warns of each layer that does not fit before it raises
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
            f"The weights do not fit {name}. Expected: {_expected_weights(name)}. Received: "
            f"weights={str(weights)!r}, and Keras says: {reason}"
        ) from error


def _expected_weights(name: str) -> str:
    if spec(name).has_base:
        return "the base's weights without its top (include_top=False)"
    return "a file that `save_weights` wrote for the same model, image size and classes"
