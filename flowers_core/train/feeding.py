"""How a training is fed: by tf.data within TensorFlow's graph, or as NumPy arrays where the backend draws in Python."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras
import numpy as np

from flowers_core import user_code
from flowers_core.backends import BACKENDS, is_installed
from flowers_core.data import storage
from flowers_core.errors import InputError


def by_arrays(records: str, dispatcher: str = "") -> bool:
    """Whether Keras' backend is fed arrays; a dispatcher and a bucket are read by TensorFlow on every backend.

    Raises:
        InputError: If TensorFlow is needed for that and not installed.
    """
    remote = bool(dispatcher) or storage.is_bucket(records)
    if remote and not is_installed("tensorflow"):
        raise InputError(
            f"`records` must lie on a disk, and be read here, where TensorFlow is not installed. Received: "
            f"{dispatcher or records}. Install it (`make bench EXTRAS=[tensorflow]`), or copy the records to a disk"
        )
    return not BACKENDS[keras.config.backend()].tf_data and not remote


def training(shards: Sequence[str], *, arrays: bool, dispatcher: str = "", **how: Any) -> Iterable:
    """Batches to train on, for ever; `how` are the arguments of `training_data.training`."""
    if arrays:
        from flowers_core.input import array_data

        return array_data.training(shards, **how)
    from flowers_core.input import training_data

    return training_data.training(shards, dispatcher=dispatcher, **how)


def validation(shards: Sequence[str], *, arrays: bool, dispatcher: str = "", **how: Any) -> Iterable:
    """Batches to validate on, once a pass; `how` are the arguments of `training_data.validation`."""
    if arrays:
        from flowers_core.input import array_data

        return array_data.Validation(shards, **how)
    from flowers_core.input import training_data

    return training_data.validation(shards, dispatcher=dispatcher, **how)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a user's loader is told.

    Attributes:
        records: Folder of the records.
        photos: Empty: a training is given none.
        rank: Of several processes that train one model, which this is: the loader gives its part of the images.
        workers: How many these are.
    """

    records: str
    photos: str = ""
    rank: int = 0
    workers: int = 1


def users(
    option: str, source: Source, *, image_size: int, batch_size: int, classes: int
) -> Generator[tuple[np.ndarray, np.ndarray]]:
    """Batches of a user's own loader, for ever: float32 in [0, 1] and int64.

    Raises:
        InputError: If it fails, or what it gives does not fit, see `user_code.check_batch`.
    """
    loader = user_code.Loader(option, source=source, image_size=image_size, batch_size=batch_size)
    batches = loader.endless(loader())
    first = next(batches)
    user_code.check_batch(first, option, image_size=image_size, batch_size=batch_size, classes=classes)
    for images, labels in chain([first], batches):
        pixels = np.asarray(images)
        yield pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels, np.asarray(labels, np.int64)


def with_length(batches: Any, count: int) -> Any:
    """The same, known to be so many batches: Keras warns of an end that it did not expect."""
    if not hasattr(batches, "apply"):
        return batches
    import tensorflow as tf

    return batches.apply(tf.data.experimental.assert_cardinality(count))


@contextmanager
def explain_errors(shards: Sequence[str], *, arrays: bool, **expected: Any) -> Iterator[None]:
    """While shards are read: what TensorFlow raises names the damaged record; decode workers name it themselves."""
    with ExitStack() as stack:
        if not arrays:
            from flowers_core.input import data_service, training_data

            stack.enter_context(training_data.explain_errors(shards, **expected))
            stack.enter_context(data_service.reported_errors())
        yield
