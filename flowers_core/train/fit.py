"""Compiles and fits as the codelab does, from records to weights that are saved after every epoch."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import keras

from flowers_core import backends, models, progress, resources, user_code
from flowers_core.backends import precision
from flowers_core.backends.devices import Device
from flowers_core.data import manifest, storage
from flowers_core.data.shards import Shards
from flowers_core.errors import InputError
from flowers_core.input import cache as caching
from flowers_core.models import pretrained  # noqa: F401 a model that is loaded may hold its layers
from flowers_core.train import feature_cache, feeding, schedules
from flowers_core.train.callbacks import KeepEpochs, StopAtTarget
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Settings

FEATURES_SHARE = 0.5  # of the memory, which features take twice: as they are computed and as they are fed


def compile_model(
    model: keras.Model, *, xla: bool, optimizer: str | keras.Optimizer = "adam", steps_per_execution: int = 1
) -> keras.Model:
    """Compiles a model for integer labels and returns it.

    The codelab's one-hot labels with `categorical_crossentropy` are the same loss written out.

    Args:
        model: Ends in a softmax over the classes.
        xla: Whether XLA compiles the step. Keras' own "auto" would decide by the devices it happens to see.
        optimizer: Adam with its defaults, as in the codelab, unless given.
        steps_per_execution: Steps that one call trains.
    """
    model.compile(
        optimizer=optimizer,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=xla,
        steps_per_execution=steps_per_execution,
    )
    if xla:
        backends.get(keras.backend.backend()).compile_whole(model)
    return model


def load(path: Path) -> keras.Model:
    """Loads a whole model from a `.keras` file, and never runs code that the file may hold.

    Raises:
        InputError: If there is no such file, it is damaged, or it holds code.
    """
    if not path.is_file():
        raise InputError(f"{path} must be a saved model. Received: no such file")
    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # whatever a damaged or hostile file makes of it
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path} must be a model saved by Keras {keras.__version__} or before, without code in it. "
            f"Received: {type(error).__name__}: {reason}"
        ) from error


def load_trained(run: Run, settings: Settings) -> keras.Model:
    """Loads the model of a training.

    Raises:
        InputError: As `load`, or if it is another model or tells apart other classes than the settings say.
    """
    if user_code.is_option(settings.model):
        user_code.load(settings.model, user_code.MODEL)  # it may register layers that the saved model holds
    model = load(run.model)
    if not models.is_users(settings.model) and model.name != settings.model:
        raise InputError(f"{run.model} must be {settings.model}. Received: {model.name}. Train into another folder")
    run.check_classes(settings.classes, model.output_shape[-1])
    return model


def export(model: keras.Model, target: Path) -> None:
    """Writes a model whole or not at all: `.keras`, `.weights.h5`, or else a folder, a SavedModel without Keras.

    A `.keras` file leaves out the optimizer, which takes up half to two thirds of a training's own.
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
        tell: Called with a line an epoch.

    Returns:
        The history: a row an epoch, earlier ones included, with `epoch` (from 1), `loss`, `accuracy`, `val_loss`,
        `val_accuracy`, `learning_rate`, `seconds` and `images_per_second` of its steps alone, and `elapsed_seconds`
        since training began.

    Raises:
        InputError: If the records are too few for a batch or damaged, the weights do not fit, or what was kept is
            damaged.
        RunFailed: If the loss is no longer finite, or the service fails or is lost.
    """
    begun = perf_counter()
    parts = split_shards(settings)
    shards = parts[0].select([*parts[0], *parts[1]])
    steps = manifest.images_in(parts[0]) // settings.batch_size
    _check_loop(settings, steps)
    _seed(settings)
    arrays = feeding.by_arrays(settings.records, dispatcher)
    with feeding.explain_errors(shards, arrays=arrays, **expected_records(settings)), device.scope():
        with precision.use(settings.precision):
            model = compiled_model(settings, run)
            done = -(-int(model.optimizer.iterations) // steps)  # up: float16 skips a step whose gradients overflow
            rows = rows_with_weights(run, done)
            if done >= settings.epochs:
                return rows
            learner, data, validation = _inputs(model, settings, parts, done=done, dispatcher=dispatcher, tell=tell)
        epochs = KeepEpochs(
            run,
            model,
            classes=settings.classes,
            images=steps * settings.batch_size,
            rows=rows,
            begun=begun,
            tell=tell,
        )
        tell(forecast(settings.epochs - done, steps, rows))
        each = settings.steps_per_execution  # Keras calls back once for all of them
        with progress.bar(f"training {Path(settings.model).name}", (settings.epochs - done) * steps) as advance:
            learner.fit(
                data,
                steps_per_epoch=steps,
                initial_epoch=done,
                epochs=settings.epochs,
                validation_data=validation,
                shuffle=False,  # the batches are shuffled already
                verbose=0,
                callbacks=[
                    *_schedule(settings),
                    epochs,
                    keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(each)),  # noqa: ARG005
                    *_curves(run, tell),
                    *([StopAtTarget(target)] if target is not None else []),
                ],
            )
    return rows


def forecast(epochs: int, steps: int, rows: Sequence[dict[str, float]]) -> str:
    """What is left of a training, and how long it takes.

    Args:
        epochs: How many are left.
        steps: Of each.
        rows: Of the epochs before them.
    """
    what = f"{epochs} epochs of {steps} steps"
    if not rows:
        return f"{what}: how long they take is known when the first has ended"
    minutes = rows[-1]["elapsed_seconds"] / len(rows) * epochs / 60
    return f"{what}: about {max(1, round(minutes))} min, as the {len(rows)} before took"


def expected_records(settings: Settings) -> dict[str, Any]:
    """What records are to hold, for `feeding.explain_errors`."""
    unchecked = not settings.manifest().checked
    return {"classes": len(settings.classes), "image_size": settings.image_size, "unchecked": unchecked}


def split_shards(settings: Settings) -> tuple[Shards, Shards]:
    """Paths of the shards to train on and to validate on.

    Raises:
        InputError: If there are fewer images to train on than make a batch, or none to validate on.
    """
    written = settings.manifest()
    manifest.check_matches(written, image_size=settings.image_size, classes=settings.classes)
    parts = manifest.split(manifest.paths(settings.records, written), validation=settings.validation)
    training, validation = map(manifest.images_in, parts)
    if training < settings.batch_size or not validation:
        raise InputError(
            f"{settings.records} must hold at least a batch of images to train on and one to validate on. Received: "
            f"{training} and {validation} of them, and batch_size={settings.batch_size}. Give a smaller --batch-size, "
            f"or write records of more photos"
        )
    return parts


def _check_loop(settings: Settings, steps: int) -> None:
    """Checks that epochs are of whole calls: Keras would train more steps in each otherwise."""
    if steps % settings.steps_per_execution:
        several = ", ".join(str(number) for number in range(1, steps + 1) if steps % number == 0)
        raise InputError(
            f"`steps_per_execution` must divide the {steps} steps of an epoch: {several}. "
            f"Received: steps_per_execution={settings.steps_per_execution}"
        )


def _seed(settings: Settings) -> None:
    if settings.deterministic:
        backends.get(keras.config.backend()).make_deterministic()
    if settings.seed is not None:
        keras.utils.set_random_seed(settings.seed)


def compiled_model(settings: Settings, run: Run) -> keras.Model:
    """The model as it was saved last, or a new one."""
    if run.model.exists():
        model = load_trained(run, settings)
        return compile_model(model, optimizer=model.optimizer, **_how(settings))
    model = models.build(
        settings.model,
        image_size=settings.image_size,
        classes=len(settings.classes),
        weights=settings.weights,
        pixels=settings.pixels,
        fine_tune=settings.fine_tune,
    )
    return compile_model(model, optimizer=_optimizer(settings), **_how(settings))


def _how(settings: Settings) -> dict[str, Any]:
    """How a model is compiled, beside its optimizer."""
    return {"xla": settings.compiled, "steps_per_execution": settings.steps_per_execution}


def _optimizer(settings: Settings) -> keras.Optimizer:
    rate = {} if settings.learning_rate is None else {"learning_rate": settings.learning_rate}
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(**rate, momentum=0.9, nesterov=True)
    return keras.optimizers.Adam(**rate)


def _curves(run: Run, tell: Callable[[str], None]) -> list[keras.callbacks.Callback]:
    """Writes curves for TensorBoard, which TensorFlow alone can."""
    if backends.is_installed("tensorflow"):
        return [keras.callbacks.TensorBoard(run.logs, write_graph=False)]
    tell(f"no curves for TensorBoard, which TensorFlow writes and which is not installed: {run.curves} has them")
    return []


def _schedule(settings: Settings) -> list[keras.callbacks.Callback]:
    """The codelab's schedule, where it has one and the user chose no constant rate."""
    if learning_rate(settings, 0) is None:
        return []
    return [keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(settings, epoch))]


def learning_rate(settings: Settings, epoch: int) -> float | None:
    """The rate of an epoch, counted from 0, by the codelab's schedule; None for the optimizer's own."""
    name = settings.recipe.schedule
    if settings.learning_rate is not None or not name:
        return None
    return schedules.schedule(name, replicas=settings.replicas)(epoch)


def rows_with_weights(run: Run, done: int) -> list[dict[str, float]]:
    """The rows of the epochs whose weights are saved: a kill may have left one more."""
    rows = run.history()[:done]
    if len(rows) < done:
        raise InputError(
            f"{run.folder} must hold a row for each of {done} epochs. Received: {len(rows)}. Train into another folder"
        )
    return rows


def _inputs(
    model: keras.Model,
    settings: Settings,
    parts: tuple[Shards, Shards],
    *,
    done: int,
    dispatcher: str,
    tell: Callable[[str], None],
) -> tuple[keras.Model, Iterable, Iterable]:
    """The model to fit and its batches: the whole model and images, or its head and the features of its base."""
    training_shards, validation_shards = parts
    seed = None if settings.seed is None else settings.seed + done  # a later epoch must not repeat an earlier one
    arrays = feeding.by_arrays(settings.records, dispatcher)
    source: dict[str, Any] = {"image_size": settings.image_size, "batch_size": settings.batch_size}
    source |= {"arrays": arrays, "dispatcher": dispatcher}
    count = manifest.images_in(training_shards) + manifest.images_in(validation_shards)
    base_and_head = _split_if_affordable(model, settings, count, tell)
    if base_and_head:
        base, head = base_and_head
        known = feature_cache.Features(
            base, training_shards, count=manifest.images_in(training_shards), mirrored=settings.mirrored, **source
        )
        unseen = feature_cache.Features(base, validation_shards, count=manifest.images_in(validation_shards), **source)
        data = known.training(batch_size=settings.batch_size, shuffle_buffer=settings.shuffle_buffer, seed=seed)
        head = compile_model(head, optimizer=model.optimizer, **_how(settings))
        return head, data, unseen.validation(batch_size=settings.batch_size)
    cache = caching.decide(count, image_size=settings.image_size)
    tell(cache.description)
    if settings.pipeline:
        size = {"image_size": settings.image_size, "batch_size": settings.batch_size}
        given = feeding.Source(records=settings.records)
        data: Iterable = feeding.users(settings.pipeline, given, classes=len(settings.classes), **size)
    else:
        data = feeding.training(
            training_shards,
            augmentation=settings.augmentation,
            shuffle_buffer=settings.shuffle_buffer,
            seed=seed,
            cache=cache,
            **source,
        )
    validation = feeding.validation(validation_shards, cache=cache, **source)
    steps = -(-manifest.images_in(validation_shards) // settings.batch_size)
    return model, data, feeding.with_length(validation, steps)


def _split_if_affordable(
    model: keras.Model, settings: Settings, count: int, tell: Callable[[str], None]
) -> tuple[keras.Model, keras.Model] | None:
    """Base and head where features are to be cached and memory holds them."""
    parts = feature_cache.split(model) if settings.cached_features else None
    if parts is None:
        return None
    copies = 2 * (2 if settings.mirrored else 1)
    needed = copies * feature_cache.bytes_of(parts[0], count)
    memory = resources.usable_memory()
    if needed > FEATURES_SHARE * memory:
        tell(
            f"features would take {needed / 1e9:.1f} of {memory / 1e9:.1f} GB of memory: the base sees every image in "
            f"every epoch"
        )
        return None
    return parts
