"""What is timed: a cell made into a step, a callable that has done its work when it returns."""

import math
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench.lab import sync
from bench.lab.cell import RESIDENT, Cell
from bench.lab.source import Source
from flowers_core import pipelines, precision
from flowers_core.errors import InputError

PIPELINE_STEP_SECONDS = 0.25  # one draw is too short and too bursty (prefetching) to be timed on its own


def dataset(cell: Cell, source: Source) -> tuple[object, dict]:
    """The endless pipeline of a cell, and what it reads.

    Returns:
        A `tf.data.Dataset` of images `(batch, size, size, 3)` and labels `(batch,)`, and where they come from.

    Raises:
        InputError: If there is nothing to read, it is of another image size, or a batch is larger than all of it.
    """
    from flowers_core import batches, manifest, photos

    if not getattr(source, cell.reads):
        raise InputError(f"The pipeline {cell.pipeline} reads {cell.reads}: give `--{cell.reads} FOLDER`")
    if cell.reads == "photos":
        found = photos.find(source.photos)
        data = {"photos": Path(source.photos).name, "images": len(found)}
    else:
        written = manifest.load(source.records)
        manifest.check_matches(written, image_size=cell.image_size)
        found = manifest.paths(source.records, written)
        # Names, not paths: two people who measure the same photos on the same machine measure the same thing.
        data = {"photos": Path(written.source).name, "images": written.images}
    if data["images"] < cell.batch_size:
        raise InputError(
            f"`batch_size` must be at most {data['images']}, the number of images there are. "
            f"Received: batch_size={cell.batch_size}"
        )
    built = batches.build(cell.pipeline, found, image_size=cell.image_size, batch_size=cell.batch_size, epochs=None)
    return built, data


def drawing(iterator, count: int) -> Callable[[], None]:
    """A step of a pipeline alone: `count` batches, drawn and thrown away."""

    def draw() -> None:
        for _ in range(count):
            next(iterator)

    return draw


def batches_per_step(iterator, *, cached: bool, pass_batches: int) -> int:
    """How many batches make a step long enough to time, found by drawing whole passes.

    The first pass fills the page cache, and the cache of a pipeline that has one: it is drawn once more.
    """
    for _ in range(2 if cached else 1):
        start = perf_counter()
        drawing(iterator, pass_batches)()
        batch_seconds = (perf_counter() - start) / pass_batches
    return max(1, math.ceil(PIPELINE_STEP_SECONDS / batch_seconds))


def fed_step(cell: Cell, batches, device) -> Callable[[], object]:
    """One training step or prediction of a cell's model, synchronised; gives its logs or probabilities.

    Must be called, and what it returns too, inside the scopes of the precision and of the device.
    """
    from flowers_core import models, step, training

    with precision.use(cell.precision), device.scope():
        model = models.build(cell.model, image_size=cell.image_size)
        if cell.pipeline in pipelines.YIELDS_UINT8:
            model = models.from_uint8(model)
        training.compile_model(model, xla=cell.xla)
        run = (step.train if cell.mode == "train" else step.predict)(model, batches)

    def synchronised():
        with device.scope():
            return sync.wait(run())

    return synchronised


def feed(cell: Cell, source: Source) -> tuple[object, dict]:
    """Batches for a cell's model, as its backend takes them, and what is known of them."""
    if cell.pipeline == RESIDENT:
        return _resident(cell), {}
    built, data = dataset(cell, source)
    return (built.as_numpy_iterator() if cell.backend == "jax" else built), data


def _resident(cell: Cell):
    """One batch of noise, again and again; what an image shows does not change what a step computes."""
    import numpy as np

    noise = np.random.default_rng(0)
    images = noise.random((cell.batch_size, cell.image_size, cell.image_size, 3), dtype=np.float32)
    labels = noise.integers(0, 5, cell.batch_size)
    if cell.backend == "jax":
        from itertools import repeat

        import jax

        return repeat((jax.device_put(images), jax.device_put(labels)))
    import tensorflow as tf

    data = tf.data.Dataset.from_tensors((images, labels)).repeat()
    if cell.device == "gpu":  # or every step would carry the same batch over the bus again
        data = data.apply(tf.data.experimental.copy_to_device("/gpu:0")).prefetch(1)
    return data
