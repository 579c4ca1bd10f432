"""Compile and fit as the codelab does, from records to weights that are kept after every epoch."""

import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import keras
import tensorflow as tf

from flowers_core import models, progress
from flowers_core.backends import precision
from flowers_core.backends.devices import Device
from flowers_core.data import manifest, storage
from flowers_core.errors import InputError
from flowers_core.input import cache as caching
from flowers_core.input import data_service, training_data
from flowers_core.models import pixel_range  # noqa: F401 a model that is loaded may hold its layers
from flowers_core.train import feature_cache, schedules
from flowers_core.train.callbacks import Epochs, Moving, StopAtNaN, StopAtTarget
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Settings

FEATURES_SHARE = 0.5  # of the memory that features may take, twice: as they are computed and as they are fed


def compile_model(model: keras.Model, *, xla: bool, optimizer: str | keras.Optimizer = "adam") -> keras.Model:
    """Compiles for integer labels, and gives the model back.

    The codelab's one-hot labels with `categorical_crossentropy` are the same loss written out.

    Args:
        model: Ends in a softmax over the classes.
        xla: Whether XLA compiles the step. Keras' own "auto" would decide by the devices it happens to see.
        optimizer: Adam with its defaults, as in the codelab, unless given.
    """
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=xla)
    return model


def load(path: Path) -> keras.Model:
    """Loads a whole model from a `.keras` file; code that such a file may hold is never run.

    Raises:
        InputError: If there is no such file, it is damaged, or it holds code.
    """
    if not path.is_file():
        raise InputError(f"{path} must be a model that was saved. Received: no such file")
    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # whatever a damaged or hostile file makes of it
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} must be a model saved by Keras {keras.__version__} or before, without code in it. "
            f"Received: {type(error).__name__}: {reason}"
        ) from error


def export(model: keras.Model, target: Path) -> None:
    """Writes a model whole or not at all: `.keras`, `.weights.h5`, or else a folder, a SavedModel without Keras.

    The first is without the optimizer, which half to two thirds of what is kept are.
    """
    temporary = target.with_name(f"unfinished-{target.name}")
    try:
        if target.name.endswith(".weights.h5"):
            model.save_weights(temporary)
        elif target.suffix == ".keras":
            bare = type(model).from_config(model.get_config())  # not compiled
            bare.set_weights(model.get_weights())
            bare.save(temporary)
        else:
            model.export(temporary, verbose=False)
        storage.replace_durably(temporary, target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def train(
    settings: Settings,
    run: Run,
    *,
    device: Device,
    target: float | None = None,
    dispatcher: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> list[dict[str, float]]:
    """Trains from the last epoch that was kept, or from the beginning.

    Args:
        settings: What to do.
        run: Where rows and weights are kept; its training has been begun.
        device: Where the model is built.
        target: Validation accuracy at which to stop.
        dispatcher: Address of a tf.data service that reads and decodes; empty for this process.
        tell: Is called with a line an epoch.

    Returns:
        The history: a row an epoch, earlier ones included, with `epoch` (from 1), `loss`, `accuracy`, `val_loss`,
        `val_accuracy`, `learning_rate`, `seconds` and `images_per_second` of its steps alone, and `elapsed_seconds`
        since training began.

    Raises:
        InputError: If the records are too few for a batch or damaged, the weights do not fit, what was kept is
            damaged, or the service fails or is lost.
        NotFinite: If the loss is no number any more.
    """
    begun = perf_counter()
    training_shards, validation_shards = parts = _shards(settings)
    shards = (*training_shards, *validation_shards)
    steps = sum(map(manifest.count, training_shards)) // settings.batch_size
    _seed(settings)
    with (
        training_data.explain_errors(shards),
        data_service.reported_errors(),
        device.scope(),
        precision.use(settings.precision),
    ):
        model = _compiled(settings, run)
        done = -(-int(model.optimizer.iterations) // steps)  # up: float16 skips a step whose gradients overflow
        rows = _rows(run, done)
        if done >= settings.epochs:
            return rows
        learner, data, validation = _fed(model, settings, parts, done=done, dispatcher=dispatcher, tell=tell)
    epochs = Epochs(run, model, images=steps * settings.batch_size, rows=rows, begun=begun, tell=tell)
    bar = progress.bar(f"training {settings.model}", (settings.epochs - done) * steps)
    with training_data.explain_errors(shards), data_service.reported_errors(), device.scope(), bar as advance:
        learner.fit(
            data,
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=settings.epochs,
            validation_data=validation,
            shuffle=False,  # the batches are shuffled already
            verbose=0,
            callbacks=[
                *_scheduled(settings),
                StopAtNaN(epochs),
                Moving(advance),
                epochs,
                keras.callbacks.TensorBoard(run.logs, write_graph=False),
                *([StopAtTarget(target)] if target is not None else []),
            ],
        )
    return rows


def _shards(settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Paths of the shards to train on and to validate on.

    Raises:
        InputError: If there are fewer images to train on than make a batch, or none to validate on.
    """
    written = manifest.load(settings.records)
    manifest.check_matches(written, image_size=settings.image_size, classes=settings.classes)
    parts = manifest.split(manifest.paths(settings.records, written), validation=settings.validation)
    counts = [sum(map(manifest.count, part)) for part in parts]
    if counts[0] < settings.batch_size or not counts[1]:
        raise InputError(
            f"{settings.records} must hold at least a batch of images to train on and one to validate on. Received: "
            f"{counts[0]} and {counts[1]} of them, and batch_size={settings.batch_size}. Give a smaller --batch-size, "
            f"or write records of more photos"
        )
    return parts


def _seed(settings: Settings) -> None:
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    if settings.seed is not None:
        keras.utils.set_random_seed(settings.seed)


def _compiled(settings: Settings, run: Run) -> keras.Model:
    """The model as it was kept last, or a new one."""
    if run.model.exists():
        model = load(run.model)
        if model.name != settings.model or model.output_shape[-1] != len(settings.classes):
            raise InputError(
                f"{run.model} must be {settings.model} for {len(settings.classes)} classes. Received: {model.name} for "
                f"{model.output_shape[-1]}. Train into another folder"
            )
        return compile_model(model, xla=settings.xla, optimizer=model.optimizer)
    model = models.build(
        settings.model,
        image_size=settings.image_size,
        classes=len(settings.classes),
        weights=settings.weights,
        pixels=settings.pixels,
    )
    return compile_model(model, xla=settings.xla, optimizer=_optimizer(settings))


def _optimizer(settings: Settings) -> keras.Optimizer:
    rate = {} if settings.learning_rate is None else {"learning_rate": settings.learning_rate}
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(**rate, momentum=0.9, nesterov=True)
    return keras.optimizers.Adam(**rate)


def _scheduled(settings: Settings) -> list[keras.callbacks.Callback]:
    """The codelab's schedule, where it has one and no constant rate was asked for."""
    name = models.spec(settings.model).recipe.schedule
    if settings.learning_rate is not None or not name:
        return []
    return [keras.callbacks.LearningRateScheduler(schedules.schedule(name, replicas=settings.replicas))]


def _rows(run: Run, done: int) -> list[dict[str, float]]:
    """The rows of the epochs whose weights are kept: a kill may have left one more."""
    rows = run.history()[:done]
    if len(rows) < done:
        raise InputError(
            f"{run.folder} must hold a row for each of {done} epochs. Received: {len(rows)}. Train into another folder"
        )
    return rows


def _fed(model, settings: Settings, parts, *, done: int, dispatcher: str, tell):
    """What learns, and the batches for it: the model itself, or its head and the features of its base."""
    training_shards, validation_shards = parts
    seed = None if settings.seed is None else settings.seed + done  # an epoch that follows is no repetition
    size = {"image_size": settings.image_size, "batch_size": settings.batch_size, "dispatcher": dispatcher}
    shards = [*training_shards, *validation_shards]
    split = _affordable(model, settings, shards, tell)
    if split is None:
        cache = caching.decide(sum(map(manifest.count, shards)), image_size=settings.image_size)
        tell(cache.description)
        size["cache"] = cache
        data = training_data.training(
            training_shards,
            augmentation=settings.augmentation,
            shuffle_buffer=settings.shuffle_buffer,
            seed=seed,
            **size,
        )
        # Keras warns of an end that it did not expect, and TFRecords do not say how many they are.
        steps = -(-sum(map(manifest.count, validation_shards)) // settings.batch_size)
        known_end = tf.data.experimental.assert_cardinality(steps)
        return model, data, training_data.validation(validation_shards, **size).apply(known_end)
    base, head = split
    known, unseen = (
        feature_cache.Features(base, some, count=sum(map(manifest.count, some)), mirrored=mirrored, **size)
        for some, mirrored in ((training_shards, settings.mirrored), (validation_shards, False))
    )
    data = known.training(batch_size=settings.batch_size, shuffle_buffer=settings.shuffle_buffer, seed=seed)
    head = compile_model(head, xla=settings.xla, optimizer=model.optimizer)
    return head, data, unseen.validation(batch_size=settings.batch_size)


def _affordable(model, settings: Settings, shards, tell) -> tuple[keras.Model, keras.Model] | None:
    """Base and head where features are to be cached and memory holds them."""
    parts = feature_cache.part(model) if settings.cached_features else None
    if parts is None:
        return None
    sides = 2 if settings.mirrored else 1
    needed = 2 * sides * feature_cache.bytes_of(parts[0], sum(map(manifest.count, shards)))
    memory = caching.machine_bytes()
    if needed > FEATURES_SHARE * memory:
        tell(
            f"features would take {needed / 1e9:.1f} of {memory / 1e9:.1f} GB of memory: the base sees every image in "
            f"every epoch"
        )
        return None
    return parts
