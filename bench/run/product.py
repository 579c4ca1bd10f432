"""The measured package as the harness sees it: every name of `flowers_core` that a measured process needs.

asv and `compare` put the harness of the working tree beside the package of any commit. Names have moved since the first
of them, so that each stands here with its place today and, behind it, where older commits keep it. What a commit lacks
altogether is `Unsuitable`, which is shown as n/a. Nothing is imported until it is asked for: names load no framework.

Why not let the modules of the harness import what they need? A renaming in the package would then break the history of
its own measurements, and only asv would find out, weeks later.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from types import MappingProxyType, ModuleType
from typing import Any

from bench.machine import nvml
from bench.machine.own import user_code
from bench.run import older_commits
from flowers_core import errors

# `product.find_photos` is what stands at the first of its places that the commit has, `module:attribute`.
PLACES = {
    "BATCHES_AHEAD": ("input.decode_pool:MOST_PENDING", "input.decode_pool:MOST", "workers:MOST"),  # of a decode worker
    "CLASSES": ("data.photos:CLASSES", "photos:CLASSES"),
    "DEVICES": ("backends.devices:DEVICES", "devices:DEVICES"),
    "FORMATS": ("backends.precision:FORMATS",),  # that a device multiplies in
    "DeviceAbsent": ("backends.devices:DeviceAbsent", "devices:DeviceAbsent"),
    "Group": ("backends.replicas:Group",),  # of processes that train one model
    "INSTALL": ("cli.entry:INSTALL", "door:INSTALL"),  # what to do about a package that is not installed
    "MANIFEST": ("data.manifest:NAME", "manifest:NAME"),
    "MODELS": ("models:MODELS", "models:NAMES"),
    "PRECISIONS": ("backends.precision:PRECISIONS", "precision:PRECISIONS"),
    "checksums": ("data.storage:checksums",),  # of the objects in a bucket
    "check_batch": ("backends.replicas:check_batch",),
    "compile_model": ("train.fit:compile_model", "training:compile_model"),
    "configure_client": ("data.storage:configure_client", "data.storage:settle_client", "folders:settle_client"),
    "explain_record_error": ("data.tfrecords:explain", "records:explain"),
    "file_size": ("data.storage:size", "folders:size"),
    "images": ("data.images", "images"),  # the module whose `decode` the pipelines call, which an injection replaces
    "is_bucket": ("data.storage:is_bucket", "folders:is_bucket"),
    "join": ("data.storage:join", "folders:join"),
    "parse_classes": ("data.shards:parse_classes",),
    "pipeline_code": ("input.pipelines", "batches"),
    "record_spans": ("input.decode_pool:record_spans",),  # of decode workers, for a trace
    "use_precision": ("backends.precision:use", "precision:use"),
}

InputError = errors.InputError
# Commits that know the `InputError` alone: there it stands for all.
ReportedError = getattr(errors, "ReportedError", InputError)
RunFailed = getattr(errors, "RunFailed", InputError)


class Unsuitable(RuntimeError):
    """A cell cannot be measured here, or in this commit; the message says why."""


def find(*places: str) -> Any:
    """What stands at the first of some places that the commit has.

    Raises:
        Unsuitable: If it has none.
    """
    for place in places:
        name, _, attribute = place.partition(":")
        module = _module(name)
        if module and (not attribute or hasattr(module, attribute)):
            return getattr(module, attribute) if attribute else module
    raise Unsuitable(f"this commit has no flowers_core.{places[0].replace(':', '.')}")


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return find(*PLACES[name])


@cache
def _module(name: str) -> ModuleType | None:
    return import_module(f"flowers_core.{name}") if _exists(f"flowers_core.{name}") else None


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that would hold it
        return False


def find_module(*names: str) -> str:
    """The first of some modules that the commit has, which is not imported.

    Raises:
        Unsuitable: If it has none.
    """
    for name in names:
        if _exists(name):
            return name
    raise Unsuitable(f"this commit has no {names[0]}")


def pipelines() -> Mapping[str, Any]:
    """The input pipelines by name, each with `reads`, `dtype`, `cached`, `by_processes` and `batches_at_once`."""
    registry = find("input.registry", "pipelines")
    return getattr(registry, "PIPELINES", None) or older_commits.pipelines(registry)


def backends() -> Mapping[str, Any]:
    """The backends by name, each with the fields of `older_commits.BackendSpec`."""
    return older_commits.backends(getattr(_module("backends"), "BACKENDS", older_commits.BACKENDS))


def require(*, model: str = "", pipeline: str = "", backend: str = "") -> None:
    """Checks that the commit knows some names.

    Raises:
        Unsuitable: If it lacks one.
    """
    known = {"model": lambda: find(*PLACES["MODELS"]), "pipeline": pipelines, "backend": backends}
    for kind, name in {"model": model, "pipeline": pipeline, "backend": backend}.items():
        if name and name not in known[kind]():
            raise Unsuitable(f"this commit has no {kind} `{name}`")


def recipe(model: str, *, fine_tune: bool = False) -> Any:
    """How a model is trained unless told otherwise: its `epochs`, and the `accuracy` that the codelab prints."""
    if fine_tune:
        return find("models:recipe")(model, fine_tune=True)
    spec = getattr(_module("models"), "spec", None)
    return spec(model).recipe if spec else find("train.recipes:recipe", "recipes:recipe")(model)


def find_photos(folder: str, *, exif: str = "", decode: str = "") -> Any:
    """The photos of a folder; the options say how they become pixels, where that is not the codelab's way.

    Raises:
        InputError: If it holds no photos of at least two classes.
        Unsuitable: If options are given to a commit that knows the codelab's way alone.
    """
    chosen = {name: value for name, value in {"exif": exif, "size": decode}.items() if value}
    how = {"decoding": find("data.decoding:Decoding")(**chosen)} if chosen else {}
    return find("data.photos:find", "photos:find")(folder, **how)


def jpeg_fault(jpeg: bytes, *, image_size: int) -> str | None:
    """Why a photo cannot become an image, or None; older commits ask for the size of the image."""
    fault = find("data.jpeg_check:fault", "decodable:fault")
    return fault(jpeg, **({"image_size": image_size} if "image_size" in signature(fault).parameters else {}))


def load_manifest(folder: str, *, image_feature: str = "", label_feature: str = "", classes: Sequence[str] = ()) -> Any:
    """The manifest of records; the names are those of records of others, where they differ from the codelab's.

    Raises:
        InputError: If the records are not whole, or not as named.
        Unsuitable: If names are given to a commit that reads the codelab's records alone.
    """
    load = find("data.manifest:load", "manifest:load")
    if not (image_feature or label_feature or classes):
        return load(folder)
    usual = find("data.shards:CODELAB")
    named = {"image": image_feature or usual.image, "label": label_feature or usual.label}
    return load(folder, features=find("data.shards:Features")(**named), classes=classes)


def record_paths(folder: str, manifest: Any, *, image_size: int | None = None) -> tuple[str, ...]:
    """Paths of the shards of records.

    Raises:
        InputError: If an image size is given, and the records are of another.
    """
    module = find("data.manifest", "manifest")
    if image_size:
        module.check_matches(manifest, image_size=image_size)
    return module.paths(folder, manifest)


def image_feature(shards: Sequence[str]) -> str:
    """The feature that holds the image in the records of `record_paths`; older commits know the codelab's alone."""
    return getattr(getattr(shards, "features", None), "image", "image")


def why_not_input(pipeline: str, options: Iterable[str]) -> str:
    """Why a pipeline cannot be what is chosen of it; empty where it can, or the commit says nothing of it."""
    known = pipelines().get(pipeline)
    if not hasattr(known, "why_not"):
        return ""
    reasons = {option: known.why_not(option) for option in options}
    return "; ".join(f"{pipeline} takes no `{option}`: {reason}" for option, reason in reasons.items() if reason)


def build_pipeline(
    name: str,
    source: Any,
    *,
    image_size: int,
    batch_size: int,
    epochs: int | None = None,
    backend: str = "tensorflow",
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """A pipeline as a `tf.data.Dataset`, or as NumPy arrays; endless unless epochs are given.

    Args:
        name: Its name.
        source: Photos, or paths of shards.
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
        epochs: Passes over the source.
        backend: What draws from it: one that draws in Python gets arrays where the pipeline can give them, as does
            whoever has no TensorFlow.
        options: What is chosen of it, see `flowers_core.input.registry.Options`.

    Raises:
        Unsuitable: If the pipeline needs TensorFlow, which is not installed, or cannot be what is chosen.
    """
    require(pipeline=name)
    if reason := why_not_input(name, options):
        raise Unsuitable(reason)
    batching: dict[str, Any] = {"image_size": image_size, "batch_size": batch_size, "epochs": epochs}
    if options:
        batching["options"] = find("input.registry:Options")(**options)
    if gives_arrays(name, backend, getattr(source, "folder", "") or source[0]):
        if "prefetch" in options:
            raise Unsuitable(f"{name} hands arrays to {backend}: there is no `prefetch`, decode workers work ahead")
        return find("input.array_batches:build")(name, source, **batching)
    if not has_tensorflow():
        without = ", ".join(known for known, pipeline in pipelines().items() if getattr(pipeline, "arrays", ""))
        raise Unsuitable(
            f"pipeline {name} reads by TensorFlow, which is not installed (`make bench EXTRAS=[tensorflow]`); "
            f"from a disk these do without: {without or 'none in this commit'}"
        )
    return find(*PLACES["pipeline_code"]).build(name, source, **batching)


def gives_arrays(name: str, backend: str, place: str) -> bool:
    """Whether a backend draws a pipeline, from a folder or bucket, as NumPy arrays past tf.data."""
    if not getattr(pipelines().get(name), "arrays", "") or find(*PLACES["is_bucket"])(place):
        return False
    return not (backends()[backend].tf_data and has_tensorflow())


def require_tensorflow(command: str) -> None:
    """Checks that TensorFlow is installed, for a command that measures by it alone.

    Raises:
        InputError: If not.
    """
    if not has_tensorflow():
        raise InputError(
            f"`{command}` measures by TensorFlow. Received: none that is installed. Install it: "
            f"`make bench EXTRAS=[tensorflow]`"
        )


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed, asked without importing it."""
    return find_spec("tensorflow") is not None


def cores() -> int:
    """How many cores the commit sees; older ones see no quota."""
    resources = _module("resources")
    return resources.parallelism() if resources else len(os.sched_getaffinity(0))


def decode_workers() -> int:
    """How many decode workers a pipeline has by itself: one a core, or as many as the user says by a variable."""
    pool = _module("input.decode_pool")
    return pool.worker_count() if hasattr(pool, "worker_count") else cores()


def build_model(name: str, *, image_size: int, classes: int, from_uint8: bool, option: str = "") -> Any:
    """A Keras model, which scales pixels itself where they come as uint8.

    Args:
        name: Of a model of the package, or of a user's own.
        image_size: Side of the images in pixels.
        classes: How many it tells apart.
        from_uint8: Whether pixels come as they are decoded.
        option: Where a user's own is found, `path/to/file.py:function` or `keras.applications:NAME`.
    """
    if option:
        digest = name.rpartition("@")[2] if user_code.is_name(name) else ""
        model = user_code.build_model(option, image_size=image_size, classes=classes, digest=digest)
    else:
        require(model=name)
        model = find("models:build")(name, image_size=image_size, classes=classes)
    return find("models:from_uint8")(model) if from_uint8 else model


def check_precision(precision: str, device: str) -> None:
    """Checks that a precision makes sense on a kind of device.

    Raises:
        Unsuitable: If it does not.
    """
    if reason := why_unsuitable(precision, device):
        raise Unsuitable(reason)


def why_unsuitable(precision: str, device: str) -> str | None:
    """Why a precision, or a number format, makes no sense on a kind of device; None where it does."""
    return find("backends.precision:unsuitable", "precision:unsuitable")(precision, device)


def check_hint(kind: str) -> None:
    """Checks by its files that the machine may have a kind of device; loads no framework and takes no time.

    Raises:
        Unsuitable: If there is no sign of one.
    """
    hints = find("backends.devices:hints", "devices:hints")()
    if kind not in hints:
        raise Unsuitable(f"no {kind.upper()} on this machine: there is no device file of one, only {', '.join(hints)}")


def find_device(backend: str, kind: str) -> Any:
    """A device, with `replicas` and `scope`.

    Raises:
        Unsuitable: If it is unavailable.
    """
    try:
        return get_backend(backend).find(kind)
    except find(*PLACES["DeviceAbsent"]) as error:
        raise Unsuitable(f"{error}. {nvml.explain()}" if kind == "gpu" else str(error)) from error


def get_backend(name: str) -> Any:
    """A backend: `find`, `train_step`, `predict_step`, `synchronise`, `peak_device_bytes`, `repeat_on_device`.

    How to wait for a device is the framework's own business, so that all commits wait in the same way.
    """
    require(backend=name)
    if hasattr(_module("backends"), "get"):
        return find("backends:get")(name)
    step, devices = find("backends.step", "step"), find("backends.devices", "devices")
    return older_commits.Backend(name=name, find=devices.find, train_step=step.train, predict_step=step.predict)
