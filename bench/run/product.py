"""The measured package as the harness sees it: every name of `flowers_core` that a measured process needs.

asv and `compare` put the harness of the working tree beside the package of any commit. Names have moved since the first
of them, so that each stands here with its place today and, behind it, where older commits keep it. What a commit lacks
altogether is `Unsuitable`, which is shown as n/a. Nothing is imported until it is asked for: names load no framework.

Why not let the modules of the harness import what they need? A renaming in the package would then break the history of
its own measurements, and only asv would find out, weeks later.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from flowers_core import errors

InputError = errors.InputError
# Commits that know the `InputError` alone: there it stands for all.
ReportedError = getattr(errors, "ReportedError", InputError)
RunFailed = getattr(errors, "RunFailed", InputError)


class Unsuitable(RuntimeError):
    """A cell cannot be measured here, or in this commit; the message says why."""


def pipelines() -> Mapping[str, Any]:
    """The input pipelines by name, each with `reads`, `dtype`, `cached`, `by_processes` and `batches_at_once`."""
    registry = _module("flowers_core.input.registry", "flowers_core.pipelines")
    return registry.PIPELINES if hasattr(registry, "PIPELINES") else _older_pipelines(registry)


def models() -> tuple[str, ...]:
    """Names of the models."""
    module = _module("flowers_core.models")
    return tuple(module.MODELS if hasattr(module, "MODELS") else module.NAMES)


def recipe(model: str) -> Any:
    """How a model is trained unless told otherwise: its `epochs`, and the `accuracy` that the codelab prints."""
    module = _module("flowers_core.models")
    if hasattr(module, "spec"):
        return module.spec(model).recipe
    return _module("flowers_core.train.recipes", "flowers_core.recipes").recipe(model)


def devices() -> tuple[str, ...]:
    """Kinds of devices."""
    return _module("flowers_core.backends.devices", "flowers_core.devices").DEVICES


def precisions() -> tuple[str, ...]:
    """Keras dtype policies."""
    return _precision().PRECISIONS


def backends() -> Mapping[str, Any]:
    """The backends by name, each with `always_compiled` and `compiles_replicas`."""
    return getattr(_backends(), "BACKENDS", _OLDER_BACKENDS)


def install_hint() -> str:
    """What to do about a package that is not installed."""
    return _module("flowers_core.cli.entry", "flowers_core.door").INSTALL


def require(*, model: str = "", pipeline: str = "", backend: str = "") -> None:
    """Checks that the commit knows some names.

    Raises:
        Unsuitable: If it lacks one.
    """
    asked = {"model": (model, models), "pipeline": (pipeline, pipelines), "backend": (backend, backends)}
    for kind, (name, known) in asked.items():
        if name and name not in known():
            raise Unsuitable(f"this commit has no {kind} `{name}`")


def usual_classes() -> int:
    """How many classes the codelab's photos have."""
    return len(_photos().CLASSES)


def find_photos(folder: str) -> Any:
    """Paths, labels and classes of a folder of photos."""
    return _photos().find(folder)


def load_manifest(folder: str) -> Any:
    """The manifest of a folder of records."""
    return _manifest().load(folder)


def manifest_file() -> str:
    """The name of its file."""
    return _manifest().NAME


def record_paths(folder: str, manifest: Any, *, image_size: int | None = None) -> tuple[str, ...]:
    """Paths of the shards of records.

    Raises:
        InputError: If an image size is given, and the records are of another.
    """
    if image_size:
        _manifest().check_matches(manifest, image_size=image_size)
    return _manifest().paths(folder, manifest)


def explain_record_error(error: Exception, paths: Sequence[str]) -> Exception:
    """The place of the damage in records that led to an error; the error itself if all are whole."""
    return _module("flowers_core.data.tfrecords", "flowers_core.records").explain(error, paths)


def jpeg_fault(jpeg: bytes, *, image_size: int) -> str | None:
    """Why a photo cannot be decoded; None if it can."""
    return _module("flowers_core.data.jpeg_check", "flowers_core.decodable").fault(jpeg, image_size=image_size)


def images() -> Any:
    """The module whose `decode` the pipelines call, which an injection replaces."""
    return _module("flowers_core.data.images", "flowers_core.images")


def is_bucket(folder: str) -> bool:
    """Whether a folder lies in an object store."""
    return _storage().is_bucket(folder)


def join(folder: str, name: str) -> str:
    """The path of a file of a folder."""
    return _storage().join(folder, name)


def configure_client(variables: MutableMapping[str, str]) -> None:
    """Sets how TensorFlow's client of object stores behaves, in the environment of a process to be."""
    storage = _storage()
    (getattr(storage, "configure_client", None) or storage.settle_client)(variables)


def load_pipelines() -> None:
    """Imports the code of the pipelines, which takes seconds that are not those of building one."""
    _pipeline_code()


def build_pipeline(name: str, source: Any, *, image_size: int, batch_size: int, epochs: int | None = None) -> Any:
    """A pipeline as a `tf.data.Dataset`; endless unless epochs are given."""
    require(pipeline=name)
    return _pipeline_code().build(name, source, image_size=image_size, batch_size=batch_size, epochs=epochs)


def batches_ahead() -> int:
    """How many batches a decode worker makes ready, or has been asked for, while nobody draws."""
    pool = _module("flowers_core.input.decode_pool", "flowers_core.workers")
    return getattr(pool, "MOST_PENDING", None) or pool.MOST


def decode_workers() -> int:
    """How many decode workers a pipeline has: as many as cores, of which older commits do not see a quota."""
    try:
        return _module("flowers_core.resources").parallelism()
    except Unsuitable:
        return len(os.sched_getaffinity(0))


def build_model(name: str, *, image_size: int, classes: int, from_uint8: bool) -> Any:
    """A Keras model, which scales pixels itself where they come as uint8."""
    require(model=name)
    module = _module("flowers_core.models")
    model = module.build(name, image_size=image_size, classes=classes)
    return module.from_uint8(model) if from_uint8 else model


def compile_model(model: Any, *, xla: bool) -> None:
    """Compiles it as training does."""
    _module("flowers_core.train.fit", "flowers_core.training").compile_model(model, xla=xla)


def use_precision(precision: str) -> AbstractContextManager:
    """Builds the models of the block in a precision."""
    return _precision().use(precision)


def check_precision(precision: str, device: str) -> None:
    """Checks that a precision makes sense on a kind of device.

    Raises:
        Unsuitable: If it does not.
    """
    if reason := _precision().unsuitable(precision, device):
        raise Unsuitable(reason)


def find_device(backend: str, kind: str) -> Any:
    """A device, with `replicas` and `scope`.

    Raises:
        Unsuitable: If it is unavailable.
    """
    absent = _module("flowers_core.backends.devices", "flowers_core.devices").DeviceAbsent
    try:
        return get_backend(backend).find(kind)
    except absent as error:
        raise Unsuitable(str(error)) from error


def get_backend(name: str) -> Any:
    """A backend: `find`, `train_step`, `predict_step`, `synchronise`, `peak_device_bytes`, `repeat_on_device`.

    How to wait for a device is the framework's own business, so that all commits wait in the same way.
    """
    module = _backends()
    return module.get(name) if hasattr(module, "get") else _OlderBackend(name)


def find_module(*places: str) -> str:
    """The first of some modules that the commit has.

    Raises:
        Unsuitable: If it has none.
    """
    for place in places:
        with suppress(ModuleNotFoundError):  # not even the package that would hold it
            if find_spec(place):
                return place
    raise Unsuitable(f"this commit has no {places[0]}")


def leave_gpus() -> None:
    """Keeps TensorFlow, where it only feeds, from taking the memory of a GPU."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")


@cache
def _module(*places: str) -> ModuleType:
    return import_module(find_module(*places))


def _photos() -> ModuleType:
    return _module("flowers_core.data.photos", "flowers_core.photos")


def _manifest() -> ModuleType:
    return _module("flowers_core.data.manifest", "flowers_core.manifest")


def _storage() -> ModuleType:
    return _module("flowers_core.data.storage", "flowers_core.folders")


def _pipeline_code() -> ModuleType:
    return _module("flowers_core.input.pipelines", "flowers_core.batches")


def _precision() -> ModuleType:
    return _module("flowers_core.backends.precision", "flowers_core.precision")


def _backends() -> ModuleType | None:
    """The package of backends; None in commits from before there were objects."""
    return import_module("flowers_core.backends") if find_spec("flowers_core.backends") else None


@dataclass(frozen=True, kw_only=True)
class _OlderPipeline:
    """What commits from before `PIPELINES` say of a pipeline, in several tables."""

    reads: str
    dtype: str
    cached: bool
    by_processes: bool
    at_once: Callable[..., int]

    def batches_at_once(self, *, image_size: int, batch_size: int) -> int:
        """How many batches a decode worker makes at once."""
        return self.at_once(image_size=image_size, batch_size=batch_size)


@cache
def _older_pipelines(registry: ModuleType) -> dict[str, _OlderPipeline]:
    def at_once(name: str) -> Callable[..., int]:
        return lambda **shape: registry.at_once(name, **shape) if hasattr(registry, "at_once") else 1

    return {
        name: _OlderPipeline(
            reads=reads,
            dtype="uint8" if name in registry.YIELDS_UINT8 else "float32",
            cached=name in getattr(registry, "CACHED", ("records_cached", "records_batches_cached")),
            by_processes=name in getattr(registry, "BY_WORKERS", ()),
            at_once=at_once(name),
        )
        for name, reads in registry.READS.items()
    }


@dataclass(frozen=True, kw_only=True)
class _OlderBackendSpec:
    always_compiled: bool
    compiles_replicas: bool


_OLDER_BACKENDS = {
    "tensorflow": _OlderBackendSpec(always_compiled=False, compiles_replicas=False),
    "jax": _OlderBackendSpec(always_compiled=True, compiles_replicas=True),
}


class _OlderBackend:
    """A backend of commits that have functions instead of objects; they ask Keras which one is meant."""

    def __init__(self, name: str):
        require(backend=name)
        self._compiled = _OLDER_BACKENDS[name].always_compiled
        self.find = _module("flowers_core.backends.devices", "flowers_core.devices").find
        step = _module("flowers_core.backends.step", "flowers_core.step")
        self.train_step, self.predict_step = step.train, step.predict

    def synchronise(self, outputs: Any) -> Any:
        """Waits until the device is done."""
        if self._compiled:
            import jax

            return jax.block_until_ready(outputs)
        import tensorflow as tf

        tf.test.experimental.sync_devices()  # reading the loss alone would not wait for the update of the weights
        return outputs

    def peak_device_bytes(self, kind: str) -> int | None:
        """Most memory held on the accelerator; None on a CPU, or where the framework does not say."""
        if kind == "cpu":
            return None
        if self._compiled:
            import jax

            return (jax.devices(kind)[0].memory_stats() or {}).get("peak_bytes_in_use")
        import tensorflow as tf

        return tf.config.experimental.get_memory_info("GPU:0")["peak"] if kind == "gpu" else None

    def repeat_on_device(self, images: Any, labels: Any, kind: str) -> Iterable:
        """One batch again and again, placed on the device."""
        if self._compiled:
            return _repeat(images, labels)
        import tensorflow as tf

        data = tf.data.Dataset.from_tensors((images, labels)).repeat()
        if kind == "gpu":
            with tf.device("/gpu:0"):
                data = data.apply(tf.data.experimental.copy_to_device("/gpu:0")).prefetch(1)
        return data


def _repeat(*arrays: Any) -> Iterator[tuple]:
    import jax

    placed = tuple(jax.device_put(array) for array in arrays)
    while True:
        yield placed
