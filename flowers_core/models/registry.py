"""The table of models: where each is built, what it can be given, and how the codelab trains it.

To add a model: write its builder in a file of this folder, add its row to `MODELS`, and a row to the table in
tests/flowers_core/models/test_models.py. The command lines then offer it and the profile `full` measures it.

A builder takes `image_size`, the side of its images in pixels, and `classes`, the width of its output. One with a base
takes `weights` as well (None, "imagenet", or the path of the base's weights without its top) and `pixels`, the
range that the base sees: `codelab` for [0, 1] as there, or `weights` for the one that its weights expect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flowers_core import user_code
from flowers_core.errors import InputError, near


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained unless told otherwise: by the codelab, sections 4 to 7, where it has a notebook.

    Attributes:
        epochs: Passes over the training shards.
        batch_size: Images in a batch on one CPU or GPU.
        batch_per_replica: Images in a batch for each replica where several share it: 128 on the 8 cores of a TPU.
        augmentation: What changes in images at random: one of `train.settings.AUGMENTATIONS`.
        shuffle_buffer: Images that the shuffle chooses from; 1 keeps the order in which they are read.
        optimizer: `adam` with Keras' defaults, or `sgd` with Nesterov momentum 0.9.
        schedule: Of the learning rate, one of `train.schedules.SCHEDULES`; empty for the optimizer's constant rate.
        precision: The fastest on a CPU that multiplies bfloat16, by `bench compare --axis precision=...`; all other
            devices train in float32.
        xla: Whether XLA makes the step faster on a CPU, likewise.
        frozen: Whether the base never changes, so that its output for an image can be cached.
        validation: Which end of the shards validates: `first` or `last`.
        accuracy: Lowest and highest validation accuracy that the codelab's notebooks print at the end; None where they
            print none. They trained on 2,980 or 2,990 photos.
    """

    epochs: int = 20
    batch_size: int = 32
    batch_per_replica: int = 16
    augmentation: str = "none"
    shuffle_buffer: int = 1
    optimizer: str = "adam"
    schedule: str = ""
    precision: str = "float32"
    xla: bool = False
    frozen: bool = False
    validation: Literal["first", "last"] = "first"
    accuracy: tuple[float, float] | None = None

    def fine_tuned(self) -> "Recipe":
        """Our recipe by which all of a pretrained base learns; the codelab has one for Xception alone.

        SGD, for Adam moves each weight of the base as far as one of the untrained head, whatever its gradient: at 1e-4
        mobilenetv2 came to 0.885 on 3,000 photos of 192 px (a seed), where this comes to 0.926 (the median of three).
        """
        return replace(
            self,
            epochs=8,
            batch_size=32,
            augmentation="codelab",
            shuffle_buffer=2048,
            optimizer="sgd",
            schedule="fine_tuning",
            frozen=False,
            accuracy=None,
        )

    def global_batch(self, replicas: int) -> int:
        """Images in the global batch."""
        return self.batch_size if replicas == 1 else self.batch_per_replica * replicas


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model's row.

    Attributes:
        builder: The function that builds it, `module:function` within `flowers_core.models`.
        image_size: Side in pixels of the images for which the codelab made it.
        smallest: Least side of an image; four poolings by 2 leave one pixel of 16.
        has_base: Whether it stands on a network of keras.applications, for which ImageNet weights exist.
        group: `codelab` for an architecture of the codelab itself, which the short profiles measure; else `further`.
        representative: Whether it stands for its kind (dense, plain, fire modules, frozen base) where all models would
            take hours: fed by pipelines, by XLA, in large batches.
        heavy: Whether it is measured in small batches: without pooling every layer works at full resolution, and some
            see 331 pixels, so that on a CPU a step of 32 images takes many seconds and 7 GB.
        recipe: How it is trained; the default holds nothing that was learnt by training or timing another model.
        fine_tuning: In what its recipe to fine-tune differs from `Recipe.fine_tuned`.
    """

    builder: str
    image_size: int = 192
    smallest: int = 16
    has_base: bool = False
    group: str = "further"
    representative: bool = False
    heavy: bool = False
    recipe: Recipe = Recipe()
    fine_tuning: Mapping[str, Any] = field(default_factory=dict)


_CONVOLUTIONS = Recipe(precision="mixed_bfloat16")
_DENSE = Recipe(xla=True)  # bound by memory
_TRANSFER = Recipe(epochs=10, batch_size=64, frozen=True)
_AUGMENTED = replace(_CONVOLUTIONS, epochs=35, augmentation="codelab", shuffle_buffer=2048)


def _codelab(builder: str, recipe: Recipe, **fields) -> ModelSpec:
    return ModelSpec(builder=builder, recipe=recipe, group="codelab", **fields)


# The codelab's own come first, in its order; then the drop-in bases that its notebooks name. A model that has no
# notebook is trained as the model nearest to it.
MODELS: dict[str, ModelSpec] = {
    "dense_single": _codelab("dense:dense_single", _DENSE, smallest=1),
    "dense": _codelab("dense:dense", _DENSE, smallest=1, representative=True),
    "convnet": _codelab("convnet:convnet", _CONVOLUTIONS),
    "convnet_unpooled": _codelab("convnet:convnet_unpooled", _CONVOLUTIONS, smallest=1, heavy=True),
    "convnet_gap": _codelab(
        "convnet:convnet_gap", replace(_CONVOLUTIONS, accuracy=(0.704, 0.761)), representative=True
    ),
    "convnet_gap_dense": _codelab(
        "convnet:convnet_gap_dense",
        replace(_CONVOLUTIONS, epochs=10, batch_size=64, accuracy=(0.7455, 0.7455)),
    ),
    "squeezenet": _codelab("squeezenet:squeezenet", replace(_AUGMENTED, accuracy=(0.800, 0.810)), representative=True),
    "squeezenet_small": _codelab("squeezenet:squeezenet_small", _AUGMENTED, smallest=4),
    "squeezenet_331": _codelab(
        "squeezenet:squeezenet_331",
        replace(
            _AUGMENTED,
            epochs=60,
            batch_size=16,
            optimizer="sgd",
            schedule="squeezenet_331",
            accuracy=(0.766, 0.814),
        ),
        image_size=331,
        heavy=True,
    ),
    "mobilenetv2": _codelab(
        "pretrained:mobilenetv2",
        replace(_TRANSFER, accuracy=(0.756, 0.864)),
        smallest=32,
        has_base=True,
        representative=True,
    ),
    "xception": _codelab(
        "pretrained:xception",
        replace(
            _AUGMENTED,
            epochs=12,
            batch_size=16,
            schedule="xception",
            validation="last",
            accuracy=(0.963, 0.971),
        ),
        image_size=331,
        smallest=71,
        has_base=True,
        heavy=True,
        fine_tuning={"epochs": 4, "batch_size": 16, "schedule": "fine_tuning_xception"},  # 331 pixels take 13 GB
    ),
    "vgg16": ModelSpec(builder="pretrained:vgg16", smallest=32, has_base=True, recipe=_TRANSFER),
    "resnet50": ModelSpec(builder="pretrained:resnet50", smallest=32, has_base=True, recipe=_TRANSFER),
    "mobilenet": ModelSpec(builder="pretrained:mobilenet", smallest=32, has_base=True, recipe=_TRANSFER),
}


def spec(name: str) -> ModelSpec:
    """The row of a model; a user's own (`user_code`) and those of `keras.applications` have one alike.

    Raises:
        InputError: If there is no such model.
    """
    if user_code.peers_library(name) == "torch":  # the codelab's model, written for torch
        return replace(spec(user_code.peer(name)), builder="", representative=False)
    if is_users(name) or user_code.peer(name):
        return ModelSpec(builder="", image_size=user_code.IMAGE_SIZE, smallest=1)
    if name not in MODELS:
        raise InputError(
            f"`model` must be one of {', '.join(MODELS)}, path/to/file.py:function or keras.applications:NAME. "
            f"Received: model={name!r}{near(name, MODELS)}"
        )
    return MODELS[name]


def recipe(name: str, *, fine_tune: bool = False) -> Recipe:
    """How a model is trained unless told otherwise.

    Args:
        name: The model.
        fine_tune: Whether all of a base learns, by our recipe for that.

    Raises:
        InputError: If there is no such model, or it has no base.
    """
    row = spec(name)
    if fine_tune and not row.has_base:
        bases = ", ".join(other for other, its_row in MODELS.items() if its_row.has_base)
        raise InputError(f"`fine_tune` is for models with a pretrained base: {bases}. Received: model={name!r}")
    return replace(row.recipe.fine_tuned(), **row.fine_tuning) if fine_tune else row.recipe


def is_users(name: str) -> bool:
    """Whether a model is no row of `MODELS`, but a user's function or comes with Keras."""
    return user_code.is_option(name) or user_code.is_name(name) or user_code.is_application(name)


def codelab_names() -> list[str]:
    """The codelab's own models, in its order."""
    return [name for name, row in MODELS.items() if row.group == "codelab"]


def representatives() -> list[str]:
    """One model of each kind."""
    return [name for name, row in MODELS.items() if row.representative]


def names_with_base() -> list[str]:
    """The models that stand on a network of keras.applications."""
    return [name for name, row in MODELS.items() if row.has_base]
