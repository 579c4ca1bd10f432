"""The input pipelines: photos or records -> batches, one short function for each way of feeding.

Every pipeline yields `(images, labels)`: images `(batch, image_size, image_size, 3)`, float32 in [0, 1] or
uint8 as `registry.PIPELINES` says, and labels int64 `(batch,)`.
"""

import os
from itertools import chain, islice, repeat
from pkgutil import resolve_name

import tensorflow as tf

from flowers_core import errors
from flowers_core.data import images, manifest, storage, tfrecords
from flowers_core.data.tfrecord_reader import locate
from flowers_core.input import decode_pool, fast_decode, generator_dataset
from flowers_core.input.registry import PIPELINES

AUTOTUNE = tf.data.AUTOTUNE  # never more than there are cores, for it counts work and not waiting

BUCKET_SHARDS = 16
"""Shards of a bucket read at once: a request of 0.1 s brings what two cores decode in 0.02 s."""

BUCKET_PHOTOS = 64
"""Photos of a bucket read at once, likewise: each takes a connection and a request."""


def build(name: str, source, *, image_size: int, batch_size: int, epochs: int | None = 1) -> tf.data.Dataset:
    """Builds a pipeline of `registry.PIPELINES`, to be measured.

    Args:
        name: Its name; the functions below say what each pipeline does.
        source: `photos.Photos` where it reads photos, else the paths of the shards.
        image_size: Side of the images in pixels; that of the records where records are read.
        batch_size: Images a batch.
        epochs: Passes over the source, whose last batch may be smaller; None repeats for ever, in whole
            batches only, so that shapes are static.

    Raises:
        InputError: If the name is unknown, the source not of the kind it reads or empty, or a number below 1.
    """
    errors.one_of("name", name, PIPELINES)
    reads_photos = PIPELINES[name].reads == "photos"
    if hasattr(source, "paths") != reads_photos or isinstance(source, str) or not len(source):
        raise errors.InputError(
            f"`source` must be {'Photos' if reads_photos else 'paths of shards'}, at least one, "
            f"for {name}. Received: source={source!r:.200}"
        )
    if min(image_size, batch_size, 1 if epochs is None else epochs) < 1:
        raise errors.InputError(
            f"`image_size`, `batch_size` and `epochs` must be 1 or more (`epochs` may be None: for ever). "
            f"Received: image_size={image_size}, batch_size={batch_size}, epochs={epochs}"
        )
    function = resolve_name(PIPELINES[name].build)
    return function(source, image_size=image_size, batch_size=batch_size, epochs=epochs)


def photos_one_by_one(photos, *, image_size, batch_size, epochs):
    """Photos as the codelab first reads them: one file is read, decoded and cropped, and only then the next."""
    data = tf.data.Dataset.from_tensor_slices((list(photos.paths), tf.constant(photos.labels, tf.int64)))
    data = data.repeat(epochs)
    data = data.map(_photo(image_size))
    data = data.batch(batch_size, drop_remainder=epochs is None)
    return data.with_options(_one_by_one())


def photos_parallel(photos, *, image_size, batch_size, epochs):
    """Photos with as many files at once as the machine bears."""
    data = tf.data.Dataset.from_tensor_slices((list(photos.paths), tf.constant(photos.labels, tf.int64)))
    data = data.repeat(epochs)  # before the work: the next epoch's first photos are read beside the last
    waiting = storage.is_bucket(photos.folder)
    data = data.map(_photo(image_size), num_parallel_calls=BUCKET_PHOTOS if waiting else AUTOTUNE)
    data = data.batch(batch_size, drop_remainder=epochs is None)
    data = data.prefetch(AUTOTUNE)
    # A thread for each photo that is waited for: those of the process are as few as the cores.
    return data.with_options(unordered_options(threads=BUCKET_PHOTOS) if waiting else unordered_options())


def photos_turbo(photos, *, image_size, batch_size, epochs):
    """Photos by libjpeg-turbo and OpenCV, a whole batch in each process; uint8, a rounding away from the others."""
    sizes = {"image_size": image_size, "batch_size": batch_size}
    if not storage.is_bucket(photos.folder):
        return _by_workers("photos", lambda: zip(photos.paths, photos.labels, strict=True), epochs=epochs, **sizes)
    data = tf.data.Dataset.from_tensor_slices((list(photos.paths), tf.constant(photos.labels, tf.int64)))
    data = data.repeat(epochs)
    # Many requests at once hide the latency, and threads that decode are few.
    data = data.map(lambda path, label: (tf.io.read_file(path), label), num_parallel_calls=AUTOTUNE)
    data = data.batch(batch_size, drop_remainder=epochs is None)
    filled = fast_decode.map_of_photos(image_size)
    data = data.map(lambda some, labels: (filled(some), labels), num_parallel_calls=_cores(), deterministic=True)
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options(threads=2 * _cores()))


def records_sequential(shards, *, image_size, batch_size, epochs):
    """Records without any parallelism: what the file format alone brings."""
    data = tf.data.Dataset.from_tensor_slices(list(shards))
    data = data.repeat(epochs)
    data = tf.data.TFRecordDataset(data)
    data = data.map(_scaled_record(image_size))
    data = data.batch(batch_size, drop_remainder=epochs is None)
    return data.with_options(_one_by_one())


def records_parallel(shards, *, image_size, batch_size, epochs):
    """Records as the codelab reads them in the end: shards and decoding in parallel, float32 pixels."""
    data = read_records(shards, epochs)
    data = data.map(_scaled_record(image_size), num_parallel_calls=AUTOTUNE)
    data = data.batch(batch_size, drop_remainder=epochs is None)
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options())


def records_uint8(shards, *, image_size, batch_size, epochs):
    """The same with the pixels left as they are: a quarter of the bytes to batch, prefetch and send."""
    data = read_records(shards, epochs)
    data = data.map(decode_record(image_size), num_parallel_calls=AUTOTUNE)
    data = data.batch(batch_size, drop_remainder=epochs is None)
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options())


def records_turbo(shards, *, image_size, batch_size, epochs):
    """The same pixels by libjpeg-turbo, from records read past TensorFlow; from a bucket, parsed by the batch."""
    sizes = {"image_size": image_size, "batch_size": batch_size}
    if not storage.is_bucket(shards[0]):
        return _by_workers("records", lambda: locate(shards), epochs=epochs, **sizes)
    data = read_records(shards, epochs)
    data = data.batch(batch_size, drop_remainder=epochs is None)
    data = data.map(fast_decode.map_of_records(image_size), num_parallel_calls=_cores(), deterministic=True)
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options(threads=2 * _cores()))


def _by_workers(kind: str, items, *, image_size, batch_size, epochs):
    """Batches that processes make of items, which `items()` gives anew for each epoch."""
    whole = epochs is None
    several = batch_size * PIPELINES[f"{kind}_turbo"].batches_at_once(image_size=image_size, batch_size=batch_size)
    images_of = (several if whole else None,)

    def made():
        passes = repeat(items) if whole else repeat(items, epochs)
        drawn = chain.from_iterable(again() for again in passes)
        orders = iter(lambda: list(islice(drawn, several)), [])
        return decode_pool.decode_batches(orders, kind=kind, image_size=image_size, batch_size=several, count=_cores())

    data = generator_dataset.dataset(
        made,
        (
            tf.TensorSpec((*images_of, image_size, image_size, 3), tf.uint8),
            tf.TensorSpec(images_of, tf.int64),
        ),
    )
    data = data.rebatch(batch_size, drop_remainder=whole)  # without a copy
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options())


def records_cached(shards, *, image_size, batch_size, epochs):
    """Decoded once and kept in memory as uint8: from the second epoch on nothing is read or decoded."""
    data = read_records(shards, epochs=1)
    data = data.map(decode_record(image_size), num_parallel_calls=AUTOTUNE)
    data = data.cache()
    data = data.repeat(epochs)  # after the cache, which one whole pass has to fill
    data = data.batch(batch_size, drop_remainder=epochs is None)
    data = data.prefetch(AUTOTUNE)
    return data.with_options(unordered_options())


def records_batches_cached(shards, *, image_size, batch_size, epochs):
    """Whole batches decoded once and kept: an epoch only hands them over, the same images together in each.

    An endless stream is without the images of the smaller last batch.

    Raises:
        InputError: If there is no end and not one whole batch.
    """
    count = sum(manifest.count(shard) or 0 for shard in shards)  # 0: their names do not say
    if epochs is None and 0 < count < batch_size:
        raise errors.InputError(
            f"`batch_size` must be at most the {count} images there are, for whole batches are kept. "
            f"Received: batch_size={batch_size}. Give a smaller one, or write records of more photos"
        )
    data = records_turbo(shards, image_size=image_size, batch_size=batch_size, epochs=1)
    if epochs is None:
        data = data.filter(lambda _, labels: tf.size(labels) == batch_size)
        data = data.map(lambda pixels, labels: _whole(pixels, labels, batch_size))
    data = data.cache()
    data = data.repeat(epochs)
    return data.with_options(unordered_options())


def _whole(pixels, labels, batch_size):
    """A batch whose size is known to be that of all."""
    return tf.ensure_shape(pixels, (batch_size, *pixels.shape[1:])), tf.ensure_shape(labels, (batch_size,))


def read_records(shards, epochs):
    """Serialized records from many shards at once."""
    data = tf.data.Dataset.from_tensor_slices(list(shards))
    data = data.repeat(epochs)  # of the names: the next epoch's first shard is opened beside the last
    if storage.is_bucket(shards[0]):
        return tf.data.TFRecordDataset(
            data, buffer_size=storage.request_bytes(), num_parallel_reads=min(BUCKET_SHARDS, max(2, len(shards)))
        )
    return tf.data.TFRecordDataset(data, num_parallel_reads=AUTOTUNE)


def _photo(image_size):
    """A map from a path and a label to a float32 image in [0, 1] and the label."""

    def read(path, label):
        image = images.decode(tf.io.read_file(path))
        return images.scale(images.fill_and_crop(image, image_size)), label

    return read


def decode_record(image_size):
    """A map from a record to a uint8 image and its label."""
    return lambda record: tfrecords.parse(record, image_size=image_size)


def _scaled_record(image_size):
    """A map from a record to a float32 image in [0, 1] and its label."""
    return lambda record: scale(*tfrecords.parse(record, image_size=image_size))


def scale(image, label):
    """A map from a uint8 image and its label to a float32 image in [0, 1] and the label."""
    return images.scale(image), label


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def unordered_options(threads: int | None = None):
    """Speed over order: whatever is ready comes first. On the last dataset: options of one left behind are lost.

    Args:
        threads: Of a pool of the dataset's own; TensorFlow's if not given.
    """
    options = tf.data.Options()
    options.deterministic = False
    if threads:
        options.threading.private_threadpool_size = threads
    return options


def _one_by_one():
    """No work ahead and none in parallel, which tf.data's default optimizations would add unasked."""
    options = tf.data.Options()
    options.autotune.enabled = False  # it would add a prefetch at the end
    options.experimental_optimization.map_parallelization = False
    options.experimental_optimization.map_and_batch_fusion = False  # the fused form works one batch ahead
    return options
