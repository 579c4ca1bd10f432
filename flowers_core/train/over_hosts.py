"""Trains one model on several hosts by a loop of ours: Keras' `fit` reduces nothing over processes on TensorFlow.

Each process reads its part of the shards and has its share of each batch. The coordinator keeps rows and weights, and
validates on a model of its own, which no other process shares, while the others wait.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import count, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np

from flowers_core import backends, progress, user_code
from flowers_core.backends import Backend, precision
from flowers_core.backends.devices import Device, DeviceAbsent
from flowers_core.data import manifest, storage
from flowers_core.data.shards import Shards
from flowers_core.errors import InputError
from flowers_core.input import array_data
from flowers_core.input import cache as caching
from flowers_core.train import feeding, fit
from flowers_core.train.callbacks import KeepEpochs
from flowers_core.train.meeting import Meeting, Place
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Settings

OF_A_HOST = ("records", "weights", "model", "pipeline")  # settings that hold paths
PACKAGES = ("flowers-bench", "keras", "numpy")


def terms(settings: Settings) -> dict[str, Any]:
    """What must be alike on all hosts, by name: settings, shards and versions.

    Raises:
        InputError: If the records are missing, or the user's own model is.
    """
    users = user_code.is_option(settings.model)
    loader = user_code.locate(settings.pipeline, user_code.LOADER).name if settings.pipeline else ""
    names = (*PACKAGES, backends.BACKENDS[settings.backend].framework)
    shown = {name: str(value) for name, value in vars(settings).items() if name not in OF_A_HOST}
    return {
        **{name: _version(name) for name in names},
        **shown,
        "model": user_code.locate(settings.model, user_code.MODEL).name if users else settings.model,
        "pipeline": loader,
        "shards": [[shard.name, shard.images] for shard in settings.manifest().shards],
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def train(
    settings: Settings,
    run: Run | None,
    meeting: Meeting,
    *,
    target: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[dict[str, float]]:
    """Trains from the last epoch that the coordinator has kept, or from the beginning.

    Args:
        settings: What to do, the same for all.
        run: Where rows and weights are kept; None for all but the coordinator.
        meeting: The others.
        target: Validation accuracy at which to stop.
        tell: Called with a line an epoch.

    Returns:
        The history, as `fit.train` gives it; none for all but the coordinator.

    Raises:
        InputError: If the records are too few for the workers, the devices are missing, or what was kept is damaged.
        RunFailed: If the loss is no longer finite.
    """
    begun = perf_counter()
    parts = fit.split_shards(settings)
    own = parts[0] if settings.pipeline else own_shards(parts[0], meeting.place)
    steps = manifest.images_in(parts[0]) // settings.batch_size
    backend = backends.get(settings.backend)
    device = _join(backend, settings, meeting)
    arrays = not storage.is_bucket(settings.records) or feeding.by_arrays(settings.records)
    with (
        feeding.explain_errors(
            parts[0].select([*parts[0], *parts[1]]), arrays=arrays, **fit.expected_records(settings)
        ),
        precision.use(settings.precision),
        _keep_rows(run, meeting) as kept,
    ):
        with device.scope():
            keras.utils.set_random_seed(meeting.seed)  # the same weights in every process
            model = fit.compiled_model(settings, kept)
            done = -(-int(_held(model.optimizer.iterations)) // steps)
        tell(f"{meeting.place.total} replicas; epochs that are kept: {done}")
        leader = _Leader(settings, run, done, parts[1], steps=steps, begun=begun, tell=tell) if run else None
        tell(fit.forecast(settings.epochs - done, steps, leader.rows if leader else []))
        with closing(_shares(settings, own, meeting, steps=steps, first=done, arrays=arrays)) as shares:
            learner = Learner(backend, device, model, shares)
            with progress.bar(f"training {Path(settings.model).name}", (settings.epochs - done) * steps) as advance:
                for epoch in range(done, settings.epochs):
                    if leader:
                        leader.begin(epoch)
                    figures = learner.train_epoch(steps, rate=fit.learning_rate(settings, epoch), advance=advance)
                    if leader:
                        leader.end(epoch, figures, model)
                    if not meeting.decide(more=bool(leader and leader.goes_on(target))):
                        break
        if leader:
            leader.keep()
    return leader.rows if leader else []


def _join(backend: Backend, settings: Settings, meeting: Meeting) -> Device:
    """Meets the others within the framework.

    Raises:
        InputError: If there are fewer devices than replicas.
    """
    if settings.deterministic:
        backend.make_deterministic()
    try:
        return backend.join(meeting.group, settings.device)
    except DeviceAbsent as absent:
        raise InputError(f"`--replicas` must be devices that are there. Received: {absent}") from absent


def own_shards(shards: Shards, place: Place) -> Shards:
    """Those that this process reads: every so many from its rank on.

    Raises:
        InputError: If there are fewer than processes.
    """
    if len(shards) < place.workers:
        raise InputError(
            f"`records` must have a shard to train on for each of {place.workers} workers. Received: {len(shards)}. "
            f"Write them with more `--shards`"
        )
    return shards.select(sorted(shards)[place.rank :: place.workers])


@contextmanager
def _keep_rows(run: Run | None, meeting: Meeting) -> Iterator[Run]:
    """What the coordinator has kept so far, for all to load the same."""
    with tempfile.TemporaryDirectory() as folder:
        if run:
            meeting.share(run.model if run.begun else None, Path(folder))
            yield run
            return
        copied = Run(folder)
        if received := meeting.share(None, Path(folder)):
            received.rename(copied.model)
        yield copied


def _shares(
    settings: Settings, shards: Shards, meeting: Meeting, *, steps: int, first: int, arrays: bool
) -> Generator[array_data.Batch]:
    """This process' share of each batch; an epoch is drawn alike whether or not the one before it was trained here."""
    batch: dict[str, Any] = {"batch_size": settings.batch_size // meeting.place.workers}
    if settings.pipeline:
        place, size = meeting.place, {"image_size": settings.image_size, **batch}
        given = feeding.Source(records=settings.records, rank=place.rank, workers=place.workers)
        yield from feeding.users(settings.pipeline, given, classes=len(settings.classes), **size)
        return
    batch |= {"augmentation": settings.augmentation, "shuffle_buffer": settings.shuffle_buffer}
    images = None
    if arrays:
        cache = caching.decide(manifest.images_in(shards), image_size=settings.image_size)
        images = array_data.Images(shards, image_size=settings.image_size, cache=cache)
    for epoch in count(first):
        state = np.random.SeedSequence([meeting.seed, epoch, meeting.place.rank])
        seed = int(state.generate_state(1)[0])
        if images is not None:
            drawn = array_data.draw(images, seed=seed, **batch)
        else:
            drawn = _drawn_from_bucket(shards, seed=seed, image_size=settings.image_size, **batch)
        with closing(drawn):
            yield from islice(drawn, steps)


def _drawn_from_bucket(shards: Shards, **how: Any) -> Generator[array_data.Batch]:
    """Batches of records that TensorFlow reads; they are decoded in every epoch."""
    from flowers_core.input import training_data

    yield from training_data.training(
        shards, cache=caching.Cache(place="none", reason="as it is read"), **how
    ).as_numpy_iterator()


class Learner:
    """The model that all train together, an epoch at a time."""

    def __init__(self, backend: Backend, device: Device, model: keras.Model, shares: Iterator[array_data.Batch]):
        """Prepares its step.

        Args:
            backend: Keras'.
            device: What `backend.join` gave.
            model: Compiled in the scope of the device.
            shares: This process' share of each batch, for ever.
        """
        self._backend, self._device, self._model = backend, device, model
        with device.scope():
            self._step = backend.shared_step(model, (backend.place_share(model, *share) for share in shares))

    def train_epoch(self, steps: int, *, rate: float | None, advance: Callable[[], None]) -> dict[str, float]:
        """Takes some steps; the model's variables then hold what it has learnt.

        Args:
            steps: How many, the same in all processes.
            rate: The learning rate; None for the optimizer's own.
            advance: Called after each step.

        Returns:
            Loss and metrics over all of them and all replicas.
        """
        logs: dict = {}
        with self._device.scope():
            self._model.reset_metrics()
            if rate is not None:
                optimizer: Any = self._model.optimizer
                optimizer.learning_rate = rate
            for _ in range(steps):
                logs = self._step()
                advance()
            figures = self._backend.shared_logs(self._backend.synchronise(logs))
            self._backend.settle(self._step)
        return figures


class _Leader:
    """What the coordinator does beside training: it validates, and keeps rows and weights."""

    def __init__(
        self,
        settings: Settings,
        run: Run,
        done: int,
        validation: Shards,
        *,
        steps: int,
        begun: float,
        tell: Callable[[str], None],
    ):
        """Prepares a model like the one that all train, which nobody shares."""
        self.rows = fit.rows_with_weights(run, done)
        self._model: Any = fit.compiled_model(settings, run)
        self._model.optimizer.build(self._model.trainable_variables)
        size = {"image_size": settings.image_size, "batch_size": settings.batch_size}
        cache = caching.decide(manifest.images_in(validation), image_size=settings.image_size)
        arrays = not storage.is_bucket(settings.records)
        self._validation = feeding.validation(validation, arrays=arrays, cache=cache, **size)
        images = steps * settings.batch_size
        self._epochs = KeepEpochs(
            run, self._model, classes=settings.classes, images=images, rows=self.rows, begun=begun, tell=tell
        )
        self._epochs.set_model(self._model)
        self._steps = steps

    def goes_on(self, target: float | None) -> bool:
        """Whether there is to be another epoch, as far as accuracy is concerned."""
        return target is None or not self.rows or self.rows[-1]["val_accuracy"] < target

    def begin(self, epoch: int) -> None:
        """Begins an epoch, from 0."""
        self._epochs.on_epoch_begin(epoch)

    def end(self, epoch: int, figures: dict[str, float], learnt: keras.Model) -> None:
        """Validates what was learnt in an epoch, and keeps it unless that was done seconds ago.

        Raises:
            RunFailed: If a loss is not finite.
        """
        self._epochs.on_train_batch_end(self._steps - 1, figures)
        for ours, theirs in zip(_variables(self._model), _variables(learnt), strict=True):
            ours.assign(_held(theirs))
        found = self._model.evaluate(self._validation, verbose=0, return_dict=True)
        self._epochs.on_epoch_end(epoch, {**figures, **{f"val_{name}": value for name, value in found.items()}})

    def keep(self) -> None:
        """Keeps the last epoch."""
        self._epochs.on_train_end()


def _variables(model: Any) -> list:
    """All that a training goes on from: weights, seeds and the optimizer's."""
    return [*model.trainable_variables, *model.non_trainable_variables, *model.optimizer.variables]


def _held(variable: Any) -> np.ndarray:
    """What a variable holds, also one of which each replica has a copy."""
    try:
        return keras.ops.convert_to_numpy(variable.value)
    except ValueError:  # NumPy understands no mirrored variable of TensorFlow's
        return variable.value.numpy()
