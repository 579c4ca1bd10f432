"""What a Python generator yields as a dataset, with the least of Python for each element.

Why not `Dataset.from_generator`: it stands on the same raw op, but flattens, converts and checks each element in
Python. Of small batches that decode workers make as fast as they can, that takes a tenth of the cores. Why not a map of
`tf.py_function`: it runs eagerly, has no end of its own, and nothing closes the generator when an iterator goes, so
that the processes behind it would live on. The raw op has a finalizer for that.
"""

import atexit
import gc
from collections.abc import Callable, Generator, Sequence
from functools import cache
from itertools import count

import numpy as np
import tensorflow as tf


def dataset(begin: Callable[[], Generator[tuple]], signature: tuple[tf.TensorSpec, ...]) -> tf.data.Dataset:
    """A dataset whose every iterator begins a generator, and closes it when the iterator goes.

    Args:
        begin: Gives a new generator; NumPy arrays that begin at a page are handed over without a copy.
        signature: What each of its elements is.

    Returns:
        Dataset of the elements, one after another.

    Raises:
        tf.errors.InvalidArgumentError: While it is iterated, if an element is of another shape.
        tf.errors.UnknownError: Likewise, if the generator raises; its message holds the generator's.
    """
    running: dict[int, Generator[tuple]] = {}
    numbers = count()

    def start() -> np.int64:
        _end_iterators_at_exit()
        number = next(numbers)
        running[number] = begin()
        return np.int64(number)

    def draw(number: np.ndarray) -> tuple:
        return next(running[int(number)])

    def close(number: np.ndarray) -> np.ndarray:
        running.pop(int(number)).close()
        return number

    # Within another dataset: strategies take datasets to pieces, and a generator is none.
    generate = tf.autograph.experimental.do_not_convert(lambda _: _run(start, draw, close, signature))
    return tf.data.Dataset.from_tensors(0).flat_map(generate)


@cache
def _end_iterators_at_exit() -> None:
    """Ends what a program still iterates when it ends, once for all datasets.

    By itself TensorFlow ends its iterators when Python has gone: their last call is of a function of Python, and the
    process waits for it for ever.
    """
    atexit.register(_end_iterators)


def _end_iterators() -> None:
    """Takes TensorFlow's iterators from the objects that hold them: an iterator ends with its last holder."""
    for thing in gc.get_objects():
        if issubclass(type(thing), tf.data.Iterator):
            thing.__dict__.pop("_iterator_resource", None)


def _run(start: Callable, draw: Callable, close: Callable, signature: tuple[tf.TensorSpec, ...]) -> tf.data.Dataset:
    """A run of a generator: `start` numbers it, `draw` takes from the one of that number, `close` ends it."""
    number = tf.TensorSpec((), tf.int64)
    functions = {
        "init_func": _graph(start, [], [number]),
        "next_func": _graph(draw, [number], signature),
        "finalize_func": _graph(close, [number], [number]),
    }
    variant = tf.raw_ops.GeneratorDataset(
        **functions,
        **{f"{name}_other_args": [] for name in functions},
        output_types=[spec.dtype for spec in signature],
        output_shapes=[spec.shape for spec in signature],
    )
    return tf.data.experimental.from_variant(variant, signature)


def _graph(function: Callable, takes: Sequence[tf.TensorSpec], gives: Sequence[tf.TensorSpec]) -> Callable:
    """A Python function as one of TensorFlow's, which knows the shapes of what it gives."""

    def call(*tensors: tf.Tensor) -> list[tf.Tensor]:
        results = tf.numpy_function(function, tensors, [spec.dtype for spec in gives])
        return [tf.ensure_shape(result, spec.shape) for result, spec in zip(results, gives, strict=True)]

    return tf.function(call, input_signature=takes, autograph=False).get_concrete_function()
