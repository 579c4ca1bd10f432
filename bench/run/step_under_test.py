"""What is timed: a cell made into a step, a callable that has done its work when it returns."""

import math
import os
from collections.abc import Callable
from time import perf_counter

from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.run import product
from bench.run.data_source import Source
from bench.run.product import Unsuitable

PIPELINE_STEP_SECONDS = 0.25  # one draw is too short and too bursty (prefetching) to be timed on its own
MOST_FILLING_SECONDS = 30.0  # a slow disk would take longer than a process may live


def dataset(cell: Cell, source: Source):
    """The endless pipeline of a cell.

    Returns:
        A `tf.data.Dataset` of images `(batch, size, size, 3)` and labels `(batch,)`.

    Raises:
        InputError: If there is nothing to read, or records are of another image size.
    """
    if cell.backend != "tensorflow" or cell.model == NO_MODEL:
        product.leave_gpus()
    if cell.reads == "photos":
        photos_or_shards = source.found_photos()
    else:
        photos_or_shards = product.record_paths(source.records, source.manifest(), image_size=cell.image_size)
    return product.build_pipeline(
        cell.pipeline, photos_or_shards, image_size=cell.image_size, batch_size=cell.batch_size
    )


def fill_caches(batches, *, images: int, batch_size: int) -> None:
    """Draws a whole pass: it fills the page cache, and the pipeline's own, which all its iterators share."""
    iterator, start = iter(batches), perf_counter()
    for _ in range(math.ceil(images / batch_size) + 1):  # one more, for the end of the pass to be seen
        next(iterator)
        if perf_counter() - start > MOST_FILLING_SECONDS:
            break


def drawing(iterator, count: int) -> Callable[[], None]:
    """A step of a pipeline alone: `count` batches, drawn and thrown away."""

    def draw() -> None:
        for _ in range(count):
            next(iterator)

    return draw


def batches_per_step(iterator, at_once: int = 1) -> int:
    """How many batches make a step long enough to time, whole bursts of them: see `at_once`."""
    next(iterator)  # waits for processes and threads to start: of such a wait nothing is to be counted
    start, count = perf_counter(), 0
    while perf_counter() - start < PIPELINE_STEP_SECONDS or count % at_once:
        next(iterator)
        count += 1
    return count


def at_once(cell: Cell) -> int:
    """How many batches of a cell's pipeline come at once, from all processes that make them, for they keep step.

    1 where nothing makes several, or the code under test is older than the question.
    """
    pipeline = product.pipelines().get(cell.pipeline)
    if not pipeline or not pipeline.by_processes:
        return 1
    each = pipeline.batches_at_once(image_size=cell.image_size, batch_size=cell.batch_size)
    return each * len(os.sched_getaffinity(0))


def backlog(cell: Cell) -> int:
    """Batches that such processes make ready while nobody draws: no step may be timed on them; 0 for the others."""
    burst = at_once(cell)
    return product.batches_ahead() * burst if burst > 1 else 0


def place(cell: Cell):
    """The device of a cell's model, a `flowers_core.backends.devices.Device`.

    Raises:
        Unsuitable: If the cell makes no sense there, or it is unavailable.
    """
    product.check_precision(cell.precision, cell.device)
    device = product.find_device(cell.backend, cell.device)
    if device.replicas > 1 and cell.xla and not product.backends()[cell.backend].compiles_replicas:
        raise Unsuitable("Keras cannot compile a step of several replicas by XLA")
    return device


def fed_step(cell: Cell, batches, device, *, classes: int) -> Callable[[], object]:
    """One training step or prediction of a cell's model, synchronised; gives its logs or probabilities."""
    backend = product.get_backend(cell.backend)
    from_uint8 = cell.pipeline != RESIDENT and product.pipelines()[cell.pipeline].dtype == "uint8"
    with product.use_precision(cell.precision), device.scope():
        model = product.build_model(cell.model, image_size=cell.image_size, classes=classes, from_uint8=from_uint8)
        product.compile_model(model, xla=cell.xla)
        run = (backend.train_step if cell.mode == "train" else backend.predict_step)(model, batches)

    def synchronised():
        with device.scope():
            return backend.synchronise(run())

    return synchronised


def feed(cell: Cell, source: Source, *, images: int, classes: int):
    """Batches for a cell's model, from caches that are full."""
    if cell.pipeline == RESIDENT:
        return _resident(cell, classes)
    batches = dataset(cell, source)
    fill_caches(batches, images=images, batch_size=cell.batch_size)
    return batches


def _resident(cell: Cell, classes: int):
    """One batch of noise, again and again; what an image shows does not change what a step computes."""
    import numpy as np

    noise = np.random.default_rng(0)
    images = noise.random((cell.batch_size, cell.image_size, cell.image_size, 3), dtype=np.float32)
    labels = noise.integers(0, classes, cell.batch_size)
    return product.get_backend(cell.backend).repeat_on_device(images, labels, cell.device)
