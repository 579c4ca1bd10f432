"""All that decides what a training does: the user's choices, and the model's recipe where there are none."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from flowers_core import models
from flowers_core.backends import BACKENDS, precision
from flowers_core.data import decoding as decodings
from flowers_core.data import manifest
from flowers_core.data.decoding import Decoding
from flowers_core.data.manifest import Manifest
from flowers_core.data.shards import CODELAB, Features
from flowers_core.errors import InputError, one_of

OPTIMIZERS = ("adam", "sgd")

AUGMENTATIONS = ("none", "flip", "codelab")
"""What changes at random in images to train on: nothing; left and right; or these and saturation as in the codelab."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that decides what a training does.

    Attributes:
        model: One of `models.MODELS`.
        records: Folder or bucket of the records.
        image_size: Side of their images in pixels.
        classes: Names of the classes; the position is the label.
        epochs: Passes over the training shards.
        batch_size: Images of the global batch.
        augmentation: What changes in images at random: one of `AUGMENTATIONS`.
        shuffle_buffer: Images that the shuffle chooses from; 1 leaves them as they are read.
        validation: Which end of the shards validates: `first` or `last`.
        optimizer: `adam` or `sgd`.
        learning_rate: A constant rate; None for the codelab's schedule where it has one, else the optimizer's default.
        weights: Path of weights to begin with, or `imagenet`; None for random ones.
        pixels: `codelab` for [0, 1], `weights` for the range that ImageNet weights were trained on.
        fine_tune: Whether all of a base learns, by our recipe for that.
        cached_features: Whether a frozen base sees each image once.
        device: `tpu`, `gpu` or `cpu`.
        replicas: How many copies of the model share a batch.
        precision: One of `backends.precision.PRECISIONS`.
        backend: Keras' backend, one of `backends.BACKENDS`.
        xla: Whether XLA compiles the step.
        torch_compile: Whether `torch.compile` does.
        steps_per_execution: Steps that one call of Keras trains: on TensorFlow in a loop on the device.
        seed: Makes weights, order and augmentation the same in every run; None draws them anew.
        deterministic: Whether every operation gives the same bits in every run, at a price.
        features: Names of the features of the records.
        decoding: How the photos of the records became pixels.
        pipeline: A user's own loader, `path/to/file.py:function`, whose batches train in place of the records' training
            shards; empty for these.
    """

    model: str
    records: str
    image_size: int
    classes: tuple[str, ...]
    epochs: int
    batch_size: int
    augmentation: str
    shuffle_buffer: int
    validation: Literal["first", "last"]
    optimizer: str = "adam"
    learning_rate: float | None = None
    weights: str | None = None
    pixels: str = "codelab"
    fine_tune: bool = False
    cached_features: bool = False
    device: str = "cpu"
    replicas: int = 1
    precision: str = "float32"
    xla: bool = False
    seed: int | None = None
    deterministic: bool = False
    backend: str = "tensorflow"
    torch_compile: bool = False
    steps_per_execution: int = 1
    features: Features = CODELAB
    decoding: Decoding = decodings.CODELAB
    pipeline: str = ""

    @property
    def compiled(self) -> bool:
        """Whether a compiler makes the step, whichever."""
        return self.xla or self.torch_compile

    def manifest(self) -> Manifest:
        """The manifest of the records.

        Raises:
            InputError: As `manifest.load` does.
        """
        return manifest.load(self.records, features=self.features, classes=self.classes)

    @property
    def recipe(self) -> models.Recipe:
        """How its model is trained unless told otherwise."""
        return models.recipe(self.model, fine_tune=self.fine_tune)

    @property
    def mirrored(self) -> bool:
        """Whether each image comes as it is or as its mirror image, and nothing else changes."""
        return self.augmentation == "flip"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The fields of `Settings` that a user may choose; None leaves a field to the model's recipe and this machine."""

    epochs: int | None = None
    batch_size: int | None = None
    augmentation: str | None = None
    shuffle_buffer: int | None = None
    validation: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weights: str | None = None
    pixels: str | None = None
    fine_tune: bool | None = None
    cached_features: bool | None = None
    device: str | None = None
    precision: str | None = None
    xla: bool | None = None
    torch_compile: bool | None = None
    steps_per_execution: int | None = None
    seed: int | None = None
    deterministic: bool | None = None
    pipeline: str | None = None

    def given(self) -> dict[str, Any]:
        """The fields that the user chose."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def completed_by(self, settings: Settings) -> "Choices":
        """These choices and, where there are none, the settings of the training that is resumed."""
        return replace(self, **{name: getattr(settings, name) for name, value in vars(self).items() if value is None})


def resolve(
    model: str,
    written: Manifest,
    choices: Choices = Choices(),
    *,
    records: str,
    device: str,
    replicas: int,
    backend: str = "tensorflow",
) -> Settings:
    """The settings of a training: the user's choices, else the recipe's, in the fastest way for this machine.

    Args:
        model: One of `models.MODELS`.
        written: The manifest of the records.
        choices: What the user asks for; its `device` has become the argument.
        records: Folder or bucket of the records.
        device: `tpu`, `gpu` or `cpu`.
        replicas: How many copies of the model share a batch.
        backend: Keras' backend.

    Raises:
        InputError: If a name is unknown, a number too small, or two choices exclude each other.
    """
    models.check_image_size(model, written.image_size)
    given = choices.given()
    recipe = models.recipe(model, fine_tune=bool(choices.fine_tune))
    defaults: dict[str, Any] = {
        "epochs": recipe.epochs,
        "batch_size": recipe.global_batch(replicas),
        "augmentation": recipe.augmentation,
        "shuffle_buffer": recipe.shuffle_buffer,
        "validation": recipe.validation,
        "optimizer": recipe.optimizer,
        **usual_way(recipe, device=device, backend=backend, replicas=replicas),
        "cached_features": recipe.frozen and given.get("augmentation", recipe.augmentation) != "codelab",
    }
    if given.get("pipeline"):
        defaults |= {"augmentation": "none", "shuffle_buffer": 1, "cached_features": False}
    facts: dict[str, Any] = {
        "image_size": written.image_size,
        "classes": written.classes,
        "device": device,
        "replicas": replicas,
        "backend": backend,
        "features": written.features,
        "decoding": written.decoding,
    }
    settings = Settings(**defaults | given | facts, model=model, records=records)
    _check(settings, recipe)
    return settings


def usual_way(recipe: models.Recipe, *, device: str, backend: str, replicas: int = 1) -> dict[str, Any]:
    """Precision and compiler that a model is trained by where nothing was chosen or found."""
    spec = BACKENDS[backend]
    # loops that XLA writes for a CPU gain nothing: results/tables/reference-backends.md
    halved = device == "cpu" and precision.multiplies_bfloat16() and not spec.always_compiled
    alone = replicas == 1 or spec.compiles_replicas
    return {
        "precision": recipe.precision if halved else "float32",
        "xla": spec.always_compiled or (recipe.xla and device == "cpu" and spec.compiler == "XLA" and alone),
    }


def _check(settings: Settings, recipe: models.Recipe) -> None:
    one_of("optimizer", settings.optimizer, OPTIMIZERS)
    one_of("augmentation", settings.augmentation, AUGMENTATIONS)
    for name in ("epochs", "batch_size", "shuffle_buffer", "steps_per_execution"):
        if getattr(settings, name) < 1:
            raise InputError(f"`{name}` must be at least 1. Received: {name}={getattr(settings, name)}")
    if settings.batch_size % settings.replicas:
        raise InputError(
            f"`batch_size` must be a multiple of the {settings.replicas} replicas that share it. "
            f"Received: batch_size={settings.batch_size}"
        )
    if settings.learning_rate is not None and not 0 < settings.learning_rate < float("inf"):
        raise InputError(f"`learning_rate` must be above 0. Received: learning_rate={settings.learning_rate}")
    if settings.cached_features and (settings.augmentation == "codelab" or not recipe.frozen):
        why = f"{settings.model}, all of which learns" if not recipe.frozen else "colours that change at random"
        raise InputError(
            f"`cached_features` needs a base that never changes, and images that are only mirrored. Received: {why}"
        )
    if settings.pipeline and (settings.augmentation, settings.shuffle_buffer, settings.cached_features) != (
        "none",
        1,
        False,
    ):
        raise InputError(
            "`augmentation`, `shuffle_buffer` and `cached_features` are for batches of the records: what a loader of "
            "your own gives is trained on as it comes. Leave them out"
        )
    if settings.seed is not None and not 0 <= settings.seed < 2**32:
        raise InputError(f"`seed` must be 0 or more and less than 2^32. Received: seed={settings.seed}")
    if settings.deterministic and settings.seed is None:
        raise InputError("`deterministic` must have a `seed`, or each run draws other numbers. Received: no seed")
    _check_compiler(settings)
    _check_loop(settings)
    unsuitable = precision.unsuitable(settings.precision, settings.device)
    if unsuitable:
        raise InputError(f"`precision` must suit the device. Received: {settings.precision}: {unsuitable}")


def _check_loop(settings: Settings) -> None:
    """Checks that several steps a call can be trained."""
    if settings.steps_per_execution == 1:
        return
    given = f"Received: steps_per_execution={settings.steps_per_execution}"
    if not BACKENDS[settings.backend].loops_on_device:
        raise InputError(
            f"`steps_per_execution` must be 1 on {settings.backend}, where a call trains one step. {given}"
        )
    if settings.replicas > 1:
        raise InputError(f"`steps_per_execution` must be 1 where {settings.replicas} replicas share a batch. {given}")


def _check_compiler(settings: Settings) -> None:
    """Checks that the backend has the compiler that is asked for."""
    spec = BACKENDS[settings.backend]
    for name, compiler in {"xla": "XLA", "torch_compile": "torch.compile"}.items():
        if getattr(settings, name) and compiler != spec.compiler:
            raise InputError(
                f"`{name}` must be left out: steps on {settings.backend} are compiled by {spec.compiler}. "
                f"Received: {name}=True"
            )
    if spec.always_compiled and not settings.xla:
        raise InputError(f"`xla` must stay on: {settings.backend} compiles every step. Received: xla=False")
