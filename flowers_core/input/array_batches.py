"""The fastest pipelines without tf.data: batches of decode workers as NumPy arrays, for backends that draw in Python.

Nothing is copied: an array is a view of the memory in which a decode worker made it, which is used again once no view
is left, so that a tensor that shares it keeps it. There is no thread that draws ahead: each decode worker has its next
orders, and goes on while a step trains.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, repeat
from pkgutil import resolve_name
from typing import Any

import numpy as np

from flowers_core import errors
from flowers_core.data import shards as shard_paths
from flowers_core.data import tfrecord_reader
from flowers_core.data.photos import Photos
from flowers_core.input import decode_pool
from flowers_core.input.registry import DEFAULT, PIPELINES, Options

Batch = tuple[np.ndarray, np.ndarray]


class ArrayBatches(Iterable):
    """Batches to be drawn again and again; each iterator has decode workers of its own, which end with it."""

    def __init__(self, begin: Callable[[], Iterator[Batch]]):
        self._begin = begin

    def __iter__(self) -> Iterator[Batch]:
        return self._begin()


def build(
    name: str,
    source: Photos | Sequence[str],
    *,
    image_size: int,
    batch_size: int,
    epochs: int | None = 1,
    options: Options = DEFAULT,
) -> ArrayBatches:
    """Builds a pipeline of which `registry.PIPELINES` says that there is one of arrays; as `pipelines.build`.

    Args:
        name: Its name.
        source: `photos.Photos`, or paths of shards, on this machine's disk.
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
        epochs: Passes over the source, whose last batch may be smaller; None repeats for ever, in whole batches only.
        options: What is chosen of the pipeline: here decode workers alone, for no thread makes batches ahead.

    Returns:
        Batches `(images, labels)`: uint8 `(batch, image_size, image_size, 3)` and int64 `(batch,)`.

    Raises:
        InputError: If the name is unknown, the pipeline needs TensorFlow, or it does not take what is chosen.
    """
    errors.one_of("name", name, [name for name, pipeline in PIPELINES.items() if pipeline.arrays])
    PIPELINES[name].check(options)
    if options.prefetch is not None:
        raise errors.InputError(
            f"`prefetch` must be left out where batches are drawn as arrays: each decode worker has its next orders, "
            f"and nothing else works ahead. Received: prefetch={options.prefetch}"
        )
    function = resolve_name(PIPELINES[name].arrays)
    workers = {"workers": options.parallel_calls} if options.parallel_calls else {}
    batching = {"image_size": image_size, "batch_size": batch_size, "epochs": epochs, **workers}
    return ArrayBatches(lambda: function(source, **batching))


def photos_turbo(photos: Photos, **batching: Any) -> Iterator[Batch]:
    """Photos by libjpeg-turbo and OpenCV."""
    pairs = partial(zip, photos.paths, photos.labels, strict=True)
    return _decode("photos_turbo", pairs, {"decoding": photos.decoding}, **batching)


def records_turbo(shards: Sequence[str], **batching: Any) -> Iterator[Batch]:
    """Records by libjpeg-turbo."""
    how = {"features": shard_paths.of(shards).features}
    return _decode("records_turbo", lambda: tfrecord_reader.locate(shards), how, **batching)


def records_batches_cached(
    shards: Sequence[str], *, image_size: int, batch_size: int, epochs: int | None
) -> Iterator[Batch]:
    """Whole batches decoded once and kept; an endless stream is without the images of the smaller last one.

    Raises:
        InputError: If there is no end and not one whole batch.
    """
    kept = list(records_turbo(shards, image_size=image_size, batch_size=batch_size, epochs=1))
    if epochs is not None:
        yield from chain.from_iterable(repeat(kept, epochs))
        return
    kept = [batch for batch in kept if len(batch[1]) == batch_size]
    if not kept:
        raise errors.InputError(
            f"`batch_size` must be at most the number of images, for whole batches are kept. "
            f"Received: batch_size={batch_size}. Give a smaller one, or write records of more photos"
        )
    yield from chain.from_iterable(repeat(kept))


def _decode(
    name: str,
    items: Callable[[], Iterable[tuple]],
    how: dict[str, Any],
    *,
    image_size: int,
    batch_size: int,
    epochs: int | None,
    workers: int | None = None,
) -> Generator[Batch]:
    """Batches that decode workers make of items, which `items()` yields again for each epoch; `how`: of the pool."""
    several = batch_size * PIPELINES[name].batches_at_once(image_size=image_size, batch_size=batch_size)
    passes = repeat(items) if epochs is None else repeat(items, epochs)
    stream = chain.from_iterable(epoch_items() for epoch_items in passes)
    decoded = decode_pool.decode_batches(
        iter(lambda: list(islice(stream, several)), []),
        kind=PIPELINES[name].reads,
        image_size=image_size,
        batch_size=several,
        count=workers or decode_pool.worker_count(),
        **how,
    )
    for images, labels in decoded:
        for start in range(0, len(labels), batch_size):
            yield images[start : start + batch_size], labels[start : start + batch_size]
