"""What a Python generator yields as a dataset, with the least of Python for each element.

`Dataset.from_generator` does the same, and checks and converts each element in Python: of small batches that
processes make as fast as they can, that takes a tenth of the cores.
"""

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import tensorflow as tf


def dataset(begin: Callable[[], Iterator[tuple]], signature: tuple[tf.TensorSpec, ...]) -> tf.data.Dataset:
    """A dataset whose every iterator begins a generator, and closes it when the iterator goes.

    Args:
        begin: Gives a new generator; NumPy arrays that begin at a page are handed over without a copy.
        signature: What each of its elements is.

    Returns:
        Dataset of the elements, one after another.

    Raises:
        tf.errors.InvalidArgumentError: While it is drawn, if an element is of another shape.
        tf.errors.UnknownError: Likewise, if the generator raises; its message holds the generator's.
    """
    running: dict[int, Iterator[tuple]] = {}
    names = count()

    def first() -> np.int64:
        name = next(names)
        running[name] = begin()
        return np.int64(name)

    def following(name: np.ndarray) -> tuple:
        return next(running[int(name)])

    def last(name: np.ndarray) -> np.int64:
        running.pop(int(name)).close()
        return name

    # Within another dataset: strategies take datasets to pieces, and a generator is none.
    one = tf.autograph.experimental.do_not_convert(lambda _: _generated(first, following, last, signature))
    return tf.data.Dataset.from_tensors(0).flat_map(one)


def _generated(first, following, last, signature):
    """One run of a generator: `first` names it, `following` draws from the one of that name, `last` closes it."""
    named = tf.TensorSpec((), tf.int64)
    functions = {
        "init_func": _graph(first, [], [named]),
        "next_func": _graph(following, [named], signature),
        "finalize_func": _graph(last, [named], [named]),
    }
    variant = tf.raw_ops.GeneratorDataset(
        **functions,
        **{f"{name}_other_args": [] for name in functions},
        output_types=[spec.dtype for spec in signature],
        output_shapes=[spec.shape for spec in signature],
    )
    return tf.data.experimental.from_variant(variant, signature)


def _graph(function, takes, gives):
    """A Python function as one of TensorFlow's, which knows the shapes of what it gives."""

    def called(*tensors):
        given = tf.numpy_function(function, tensors, [spec.dtype for spec in gives])
        return [tf.ensure_shape(one, spec.shape) for one, spec in zip(given, gives, strict=True)]

    return tf.function(called, input_signature=takes, autograph=False).get_concrete_function()
