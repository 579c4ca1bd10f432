"""How the codelab trains each model and what accuracy it reached: what `train` does unless told otherwise."""

from dataclasses import dataclass, replace

from flowers_core import models
from flowers_core.backends import precision
from flowers_core.data.manifest import Manifest
from flowers_core.errors import InputError, one_of
from flowers_core.train.run_dir import Settings

OPTIMIZERS = ("adam", "sgd")
# What changes at random in images to train on: nothing, left and right, or these and saturation as in the codelab.
AUGMENTATIONS = ("none", "flip", "codelab")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training of the codelab (sections 4 to 7).

    Attributes:
        epochs: Passes over the training shards.
        batch_size: Images a batch on one CPU or GPU.
        batch_per_replica: Images of a batch for each replica where several share it: 128 on the 8 cores of a TPU.
        augmentation: What changes in images at random: one of `AUGMENTATIONS`.
        shuffle_buffer: Images that the shuffle chooses from; 1 leaves them as they are read.
        optimizer: `adam` with Keras' defaults, or `sgd` with Nesterov momentum 0.9.
        precision: The fastest on a CPU that multiplies bfloat16, by `bench compare --axis precision=...`; float32 is
            taken everywhere else.
        xla: Whether XLA makes the step faster on a CPU, likewise.
        frozen: Whether the base stays as it is, so that what it makes of an image can be kept.
        validation: Which end of the shards validates: `first` or `last`.
        accuracy: Lowest and highest validation accuracy that its notebooks print at the end; None where they print
            none. They trained on 2,980 or 2,990 photos.
    """

    epochs: int = 20
    batch_size: int = 32
    batch_per_replica: int = 16
    augmentation: str = "none"
    shuffle_buffer: int = 1
    optimizer: str = "adam"
    precision: str = "mixed_bfloat16"
    xla: bool = False
    frozen: bool = False
    validation: str = "first"
    accuracy: tuple[float, float] | None = None

    def batch(self, replicas: int) -> int:
        """Images of the global batch."""
        return self.batch_size if replicas == 1 else self.batch_per_replica * replicas


_TRANSFER = Recipe(epochs=10, batch_size=64, precision="float32", frozen=True)
_AUGMENTED = Recipe(epochs=35, augmentation="codelab", shuffle_buffer=2048)

# The codelab has no notebook for the others: they are trained as the model nearest to them.
_RECIPES = {
    "dense_single": Recipe(precision="float32", xla=True),
    "dense": Recipe(precision="float32", xla=True),
    "convnet": Recipe(),
    "convnet_unpooled": Recipe(),
    "convnet_gap": Recipe(accuracy=(0.704, 0.761)),
    "convnet_gap_dense": Recipe(epochs=10, batch_size=64, accuracy=(0.7455, 0.7455)),
    "squeezenet": replace(_AUGMENTED, accuracy=(0.800, 0.810)),
    "squeezenet_small": _AUGMENTED,
    "squeezenet_331": replace(_AUGMENTED, epochs=60, batch_size=16, optimizer="sgd", accuracy=(0.766, 0.814)),
    "mobilenetv2": replace(_TRANSFER, accuracy=(0.756, 0.864)),
    "xception": replace(_AUGMENTED, epochs=12, batch_size=16, validation="last", accuracy=(0.963, 0.971)),
    "vgg16": _TRANSFER,
    "resnet50": _TRANSFER,
    "mobilenet": _TRANSFER,
}


# What a model gets that has no row: nothing that was found out by training or timing another.
_DEFAULT = Recipe(precision="float32")


def recipe(model: str) -> Recipe:
    """The codelab's recipe of a model, or that of the model nearest to it, or 20 epochs of Adam in float32.

    Raises:
        InputError: If there is no such model.
    """
    one_of("model", model, models.NAMES)
    return _RECIPES.get(model, _DEFAULT)


def settle(model: str, written: Manifest, *, records: str, device: str, replicas: int, **chosen) -> Settings:
    """All settings of a training: what is chosen, else what the recipe says, as fast as this machine does it.

    Args:
        model: One of `models.NAMES`.
        written: What the records hold.
        records: Where they are.
        device: `tpu`, `gpu` or `cpu`.
        replicas: How many copies of the model share a batch.
        **chosen: Fields of `Settings`; those that are None are left to the recipe.

    Raises:
        InputError: If a name is unknown, a number too small, or two choices exclude each other.
    """
    one_of("model", model, models.NAMES)
    models.check_image_size(model, written.image_size)
    known = recipe(model)
    said = {name: value for name, value in chosen.items() if value is not None}
    defaults = {
        "epochs": known.epochs,
        "batch_size": known.batch(replicas),
        "augmentation": known.augmentation,
        "shuffle_buffer": known.shuffle_buffer,
        "validation": known.validation,
        "optimizer": known.optimizer,
        "precision": known.precision if device == "cpu" and precision.multiplies_bfloat16() else "float32",
        "xla": known.xla and device == "cpu",
        "cached_features": known.frozen and said.get("augmentation", known.augmentation) != "codelab",
    }
    settings = Settings(
        **{
            **defaults,
            **said,
            "model": model,
            "records": records,
            "image_size": written.image_size,
            "classes": written.classes,
            "device": device,
            "replicas": replicas,
        }
    )
    _check(settings, known)
    return settings


def _check(settings: Settings, known: Recipe) -> None:
    one_of("optimizer", settings.optimizer, OPTIMIZERS)
    one_of("augmentation", settings.augmentation, AUGMENTATIONS)
    for name in ("epochs", "batch_size", "shuffle_buffer"):
        if getattr(settings, name) < 1:
            raise InputError(f"`{name}` must be at least 1. Received: {name}={getattr(settings, name)}")
    if settings.batch_size % settings.replicas:
        raise InputError(
            f"`batch_size` must be a multiple of the {settings.replicas} replicas that share it. "
            f"Received: batch_size={settings.batch_size}"
        )
    if settings.learning_rate is not None and not 0 < settings.learning_rate < float("inf"):
        raise InputError(f"`learning_rate` must be above 0. Received: learning_rate={settings.learning_rate}")
    if settings.cached_features and (settings.augmentation == "codelab" or not known.frozen):
        why = f"{settings.model}, all of which learns" if not known.frozen else "colours that change at random"
        raise InputError(
            f"Features are cached of a base that stays as it is, and of images or these and their mirror images. "
            f"Received: {why}"
        )
    if settings.seed is not None and not 0 <= settings.seed < 2**32:
        raise InputError(f"`seed` must be 0 or more and less than 2^32. Received: seed={settings.seed}")
    if settings.deterministic and settings.seed is None:
        raise InputError("`deterministic` must have a `seed`, for nothing may be drawn anew. Received: no seed")
    unsuitable = precision.unsuitable(settings.precision, settings.device)
    if unsuitable:
        raise InputError(f"`precision` must suit the device. Received: {settings.precision}: {unsuitable}")
