"""The input pipelines: photos or records -> batches, one short function each.

Every pipeline yields `(images, labels)`: images `(batch, image_size, image_size, 3)`, float32 in [0, 1] or uint8 as
`registry.PIPELINES` says, always float32 if they are augmented, and labels int64 `(batch,)`.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat
from pkgutil import resolve_name
from typing import Any

import numpy as np
import tensorflow as tf

from flowers_core import errors, resources
from flowers_core.data import images, manifest, storage, tfrecord_reader, tfrecords
from flowers_core.data import shards as shard_paths
from flowers_core.data.photos import Photos
from flowers_core.data.shards import Shards
from flowers_core.input import decode_pool, fast_decode, generator_dataset
from flowers_core.input.registry import DEFAULT, PIPELINES, Options

AUTOTUNE = tf.data.AUTOTUNE  # never more than there are cores, for it counts work and not waiting

BUCKET_SHARDS = 16
"""Shards of a bucket read at once: a request of 0.1 s brings what two cores decode in 0.02 s."""

BUCKET_PHOTOS = 64
"""Photos of a bucket read at once, likewise: each takes a connection and a request."""


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How a pipeline batches.

    Attributes:
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
        epochs: Passes over the source; None for ever.
        options: What is chosen of the pipeline.
    """

    image_size: int
    batch_size: int
    epochs: int | None
    options: Options = DEFAULT

    def __post_init__(self):
        if min(self.image_size, self.batch_size, 1 if self.epochs is None else self.epochs) < 1:
            raise errors.InputError(
                f"`image_size`, `batch_size` and `epochs` must be 1 or more (`epochs` may be None: for ever). "
                f"Received: image_size={self.image_size}, batch_size={self.batch_size}, epochs={self.epochs}"
            )

    @property
    def endless(self) -> bool:
        """Whether it never ends, and every batch is whole, so that shapes are static."""
        return self.epochs is None

    def apply(self, data: tf.data.Dataset) -> tf.data.Dataset:
        """Batches images."""
        return data.batch(self.batch_size, drop_remainder=self.endless)

    @property
    def calls(self) -> int:
        """Images decoded at once."""
        return self.options.parallel_calls or AUTOTUNE

    def with_augmentation(self, decode: Callable) -> Callable:
        """A map to an image and its label with its image, float32, augmented where that is chosen."""
        if not self.options.augment:
            return decode

        def decode_and_augment(*element: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = decode(*element)
            return images.augment(image), label

        return decode_and_augment

    def finish(self, data: tf.data.Dataset, *, threads: int | None = None) -> tf.data.Dataset:
        """Makes batches ahead, and says whether they keep their order; `threads` as of `unordered_options`."""
        ahead, options = self.options.prefetch, unordered_options(threads)
        if ahead != 0:
            data = data.prefetch(ahead or AUTOTUNE)
        else:
            options.experimental_optimization.inject_prefetch = False  # unasked, it would add one
        options.deterministic = self.options.ordered
        return data.with_options(options)


def build(
    name: str,
    source: Photos | Sequence[str],
    *,
    image_size: int,
    batch_size: int,
    epochs: int | None = 1,
    options: Options = DEFAULT,
) -> tf.data.Dataset:
    """Builds a pipeline of `registry.PIPELINES`, to be measured.

    Args:
        name: Its name; the functions below say what each pipeline does.
        source: `photos.Photos` where it reads photos, else the paths of the shards.
        image_size: Side of the images in pixels; that of the records where records are read.
        batch_size: Images a batch.
        epochs: Passes over the source, whose last batch may be smaller; None repeats for ever, in whole
            batches only, so that shapes are static.
        options: What is chosen of the pipeline.

    Raises:
        InputError: If the name is unknown, the source not of the kind it reads or empty, a number below 1, or an
            option not one that the pipeline takes.
    """
    errors.one_of("name", name, PIPELINES)
    PIPELINES[name].check(options)
    reads_photos = PIPELINES[name].reads == "photos"
    if isinstance(source, Photos) != reads_photos or isinstance(source, str) or not len(source):
        raise errors.InputError(
            f"`source` must be {'Photos' if reads_photos else 'paths of shards'}, at least one, "
            f"for {name}. Received: source={source!r:.200}"
        )
    function = resolve_name(PIPELINES[name].build)
    source = source if isinstance(source, Photos) else shard_paths.of(source)
    batching = Batching(image_size=image_size, batch_size=batch_size, epochs=epochs, options=options)
    return function(source, batching)


def photos_one_by_one(photos: Photos, batching: Batching) -> tf.data.Dataset:
    """Photos as the codelab first reads them: one file is read, decoded and cropped, and only then the next."""
    data = _paths_and_labels(photos, batching.epochs)
    data = data.map(batching.with_augmentation(_decode_photo(photos, batching.image_size)))
    data = batching.apply(data)
    return data.with_options(_serial_options())


def photos_parallel(photos: Photos, batching: Batching) -> tf.data.Dataset:
    """Photos with as many files in flight as the machine can take."""
    data = _paths_and_labels(photos, batching.epochs)
    # From a bucket a thread for each photo that is waited for: those of the process are as few as the cores.
    requests = (batching.options.parallel_calls or BUCKET_PHOTOS) if storage.is_bucket(photos.folder) else None
    decode = batching.with_augmentation(_decode_photo(photos, batching.image_size))
    data = data.map(decode, num_parallel_calls=requests or batching.calls)
    data = batching.apply(data)
    return batching.finish(data, threads=requests)


def photos_turbo(photos: Photos, batching: Batching) -> tf.data.Dataset:
    """Photos by libjpeg-turbo and OpenCV, a whole batch in each process; uint8, a rounding away from the others."""
    if not storage.is_bucket(photos.folder):
        pairs = partial(zip, photos.paths, photos.labels, strict=True)
        return _by_processes("photos_turbo", pairs, batching, decoding=photos.decoding)
    data = _paths_and_labels(photos, batching.epochs)
    # Many requests at once hide the latency, and threads that decode are few.
    data = data.map(lambda path, label: (tf.io.read_file(path), label), num_parallel_calls=AUTOTUNE)
    data = batching.apply(data)
    decode = fast_decode.map_of_photos(batching.image_size, photos.decoding)
    return _decode_in_threads(data, lambda jpegs, labels: (decode(jpegs), labels), batching)


def records_sequential(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """Records without any parallelism: what the file format alone brings."""
    data = tf.data.Dataset.from_tensor_slices(list(shards))
    data = data.repeat(batching.epochs)
    data = tf.data.TFRecordDataset(data)
    data = data.map(batching.with_augmentation(_decode_and_scale_record(shards, batching.image_size)))
    data = batching.apply(data)
    return data.with_options(_serial_options())


def records_parallel(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """Records as the codelab reads them in the end: shards and decoding in parallel, float32 pixels."""
    return _records_parallel(shards, batching, _decode_and_scale_record(shards, batching.image_size))


def records_uint8(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """The same with the pixels left as they are: a quarter of the bytes to batch, prefetch and send."""
    decode = _decode_and_scale_record if batching.options.augment else decode_record
    return _records_parallel(shards, batching, decode(shards, batching.image_size))


def records_turbo(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """The same pixels by libjpeg-turbo, from records read past TensorFlow; from a bucket, parsed by the batch."""
    if not storage.is_bucket(shards[0]):
        return _by_processes(
            "records_turbo", lambda: tfrecord_reader.locate(shards), batching, features=shards.features
        )
    data = read_records(shards, batching.epochs)
    data = batching.apply(data)
    return _decode_in_threads(data, fast_decode.map_of_records(batching.image_size, shards.features), batching)


def records_cached(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """Decoded once and kept in memory as uint8: from the second epoch on nothing is read or decoded."""
    data = read_records(shards, epochs=1, at_once=batching.options.parallel_reads)
    data = data.map(decode_record(shards, batching.image_size), num_parallel_calls=batching.calls)
    data = data.cache()
    data = data.repeat(batching.epochs)  # after the cache, which one whole pass has to fill
    if batching.options.augment:  # likewise, or every epoch would show the first one's images
        data = data.map(batching.with_augmentation(scale), num_parallel_calls=batching.calls)
    data = batching.apply(data)
    return batching.finish(data)


def records_batches_cached(shards: Shards, batching: Batching) -> tf.data.Dataset:
    """Whole batches decoded once and kept: an epoch only hands them over, the same images together in each.

    An endless stream is without the images of the smaller last batch.

    Raises:
        InputError: If there is no end and not one whole batch.
    """
    size = batching.batch_size
    count = manifest.images_in(shards)  # 0: nothing says
    if batching.endless and 0 < count < size:
        raise errors.InputError(
            f"`batch_size` must be at most the {count} images there are, for whole batches are kept. "
            f"Received: batch_size={size}. Give a smaller one, or write records of more photos"
        )
    data = records_turbo(shards, Batching(image_size=batching.image_size, batch_size=size, epochs=1))
    if batching.endless:
        data = data.filter(lambda _, labels: tf.size(labels) == size)
        data = data.map(
            lambda pixels, labels: (
                tf.ensure_shape(pixels, (size, *pixels.shape[1:])),
                tf.ensure_shape(labels, (size,)),
            )
        )
    data = data.cache()
    data = data.repeat(batching.epochs)
    return data.with_options(unordered_options())


def _paths_and_labels(photos: Photos, epochs: int | None) -> tf.data.Dataset:
    data = tf.data.Dataset.from_tensor_slices((list(photos.paths), tf.constant(photos.labels, tf.int64)))
    return data.repeat(epochs)  # before the work: the next epoch's first photos are read beside the last


def _records_parallel(shards: Shards, batching: Batching, decode: Callable) -> tf.data.Dataset:
    data = read_records(shards, batching.epochs, at_once=batching.options.parallel_reads)
    data = data.map(batching.with_augmentation(decode), num_parallel_calls=batching.calls)
    data = batching.apply(data)
    return batching.finish(data)


def _decode_in_threads(data: tf.data.Dataset, decode: Callable, batching: Batching) -> tf.data.Dataset:
    """Decodes batches that come from a bucket, one in each of as many threads as there are cores, unless told."""
    threads = batching.options.parallel_calls or resources.parallelism()
    data = data.map(decode, num_parallel_calls=threads, deterministic=True)
    return batching.finish(data, threads=2 * threads)


def _by_processes(name: str, items: Callable[[], Iterable[tuple]], batching: Batching, **how: Any) -> tf.data.Dataset:
    """Batches that decode workers make of items, which `items()` yields again for each epoch; `how`: of the pool."""
    size, image_size = batching.batch_size, batching.image_size
    several = size * PIPELINES[name].batches_at_once(image_size=image_size, batch_size=size)
    images_of = (several if batching.endless else None,)

    def begin() -> Generator[tuple[np.ndarray, np.ndarray]]:
        passes = repeat(items) if batching.epochs is None else repeat(items, batching.epochs)
        stream = chain.from_iterable(epoch_items() for epoch_items in passes)
        orders = iter(lambda: list(islice(stream, several)), [])
        return decode_pool.decode_batches(
            orders,
            kind=PIPELINES[name].reads,
            image_size=image_size,
            batch_size=several,
            count=batching.options.parallel_calls or decode_pool.worker_count(),
            **how,
        )

    data = generator_dataset.dataset(
        begin,
        (
            tf.TensorSpec((*images_of, image_size, image_size, 3), tf.uint8),
            tf.TensorSpec(images_of, tf.int64),
        ),
    )
    data = data.rebatch(size, drop_remainder=batching.endless)  # without a copy
    return batching.finish(data)


def read_records(shards: Sequence[str], epochs: int | None, *, at_once: int | None = None) -> tf.data.Dataset:
    """Serialized records from many shards at once, or from so many."""
    data = tf.data.Dataset.from_tensor_slices(list(shards))
    data = data.repeat(epochs)  # of the names: the next epoch's first shard is opened beside the last
    if storage.is_bucket(shards[0]):
        return tf.data.TFRecordDataset(
            data,
            buffer_size=storage.request_bytes(),
            num_parallel_reads=at_once or min(BUCKET_SHARDS, max(2, len(shards))),
        )
    return tf.data.TFRecordDataset(data, num_parallel_reads=at_once or AUTOTUNE)


def decode_record(shards: Sequence[str], image_size: int) -> Callable:
    """A map from a record of some shards to a uint8 image and its label."""
    features = shard_paths.of(shards).features
    return lambda record: tfrecords.parse(record, image_size=image_size, features=features)


def _decode_and_scale_record(shards: Shards, image_size: int) -> Callable:
    """A map from a record of some shards to a float32 image in [0, 1] and its label."""
    decode = decode_record(shards, image_size)
    return lambda record: scale(*decode(record))


def _decode_photo(photos: Photos, image_size: int) -> Callable:
    """A map from a path of some photos and a label to a float32 image in [0, 1] and the label."""

    def read_and_decode(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = images.decode_photo(tf.io.read_file(path), image_size, photos.decoding)
        return scale(images.fill_and_crop(image, image_size), label)

    return read_and_decode


def scale(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A map from a uint8 image and its label to a float32 image in [0, 1] and the label."""
    return images.scale(image), label


def unordered_options(threads: int | None = None) -> tf.data.Options:
    """Speed over order: whatever is ready comes first. On the last dataset: options of one left behind are lost.

    Args:
        threads: Of a pool of the dataset's own; TensorFlow's if not given, unless a quota, which it does not see,
            leaves work for fewer.
    """
    threads = threads or resources.threads_under_quota()
    options = tf.data.Options()
    options.deterministic = False
    if threads:
        options.threading.private_threadpool_size = threads
    return options


def _serial_options() -> tf.data.Options:
    """No work ahead and none in parallel, which tf.data's default optimizations would add unasked for."""
    options = tf.data.Options()
    options.autotune.enabled = False  # it would add a prefetch at the end
    options.experimental_optimization.map_parallelization = False
    options.experimental_optimization.map_and_batch_fusion = False  # the fused form works one batch ahead
    return options
