"""A user's loader as an endless pipeline of whole batches, fed as `fit` feeds what the loader returns."""

from collections.abc import Generator
from itertools import chain
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import Cell
from bench.run import product
from bench.run.data_source import Source
from bench.run.product import InputError


def build(cell: Cell, source: Source) -> Any:
    """The endless pipeline of a cell whose loader is a user's own.

    A `tf.data.Dataset` stays one. Of an iterable TensorFlow is fed as `fit` feeds a generator: through
    `Dataset.from_generator`, a few batches ahead.

    Returns:
        A `tf.data.Dataset` or, outside TensorFlow, a generator: images `(batch, size, size, 3)` and labels `(batch,)`.

    Raises:
        InputError: If the file has changed, the function fails, or what it gives does not fit, see
            `user_code.check_batch`.
    """
    loader = _loader(cell, source)
    first = loader()
    if hasattr(first, "element_spec"):
        return _whole_batches(first, cell.batch_size)
    batches = loader.endless(first)
    if product.backends()[cell.backend].tf_data and product.has_tensorflow():
        return _dataset(batches)
    return batches


def first_batch(cell: Cell, source: Source) -> Any:
    """What a cell's loader gives first, as it is.

    Raises:
        InputError: If it gives nothing, or fails.
    """
    loader = _loader(cell, source)
    for batch in loader.pairs(loader()):
        return batch
    raise InputError(f"{loader.option} must give batches. Received: an end before the first")


def dtype(batches: Any) -> str:
    """The type of the images of a pipeline of `build`; a batch is drawn where it does not say."""
    spec = getattr(batches, "element_spec", None)
    images = spec[0] if spec else next(iter(batches))[0]
    return getattr(images.dtype, "name", str(images.dtype))


def _loader(cell: Cell, source: Source) -> Any:
    """The user's function with its arguments, a `user_code.Loader`."""
    digest = cell.pipeline.rpartition("@")[2]
    arguments = {"source": source, "image_size": cell.image_size, "batch_size": cell.batch_size}
    return user_code.Loader(source.find_option(cell.pipeline), digest=digest, **arguments)


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


def _dataset(batches: Generator) -> Any:
    """A generator as `fit` takes it on TensorFlow."""
    import tensorflow as tf

    first = next(batches)
    signature = tuple(tf.TensorSpec(array.shape, array.dtype) for array in first)
    return tf.data.Dataset.from_generator(lambda: chain([first], batches), output_signature=signature).prefetch(
        tf.data.AUTOTUNE
    )
