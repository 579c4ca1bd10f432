"""Photos -> TFRecord shards with a manifest, in the codelab's format, and a record back to image and label."""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from flowers_core import durable, errors, progress, resources
from flowers_core.data import (
    array_images,
    encodings,
    example_proto,
    images,
    manifest,
    record_file,
    sharding,
    storage,
    tfrecord_reader,
)
from flowers_core.data import shards as shard_paths
from flowers_core.data.decoding import Decoding
from flowers_core.data.images import Tensor
from flowers_core.data.photos import Photos
from flowers_core.data.shards import CODELAB, Features
from flowers_core.lazy import Lazy

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = Lazy("tensorflow")

SHARDS = 16
SEED = 35155
"""Shards and seed of the codelab (section 3)."""

_FRAME_BYTES = 16
"""What a TFRecord file adds to each record: 8 of length, 4 of its checksum, 4 of the content's checksum."""


Work = Callable[[tuple[str, int]], bytes | manifest.Skipped]
"""Makes a record of a photo's `(path, label)`, or says why there is none; can be pickled."""

Written = tuple[manifest.Shard, list[manifest.Skipped]]
"""A shard, and the photos dealt to it that became no record."""


class Engine(Protocol):
    """What carries out the work of `write`: threads of this process, or a pipeline over many machines."""

    def __call__(self, dealt: list[list[tuple[str, int]]], folder: str, *, work: Work, classes: int) -> list[Written]:
        """Writes every shard by `write_shard`, from the `(path, label)` pairs dealt to it; gives them in order."""
        ...


def _image_and_label(features: Features) -> dict:
    return {
        features.image: tf.io.FixedLenFeature([], tf.string),
        features.label: tf.io.FixedLenFeature([], tf.int64),
    }


def parse(record: Tensor, *, image_size: int, features: Features = CODELAB) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads image and label from a record; the fast way, for training.

    Args:
        record: Scalar string, a serialized tf.train.Example.
        image_size: Side of the images in pixels.
        features: Names of the record's features.

    Returns:
        `(image, label)`: uint8, shape `(image_size, image_size, 3)`, and scalar int64.

    Raises:
        tf.errors.InvalidArgumentError: If a feature is missing or the image damaged or of another size.
    """
    parsed = tf.io.parse_single_example(record, _image_and_label(features))
    image = encodings.decode(parsed[features.image], features.encoding, image_size)
    image = tf.ensure_shape(image, (image_size, image_size, 3))
    return image, parsed[features.label]


def parse_batch(records: Tensor, features: Features = CODELAB) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads JPEGs and labels from a batch of records at once, without decoding.

    Args:
        records: Strings, shape `(batch,)`, serialized tf.train.Examples.
        features: Names of their features.

    Returns:
        `(jpegs, labels)`: strings and int64, both of shape `(batch,)`.

    Raises:
        tf.errors.InvalidArgumentError: If a feature is missing.
    """
    parsed = tf.io.parse_example(records, _image_and_label(features))
    return parsed[features.image], parsed[features.label]


def example(image: bytes, *, label: int, classes: Sequence[str], image_size: int) -> bytes:
    """Serializes one record in the codelab's schema (section 3), the same bytes for the same input.

    Args:
        image: The encoded image, `image_size` pixels square.
        label: Position of its class in `classes`.
        classes: Names of all classes.
        image_size: Side of the image in pixels.
    """
    one_hot = [float(position == label) for position in range(len(classes))]
    record = example_proto.message()()
    feature = record.features.feature
    feature["image"].bytes_list.value.append(image)
    feature["class"].int64_list.value.append(label)
    feature["label"].bytes_list.value.append(classes[label].encode())
    feature["size"].int64_list.value.extend([image_size, image_size])
    feature["one_hot_class"].float_list.value.extend(one_hot)
    return record.SerializeToString(deterministic=True)  # maps have no order of their own


def write(  # noqa: PLR0913 - its options
    photos: Photos,
    folder: str | Path,
    *,
    image_size: int = 192,
    shards: int = SHARDS,
    seed: int = SEED,
    strict: bool = False,
    accept: Collection[str] = (),
    encoding: str = encodings.JPEG,
    threads: int | None = None,
    engine: Engine | None = None,
) -> manifest.Manifest:
    """Writes photos as records, shuffled once; if they are there already, only says what is there.

    A photo that cannot be decoded makes its shard smaller. The manifest comes last: without it a folder is
    unfinished, and the next call does it over. The bytes depend on photos, size, shards and seed alone.

    Args:
        photos: What to write; paths on disk or in a bucket.
        folder: Where to, on disk or in a bucket; is made if missing.
        image_size: Side of the square images in pixels.
        shards: Number of files.
        seed: Of the shuffle.
        strict: Whether a photo that cannot be decoded, or that libjpeg warns of, ends it all, instead of being skipped
            and listed.
        accept: Kinds beside JPEG that are taken, see `photos.ACCEPTABLE`.
        encoding: How records hold their images, of `encodings.ENCODINGS`.
        threads: Photos worked on at once; two for each core that may be used if not given.
        engine: What does it; threads of this process if not given. Then `strict` is asked when all is done.

    Raises:
        InputError: If there are fewer photos than shards, the folder holds other records, is being written by
            another process or cannot be written, no photo can be decoded, or, when strict, one cannot.
        OSError: If the disk is full. Nothing of the records is left then.
    """
    # TensorFlow's ops let go of the GIL, but each call waits for its hand-over: with two threads a core the cores stay
    # busy (1.5 times as fast as with one, on two cores).
    threads = threads or 2 * resources.parallelism()
    if image_size < 1 or not 1 <= shards <= len(photos.paths):
        raise errors.InputError(
            f"`image_size` must be at least 1 and `shards` from 1 to the number of photos, {len(photos.paths)}. "
            f"Received: image_size={image_size}, shards={shards}. Ask for fewer shards, or give more photos"
        )
    encodings.check_size(encoding, image_size)
    photos.decoding.check_memory(threads)
    folder = storage.normalize(folder)
    wanted = manifest.Manifest(
        source=storage.relative_to(folder, photos.folder),
        seed=seed,
        image_size=image_size,
        classes=tuple(photos.classes),
        shards=(),
        source_digest=sharding.source_digest(photos),
        passed_over={reason: len(paths) for reason, paths in photos.passed_over.items()},
        decoding=photos.decoding,
        features=Features(encoding=encoding),
    )
    existing = sharding.existing(folder, wanted, shards=shards)
    if existing:
        if strict and existing.skipped:
            raise _undecodable(existing.skipped[0])
        return existing
    try:
        with sharding.exclusive(folder):
            dealt = sharding.deal(photos, shards=shards, seed=seed)
            of_all = replace(photos, paths=(), labels=(), passed_over={})  # what every record needs of them
            how = {"image_size": image_size, "encoding": encoding, "accept": accept, "strict": strict}
            work = partial(_record, photos=of_all, **how)
            engine = engine or partial(_write_here, strict=strict, threads=threads)
            shards_and_skipped = engine(dealt, folder, work=work, classes=len(photos.classes))
            written = _whole(wanted, shards_and_skipped, strict=strict)
            storage.write_text(storage.join(folder, manifest.NAME), written.to_json())
    except (OSError, *_tensorflow_errors()) as error:
        raise _write_error(folder, error) from error
    return written


def verify(
    path: str, *, classes: int | None = None, image_size: int | None = None, features: Features = CODELAB
) -> int:
    """Reads a shard to its end and decodes every record of it.

    Args:
        path: The shard.
        classes: How many there are; if None, as many as each record says.
        image_size: Side of the images; if None, as each record says.
        features: Names of the records' features.

    Returns:
        The number of records.

    Raises:
        InputError: If it is missing, truncated or corrupt, a record lacks a feature or its image is damaged,
            or it holds fewer or more records than its name says. Names the shard, the record and its offset.
    """
    number = offset = 0
    if not storage.is_bucket(path) and storage.size(path) >= 0:
        deque(tfrecord_reader.locate([path]), maxlen=0)  # TensorFlow may end by a signal of a false length
    stream = iter(tf.data.TFRecordDataset(path))
    try:
        while (record := next(stream, None)) is not None:
            _check(record, classes, image_size, features)
            number, offset = number + 1, offset + _FRAME_BYTES + len(record.numpy())
        if offset != storage.size(path):  # TensorFlow takes up to 11 bytes at the end for none
            raise ValueError("truncated record in its first bytes")
    except (tf.errors.OpError, ValueError) as error:
        raise tfrecord_reader.unfit(path, number, offset, images.message(error)) from error
    if manifest.count(path) not in (None, number):
        raise errors.InputError(
            f"{path} must hold as many records as its name says. Received: {number} records, {offset} bytes. "
            f"Fetch the shard again, or write the records again"
        )
    return number


def explain(
    error: Exception, paths: Sequence[str], *, classes: int | None = None, image_size: int | None = None
) -> Exception:
    """What to raise for an error met while reading shards: an InputError that names the place, if one is damaged.

    Args:
        error: What the pipeline raised, e.g. tf.errors.DataLossError, which does not name the shard.
        paths: The shards that it read.
        classes: As of `verify`.
        image_size: As of `verify`.

    Returns:
        The InputError of the first damaged shard; `error` itself if every shard is whole.
    """
    for path in progress.track(paths, "looking for the damaged shard", len(paths)):
        try:
            verify(path, classes=classes, image_size=image_size, features=shard_paths.of(paths).features)
        except errors.InputError as place:
            return place
    return error


def write_shard(
    records: Iterable[tuple[int, bytes | manifest.Skipped]], folder: str, *, number: int, classes: int
) -> Written:
    """Writes a shard, which gets its name, with the number of its records, when it is whole.

    Two processes may write the same one: each does so to a file of its own, and the later takes the name.

    Args:
        records: Label and record of each photo, or why there is none, in the shard's order.
        folder: Where to.
        number: Of the shard, from 0.
        classes: How many there are.
    """
    counts, skipped = Counter(), []
    with storage.scratch(folder) as scratch:
        temporary = scratch / f"flowers{number:02d}-{uuid4().hex[:8]}.tmp"
        try:
            with _open(temporary) as file:
                for label, record in records:
                    if isinstance(record, bytes):
                        file.write(record)
                        counts[label] += 1
                    else:
                        skipped.append(record)
            name, size = f"flowers{number:02d}-{counts.total()}.tfrec", temporary.stat().st_size
            storage.place(temporary, storage.join(folder, name))
        finally:
            temporary.unlink(missing_ok=True)
    return manifest.Shard(name, counts.total(), size, tuple(counts[label] for label in range(classes))), skipped


def _write_here(
    dealt: list[list[tuple[str, int]]], folder: str, *, work: Work, classes: int, strict: bool, threads: int
) -> list[Written]:
    """Writes every shard by threads of this process; ends at the first photo that fails where it is strict."""

    def records(pairs: list[tuple[str, int]]) -> Iterator[tuple[int, bytes | manifest.Skipped]]:
        for (_, label), record in zip(pairs, pool.map(work, pairs), strict=True):
            advance()
            if strict and isinstance(record, manifest.Skipped):
                raise _undecodable(record)
            yield label, record

    with ThreadPoolExecutor(threads) as pool, progress.bar("writing records", sum(map(len, dealt))) as advance:
        return [
            write_shard(records(pairs), folder, number=number, classes=classes) for number, pairs in enumerate(dealt)
        ]


def _whole(wanted: manifest.Manifest, written: list[Written], *, strict: bool) -> manifest.Manifest:
    """The whole manifest.

    Raises:
        InputError: If no photo became a record, or, when strict, one did not.
    """
    shards = [shard for shard, _ in written]
    skipped = sorted((photo for _, photos in written for photo in photos), key=lambda photo: photo.path)
    if skipped and (strict or not any(shard.images for shard in shards)):
        raise _undecodable(skipped[0])
    return replace(wanted, shards=tuple(shards), skipped=tuple(skipped))


def _record(
    pair: tuple[str, int], *, photos: Photos, image_size: int, encoding: str, **checks: Any
) -> bytes | manifest.Skipped:
    """The record of one photo, which is read and decoded once, or why there is none."""
    path, label = pair
    skipped = partial(manifest.Skipped, sharding.relative(path, photos))
    try:
        make = _image_by_tensorflow if has_tensorflow() else _image
        image = make(path, image_size, photos.decoding, encoding, **checks)
    except errors.InputError as error:
        return skipped(str(error))
    return example(image, label=label, classes=photos.classes, image_size=image_size)


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed, by which photos become records three times as fast, and to the same bytes."""
    return find_spec("tensorflow") is not None


def _open(path: Path) -> Any:
    """A file of records: TensorFlow's where there is one."""
    return tf.io.TFRecordWriter(str(path)) if has_tensorflow() else record_file.RecordFile(path)


def _image(path: str, image_size: int, decoding: Decoding, encoding: str, **checks: Any) -> bytes:
    """The image of a record, made of a photo."""
    photo = array_images.decode_photo(array_images.read(path, decoding=decoding, **checks), image_size, decoding)
    image = array_images.fill_and_crop(photo, image_size)
    if encoding in encodings.JPEGS:
        return array_images.encode(image, halve_colours=encoding != encodings.JPEG)
    return encodings.encode(image, encoding)


def _image_by_tensorflow(path: str, image_size: int, decoding: Decoding, encoding: str, **checks: Any) -> bytes:
    """The same, from a bucket as well."""
    photo = images.read(path, decoding=decoding, **checks)
    try:
        made = _fill_and_encode(encoding, image_size, decoding)(tf.constant(photo)).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise errors.InputError("truncated or damaged JPEG data") from error
    return made if encoding in encodings.JPEGS else encodings.encode(made, encoding)


@cache
def _fill_and_encode(encoding: str, image_size: int, decoding: Decoding) -> Callable[[Tensor], tf.Tensor]:
    """A graph: run eagerly, the ops' Python holds the GIL, half as fast, and one core only."""

    def fill_and_encode(photo: Tensor) -> tf.Tensor:
        with tf.device("CPU"):  # a GPU's resize rounds otherwise: the same photos would give other bytes
            image = images.fill_and_crop(images.decode_photo(photo, image_size, decoding), image_size)
            if encoding not in encodings.JPEGS:
                return image
            return images.encode(image, halve_colours=encoding != encodings.JPEG)

    # as one concrete function: of one a format TensorFlow warns that it is traced too often
    return tf.function(fill_and_encode, autograph=False).get_concrete_function(tf.TensorSpec([], tf.string))


def _tensorflow_errors() -> tuple[type[Exception], ...]:
    return (tf.errors.OpError,) if has_tensorflow() else ()


def _write_error(folder: str, error: Exception) -> Exception:
    """What to raise where records cannot be written: an OSError if there is no room, else an InputError."""
    if isinstance(error, OSError) and durable.is_full(error):
        return OSError(error.errno, error.strerror, folder)
    no_room = (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError) if has_tensorflow() else ()
    if isinstance(error, no_room):  # ENOSPC and EFBIG
        return OSError(errno.ENOSPC, images.message(error), folder)
    return errors.InputError(
        f"`folder` must be writable, and the photos stay readable. "
        f"Received: {folder}: {images.message(error)}. Choose another folder, then do the same again"
    )


def _undecodable(photo: manifest.Skipped) -> errors.InputError:
    return errors.InputError(
        f"`photos` must be RGB or greyscale JPEGs, all of them if `strict`, at least one if not. "
        f"Received: {photo.path}: {photo.reason}. Remove or replace it, or do without `strict`"
    )


def _check(record: Tensor, classes: int | None, image_size: int | None, features: Features) -> None:
    """Raises ValueError or an error of TensorFlow if a record is not one of ours or its image is damaged."""
    optional = {"size": tf.io.VarLenFeature(tf.int64), "one_hot_class": tf.io.VarLenFeature(tf.float32)}
    parsed = tf.io.parse_single_example(record, {**optional, **_image_and_label(features)})
    size = parsed["size"].values.numpy()
    side = image_size or (int(size[0]) if len(size) else 0)
    shape = encodings.decode(parsed[features.image], features.encoding, side).shape[:2]
    if len(size) and tuple(shape) != tuple(size):
        raise ValueError(f"its image is {shape}, its feature `size` says {size}")
    if image_size is not None and tuple(shape) != (image_size, image_size):
        raise ValueError(f"its image is {shape[0]} x {shape[1]}, not {image_size} x {image_size}")
    classes = classes or int(parsed["one_hot_class"].dense_shape[0])
    label = parsed[features.label]
    if label < 0 or (classes and label >= classes):
        raise ValueError(f"its class is {label}, of {classes}")
