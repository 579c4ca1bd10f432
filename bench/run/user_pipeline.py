"""A user's loader as an endless pipeline of whole batches, fed as `fit` feeds what the loader returns."""

from collections.abc import Generator, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import NO_MODEL, Cell
from bench.run import product
from bench.run.data_source import Source
from bench.run.product import InputError

DTYPES = ("float32", "uint8")


def build(cell: Cell, source: Source) -> Any:
    """The endless pipeline of a cell whose loader is a user's own.

    A `tf.data.Dataset` stays one. Of an iterable TensorFlow is fed as `fit` feeds a generator: through
    `Dataset.from_generator`, a few batches ahead.

    Returns:
        A `tf.data.Dataset` or, outside TensorFlow, a generator: images `(batch, size, size, 3)` and labels `(batch,)`.

    Raises:
        InputError: If the file has changed, the function fails, or what it gives does not fit, see `check_batch`.
    """
    begin = _Loader(cell, source)
    first = begin()
    if hasattr(first, "element_spec"):
        return _whole_batches(first, cell.batch_size)
    batches = _endless(begin, first, cell.batch_size)
    if (cell.backend == "tensorflow" or cell.model == NO_MODEL) and product.has_tensorflow():
        return _dataset(batches)
    return batches


def first_batch(cell: Cell, source: Source) -> Any:
    """What a cell's loader gives first, as it is.

    Raises:
        InputError: If it gives nothing, or fails.
    """
    loader = _Loader(cell, source)
    for batch in loader.pairs(loader()):
        return batch
    raise InputError(f"{loader.option} must give batches. Received: an end before the first")


def dtype(batches: Any) -> str:
    """The type of the images of a pipeline of `build`; a batch is drawn where it does not say."""
    spec = getattr(batches, "element_spec", None)
    images = spec[0] if spec else next(iter(batches))[0]
    return getattr(images.dtype, "name", str(images.dtype))


class _Loader:
    """The user's function with its arguments; what goes wrong in it is said with the line of the file."""

    def __init__(self, cell: Cell, source: Source):
        self.option = source.find_option(cell.pipeline)
        self.path = Path(self.option.rpartition(":")[0])
        digest = cell.pipeline.rpartition("@")[2]
        self.function = user_code.load(self.option, user_code.LOADER, digest=digest)
        self.arguments = {"source": source, "image_size": cell.image_size, "batch_size": cell.batch_size}

    def __call__(self) -> Any:
        try:
            batches = self.function(**self.arguments)
        except Exception as error:  # whatever the user's function raises
            raise InputError(
                f"{self.option} must give batches. Received: {user_code.explain(error, self.path)}"
            ) from error
        if not hasattr(batches, "__iter__"):
            raise InputError(
                f"{self.option} must return a tf.data.Dataset or an iterable of pairs. "
                f"Received: {type(batches).__name__}"
            )
        return batches

    def pairs(self, batches: Iterable) -> Generator:
        """Its batches; a generator that fails says where."""
        try:
            yield from batches
        except Exception as error:
            raise InputError(f"{self.option} must go on. Received: {user_code.explain(error, self.path)}") from error


def _whole_batches(data: Any, batch_size: int) -> Any:
    """A dataset for ever, without the smaller batches at the end of an epoch: shapes are then static."""
    import tensorflow as tf

    data = data.filter(lambda images, labels: tf.shape(images)[0] == batch_size)  # noqa: ARG005 labels come along
    data = data.map(
        lambda images, labels: (
            tf.ensure_shape(images, (batch_size, *images.shape[1:])),
            tf.ensure_shape(labels, (batch_size, *labels.shape[1:])),
        )
    )
    options = tf.data.Options()
    options.deterministic = False
    return data.repeat().with_options(options)


def _endless(begin: _Loader, first: Iterable, batch_size: int) -> Generator:
    """Whole batches for ever: where they end, the iterable or else the function begins anew.

    Raises:
        InputError: If a pass gives none.
    """
    batches = first
    while True:
        count = 0
        for images, labels in begin.pairs(batches):
            if len(images) == batch_size:
                count += 1
                yield images, labels
        if not count:
            raise InputError(
                f"{begin.option} must give whole batches of {batch_size} at each call, and a new generator if it is "
                "one. Received: an end before the first"
            )
        batches = begin() if iter(batches) is batches else batches


def _dataset(batches: Generator) -> Any:
    """A generator as `fit` takes it on TensorFlow."""
    import tensorflow as tf

    first = next(batches)
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in first)
    return tf.data.Dataset.from_generator(lambda: chain([first], batches), output_signature=signature).prefetch(
        tf.data.AUTOTUNE
    )


def check_batch(batch: Any, option: str, *, image_size: int, batch_size: int, classes: int) -> None:
    """Checks a batch of a user's loader.

    Args:
        batch: What the loader gave first.
        option: Names the loader in messages.
        image_size: Side in pixels of the images that were asked for.
        batch_size: Images of a batch, likewise.
        classes: How many the models tell apart; 0 for any number.

    Raises:
        InputError: If it is no pair, has no batch dimension, or is of another shape or type.
    """
    import numpy as np

    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError(f"{option} must give pairs (images, labels). Received: {type(batch).__name__}")
    images, labels = map(np.asarray, batch)
    wanted = (batch_size, image_size, image_size, 3)
    if images.shape != wanted:
        hint = ""
        if images.shape == wanted[1:]:
            hint = ", a single image: there is no batch dimension. `dataset.batch(batch_size)` adds it"
        raise InputError(f"{option} must give images of shape {wanted}. Received: {images.shape}{hint}")
    if images.dtype.name not in DTYPES:
        raise InputError(
            f"{option} must give images as {' in [0, 1] or '.join(DTYPES)}. Received: {images.dtype.name}. Cast them"
        )
    if labels.shape != (batch_size,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{option} must give labels of shape ({batch_size},), integers from 0. "
            f"Received: {labels.shape}, {labels.dtype.name}"
        )
    if classes and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"{option} must give labels from 0 to {classes - 1}, for the models tell {classes} classes apart. "
            f"Received: labels from {labels.min()} to {labels.max()}. Give `--photos FOLDER`, of one folder a class"
        )
