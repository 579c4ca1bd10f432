"""The two splits as batches: training without end, augmented anew each epoch; validation once a pass; both cached."""

import atexit
import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from flowers_core.data import images, storage, tfrecords
from flowers_core.errors import RunFailed
from flowers_core.input import data_service, pipelines
from flowers_core.input.cache import IN_MEMORY, Cache


def training(  # noqa: PLR0913 - its options
    shards: Sequence[str],
    *,
    image_size: int,
    batch_size: int,
    augmentation: str = "codelab",
    shuffle_buffer: int = 2048,
    seed: int | None = None,
    cache: Cache = IN_MEMORY,
    dispatcher: str = "",
) -> tf.data.Dataset:
    """Batches to train on, for ever: the codelab's order, cache, repeat, augment, shuffle, batch (section 5).

    Args:
        shards: Paths of the training shards.
        image_size: Side of the records' images in pixels.
        batch_size: Images a batch; whole batches only.
        augmentation: What changes in each image at random, anew in every epoch: one of `recipes.AUGMENTATIONS`.
        shuffle_buffer: Images the shuffle chooses from. They are float32: 2048 take 0.9 GB at 192 pixels.
        seed: Makes order and augmentation the same in every run, at the price of reading in order.
        cache: Where decoded images are kept, see `cache.decide`.
        dispatcher: Address of a tf.data service whose workers read and decode, in an order of their own; empty for
            here.

    Returns:
        Dataset of `(images, labels)`, images float32 in [0, 1].
    """
    data = _decode(shards, image_size=image_size, batch_size=batch_size, dispatcher=dispatcher)
    data = _cache(data, cache)  # as uint8: 0.4 GB for all 3,670 images at 192 pixels; the codelab's float32 takes 1.6
    data = data.repeat()
    # After the cache, which would freeze the first epoch's augmentation for all others.
    data = _augment(data, augmentation, seed)
    data = data.shuffle(shuffle_buffer, seed=seed)
    data = data.batch(batch_size, drop_remainder=True)
    data = data.prefetch(tf.data.AUTOTUNE)
    return data.with_options(pipelines.unordered_options() if seed is None else tf.data.Options())


def validation(
    shards: Sequence[str], *, image_size: int, batch_size: int, cache: Cache = IN_MEMORY, dispatcher: str = ""
) -> tf.data.Dataset:
    """Batches to validate on: every image once a pass, in the same order each time, the last batch smaller.

    Args:
        shards: Paths of the validation shards.
        image_size: Side of the records' images in pixels.
        batch_size: Images a batch.
        cache: Where decoded images are kept, as whole batches.
        dispatcher: As of `training`.

    Returns:
        Dataset of `(images, labels)`, images float32 in [0, 1].
    """
    data = _decode(shards, image_size=image_size, batch_size=batch_size, dispatcher=dispatcher)
    data = data.batch(batch_size)
    data = _cache(data, cache)  # batches, for their order is always the same
    data = data.map(pipelines.scale, num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE)


def _cache(data: tf.data.Dataset, cache: Cache) -> tf.data.Dataset:
    """Elements that later passes need not make again; a cache on disk is deleted when the process ends."""
    if cache.place == "none":
        return data
    if cache.place == "memory":
        return data.cache()
    folder = storage.temporary_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return data.cache(f"{folder}/images")


def _decode(shards: Sequence[str], *, image_size: int, batch_size: int, dispatcher: str) -> tf.data.Dataset:
    """uint8 images and labels of one epoch, decoded here or, in batches, by the workers of a dispatcher."""
    data = pipelines.read_records(shards, epochs=1)
    data = data.map(pipelines.decode_record(shards, image_size), num_parallel_calls=tf.data.AUTOTUNE)
    if not dispatcher:
        return data
    data = data_service.distribute(data.batch(batch_size), dispatcher, batch_size=batch_size)
    return data_service.with_timeout(data, dispatcher).unbatch()


def _augment(data: tf.data.Dataset, augmentation: str, seed: int | None) -> tf.data.Dataset:
    """Scaled and augmented images; where there is a seed, by draws in the order of the images."""
    if augmentation == "none":
        return data.map(pipelines.scale, num_parallel_calls=tf.data.AUTOTUNE)
    change = images.augment if augmentation == "codelab" else images.flip
    if seed is None:
        return data.map(lambda image, label: (change(images.scale(image)), label), num_parallel_calls=tf.data.AUTOTUNE)
    return tf.data.Dataset.zip(data, augmentation_seeds(seed)).map(
        lambda pair, draw: (change(images.scale(pair[0]), draw), pair[1]), num_parallel_calls=tf.data.AUTOTUNE
    )


def augmentation_seeds(seed: int) -> tf.data.Dataset:
    """For each image of a training in turn what decides its augmentation: int64, shape `(2,)`."""
    return tf.data.Dataset.random(seed).batch(2, drop_remainder=True)


@contextmanager
def explain_errors(
    shards: Sequence[str], *, classes: int | None = None, image_size: int | None = None, unchecked: bool = False
) -> Iterator[None]:
    """While these shards are read: what TensorFlow raises comes out as `tfrecords.explain` puts it.

    Args:
        shards: Paths of the shards.
        classes: As of `tfrecords.verify`.
        image_size: As of `tfrecords.verify`.
        unchecked: Whether labels may lie beyond the classes, which makes a loss NaN: a training that fails is
            explained so, too.

    Raises:
        OSError: If the disk of a cache is full; it names the file.
    """
    try:
        yield
    except tf.errors.OpError as error:
        full = re.search(rf"([^ ]+); {os.strerror(errno.ENOSPC)}", error.message)
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), full[1]) from error
        raise tfrecords.explain(error, shards, classes=classes, image_size=image_size) from error
    except RunFailed as error:
        if not unchecked:
            raise
        raise tfrecords.explain(error, shards, classes=classes, image_size=image_size) from error
