"""Makes a cell into a step: a callable that has done its work when it returns."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import GIVEN, NO_MODEL, RESIDENT, Cell
from bench.run import product, timing, torch_peers, user_pipeline
from bench.run.data_source import Source
from bench.run.product import ReportedError, Unsuitable

NO_SOURCE = Source()
COPIES = 9  # of a batch to the accelerator, of which the median counts


def build_dataset(cell: Cell, source: Source) -> Any:
    """The endless pipeline of a cell.

    Returns:
        A `tf.data.Dataset`, or an iterable of NumPy arrays: images `(batch, size, size, 3)` and labels `(batch,)`.

    Raises:
        Unsuitable: If the pipeline needs TensorFlow, which is not installed.
        InputError: If there is nothing to read, or records are of another image size.
    """
    feeds_only = cell.model == NO_MODEL or not product.backends()[cell.backend].tf_data
    place = getattr(source, cell.reads, "")
    if feeds_only and product.has_tensorflow() and not product.gives_arrays(cell.pipeline, cell.backend, place):
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # here it only feeds, and would take the memory of one
    if cell.reads == GIVEN:
        return user_pipeline.build(cell, source)
    if cell.reads == "photos":
        photos_or_shards = source.load_photos()
    else:
        photos_or_shards = product.record_paths(source.records, source.manifest(), image_size=cell.image_size)
    return product.build_pipeline(
        cell.pipeline,
        photos_or_shards,
        image_size=cell.image_size,
        batch_size=cell.batch_size,
        backend=cell.backend,
        options=cell.input_options,
    )


def find_device(cell: Cell) -> Any:
    """The device of a cell's model, a `flowers_core.backends.devices.Device`.

    Raises:
        Unsuitable: If the cell makes no sense there, or it is unavailable.
    """
    product.check_precision(cell.precision, cell.device)
    if cell.steps_per_execution > 1 and (reason := _why_one_step(cell)):
        raise Unsuitable(reason)
    device = product.find_device(cell.backend, cell.device)
    if device.replicas > 1 and cell.xla and not product.backends()[cell.backend].compiles_replicas:
        raise Unsuitable("Keras cannot compile a step of several replicas by XLA")
    if device.replicas > 1 and cell.steps_per_execution > 1:
        raise Unsuitable("several steps a call are measured on one replica")
    return device


def _why_one_step(cell: Cell) -> str:
    """Why a call can train one step only; empty where it can train several."""
    loops = getattr(product.backends()[cell.backend], "loops_on_device", None)
    if loops is None:
        return "this commit trains one step a call"
    return "" if loops else f"a call trains one step on {cell.backend}, which has no loop over steps on the device"


def build_step(
    cell: Cell, batches: Iterable, device: Any, *, classes: int, source: Source = NO_SOURCE
) -> Callable[[], object]:
    """One training step or prediction of a cell's model, synchronised; gives its logs or probabilities.

    Args:
        cell: What is measured.
        batches: For its model.
        device: Where the model is built.
        classes: How many the model tells apart.
        source: Says where a user's own model is found.
    """
    return step_of(build_model(cell, batches, device, classes=classes, source=source), cell, batches, device)


def build_model(cell: Cell, batches: Iterable, device: Any, *, classes: int, source: Source = NO_SOURCE) -> Any:
    """A cell's model, compiled; see `build_step`."""
    if user_code.peer(cell.model):
        return torch_peers.build_model(cell, device, classes=classes)
    with product.use_precision(cell.precision), device.scope():
        model = product.build_model(
            cell.model,
            image_size=cell.image_size,
            classes=classes,
            from_uint8=yields_uint8(cell, batches),
            option=source.find_option(cell.model),
        )
        product.compile_model(model, xla=cell.compiled)
    return model


def step_of(model: Any, cell: Cell, batches: Iterable, device: Any) -> Callable[[], object]:
    """One step of a model of `build_model`; see `build_step`."""
    backend = product.get_backend(cell.backend)
    with product.use_precision(cell.precision), device.scope():
        if user_code.peer(cell.model):
            run = torch_peers.step(model, cell, batches)
        elif cell.mode == "predict":
            run = backend.predict_step(model, batches)
        elif cell.steps_per_execution > 1:
            run = backend.train_step(model, batches, steps=cell.steps_per_execution)
        else:  # commits from before there were several know no such argument
            run = backend.train_step(model, batches)
    return _synchronise(run, backend, device)


def parts_of(model: Any, cell: Cell, batches: Iterable, device: Any) -> dict[str, Callable[[], object]]:
    """A training step of a model of `build_model`, and programs that stop earlier, by `measurement.PROGRAMS`.

    Raises:
        Unsuitable: If nobody can tell what of the step is forward.
    """
    backend = product.get_backend(cell.backend)
    if device.replicas > 1:
        raise Unsuitable("the parts of a step are timed on one replica")
    with product.use_precision(cell.precision), device.scope():
        if user_code.peer(cell.model):
            programs = torch_peers.programs(model, cell, batches)
        elif not hasattr(backend, "step_parts"):
            raise Unsuitable("this commit cannot stop a step after its forward pass")
        elif not _trains_as_keras(model):
            raise Unsuitable("its class has a `train_step` of its own, and only Keras' is known in parts")
        else:
            programs = vars(backend.step_parts(model, batches))
    return {name: _synchronise(run, backend, device) for name, run in programs.items()}


def _trains_as_keras(model: Any) -> bool:
    """Whether a model trains as Keras' models do."""
    import keras

    return type(model).train_step is keras.Model.train_step


def _synchronise(run: Callable[[], object], backend: Any, device: Any) -> Callable[[], object]:
    """A call that has done its work when it returns."""

    def run_synchronised() -> object:
        with device.scope():
            return backend.synchronise(run())

    return run_synchronised


def cost(model: Any, cell: Cell) -> dict:
    """What an image costs in a step, for `Measurement.cost`; empty where no rule counts a layer of the model.

    A user's own model may be of any class, without layers or shapes.
    """
    chosen = {"mode": cell.mode, "batch_size": cell.batch_size, "precision": cell.precision}
    try:
        if user_code.peer(cell.model):
            counted = asdict(torch_peers.cost(model, cell))
        else:
            counted = asdict(product.find("train.flops:step_cost")(model, **chosen))
    except (Unsuitable, ReportedError, AttributeError, TypeError, ValueError):
        return {}
    return counted | {"float32_format": product.get_backend(cell.backend).float32_format(cell.device)}


def yields_uint8(cell: Cell, batches: Iterable) -> bool:
    """Whether the batches of a cell are pixels as they are decoded."""
    if cell.pipeline == RESIDENT:
        return False
    if cell.reads == GIVEN:
        return user_pipeline.dtype(batches) == "uint8"
    return product.pipelines()[cell.pipeline].dtype == "uint8" and not cell.augment


def build_batches(cell: Cell, source: Source, *, images: int, classes: int) -> Iterable:
    """Batches for a cell's model; the caches of its pipeline are full."""
    if cell.pipeline == RESIDENT:
        return _resident(cell, classes)
    batches = build_dataset(cell, source)
    timing.fill_caches(batches, images=images, batch_size=cell.batch_size)
    return batches


def _resident(cell: Cell, classes: int) -> Iterable:
    """One batch of noise, again and again: what an image shows does not change what a step computes."""
    import numpy as np

    noise = np.random.default_rng(0)
    images = noise.random((cell.batch_size, cell.image_size, cell.image_size, 3), dtype=np.float32)
    labels = noise.integers(0, classes, cell.batch_size)
    return product.get_backend(cell.backend).repeat_on_device(images, labels, cell.device)


def copy_seconds(cell: Cell, batches: Iterable) -> float | None:
    """How long it takes to copy one batch of the host to the accelerator: median of some; None on a CPU."""
    backend = product.get_backend(cell.backend)
    if cell.device == "cpu" or not hasattr(backend, "copy_to_device"):
        return None
    import numpy as np

    dtype = np.uint8 if yields_uint8(cell, batches) else np.float32
    shape = (cell.batch_size, cell.image_size, cell.image_size, 3)
    arrays = np.ones(shape, dtype), np.zeros(cell.batch_size, np.int64)
    return timing.median_seconds(lambda: backend.copy_to_device(arrays, cell.device), rounds=COPIES)
