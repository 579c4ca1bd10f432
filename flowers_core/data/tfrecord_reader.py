"""Reads records from shards on this machine's disk without TensorFlow: several shards in turn, each record checked."""

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import google_crc32c
from google.protobuf import message

from flowers_core import errors
from flowers_core.data import example_proto
from flowers_core.data.shards import CODELAB, Features

_LENGTH = struct.Struct("<Q")
_CHECKSUM = struct.Struct("<I")
_HEAD, _FOOT = 12, 4  # bytes around a record: its length and the length's checksum; its own checksum
SHARDS_AT_ONCE = 16
"""Shards that are read in turn, as many as the codelab has: neighbours in a batch come from as many files."""


def locate(paths: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yields where records are, one from each of several shards in turn: path, first byte and end with all framing.

    Raises:
        InputError: If a shard ends within a record.
    """
    waiting = iter(paths)
    reading = [_locate(path) for path in islice(waiting, SHARDS_AT_ONCE)]
    while reading:
        for number in range(len(reading) - 1, -1, -1):
            try:
                yield next(reading[number])
            except StopIteration:
                following = next(waiting, None)
                if following is None:
                    del reading[number]
                else:
                    reading[number] = _locate(following)


def _locate(path: str) -> Iterator[tuple[str, int, int]]:
    """Reads lengths alone: to map the shard would cost a page fault, ten times a read, for each record and pass."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - paths are strings here
        size, offset, number = os.fstat(file.fileno()).st_size, 0, 0
        while offset < size:
            head = os.pread(file.fileno(), _HEAD, offset)
            fault = "" if len(head) == _HEAD else "truncated record"
            if not fault and mask(google_crc32c.value(head[: _LENGTH.size])) != _CHECKSUM.unpack_from(head, 8)[0]:
                fault = "corrupted record, whose length has another checksum"
            if not offset and head.startswith(b"\x1f\x8b"):
                fault = "the shard is compressed by GZIP; unpack it with gunzip"
            end = size if fault else offset + _HEAD + _LENGTH.unpack_from(head)[0] + _FOOT
            if fault or end > size:
                raise unfit(path, number, offset, fault or "truncated record")
            yield path, offset, end
            offset, number = end, number + 1


def check_lengths(path: str, images: int) -> None:
    """Checks that a shard holds so many records by their lengths alone: a false length can end TensorFlow by a signal.

    Raises:
        InputError: If a record is truncated or its length corrupted, or there are fewer or more of them.
    """
    number = count(path)
    if number != images:
        raise errors.InputError(
            f"{path} must hold as many records as its name says. Received: {number} records. "
            f"Fetch the shard again, or write the records again"
        )


def count(path: str) -> int:
    """How many records a shard holds, by their lengths alone.

    Raises:
        InputError: If a record is truncated or its length corrupted.
    """
    return sum(1 for _ in _locate(path))


def records(path: str) -> Iterator[bytes]:
    """The records of a shard, each checked against its checksum.

    Raises:
        InputError: If one is damaged.
    """
    content = map_file(path)
    return (_content(content[start:end], path) for _, start, end in _locate(path))


def check(records: Iterable[bytes], path: str, *, classes: int, image_size: int, features: Features = CODELAB) -> None:
    """Checks records of a shard that others wrote: features, label and size of the image.

    Args:
        records: All of the shard, or its first ones.
        path: The shard.
        classes: How many there are.
        image_size: Side of the images in pixels.
        features: Names of the records' features.

    Raises:
        InputError: If one cannot be used; the message names the shard, the record and its offset.
    """
    offset = 0
    for number, record in enumerate(records):
        jpeg, label = parse_example(record, path, features)
        place = f"record {number} (counted from 0), which begins at byte {offset}"
        if not 0 <= label < classes:
            raise errors.InputError(
                f"{path} must hold labels from 0 to {classes - 1}. Received: {place}: its class is {label}, of "
                f"{classes}. Name all classes, or say how many there are, by --classes"
            )
        size = image_shape(jpeg)
        if not size and not jpeg.startswith(b"\xff\xd8"):
            raise errors.InputError(
                f"{path} must hold JPEGs alone. Received: {place}: its image is none. Records of two formats cannot be "
                f"mixed, and only a manifest tells another format: write the records again"
            )
        if size and size != (image_size, image_size):
            raise errors.InputError(
                f"{path} must hold images of one size. Received: {place}: its image is {size[0]} x {size[1]}, not "
                f"{image_size} x {image_size}. Write records from the photos instead"
            )
        offset += _HEAD + len(record) + _FOOT


def image_shape(jpeg: bytes) -> tuple[int, int] | None:
    """Height and width by the header of a JPEG; None if it is damaged."""
    import simplejpeg  # brings numpy, which `--help` does without

    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(jpeg)
    except (ValueError, KeyError):  # the latter of a chroma sampling that it has no name for
        return None
    return int(height), int(width)


def map_file(path: str) -> memoryview:
    """The content of a shard without a copy: the memory is that of the page cache."""
    with open(path, "rb") as file:  # noqa: PTH123 - paths are strings here
        if not file.seek(0, 2):
            return memoryview(b"")  # an empty file cannot be mapped, and holds no record
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def parse(content: memoryview, path: str, features: Features = CODELAB) -> tuple[bytes, int]:
    """JPEG and label of a record.

    Args:
        content: The bytes between the two, see `locate`.
        path: The shard.
        features: Names of the record's features.

    Raises:
        InputError: If its checksum is wrong, or a feature is missing.
    """
    return parse_example(_content(content, path), path, features)


def _content(content: memoryview, path: str) -> bytes:
    """A record without its frame, checked against its checksum."""
    record = bytes(content[_HEAD:-_FOOT])  # the checksum's library takes nothing else
    if mask(google_crc32c.value(record)) != _CHECKSUM.unpack_from(content, len(content) - _FOOT)[0]:
        raise _unfit(path, "a corrupted record, whose checksum is another")
    return record


def parse_example(record: bytes, path: str, features: Features = CODELAB) -> tuple[bytes, int]:
    """The same of the content of a record."""
    try:
        feature = example_proto.message().FromString(record).features.feature
        return feature[features.image].bytes_list.value[0], feature[features.label].int64_list.value[0]
    except IndexError:
        raise _other_features(record, path, features) from None
    except (message.DecodeError, UnicodeDecodeError) as error:
        raise _unfit(path, f"a record that is no tf.train.Example ({error})") from None


_KINDS = {"bytes_list": "bytes", "int64_list": "integers"}


def _other_features(record: bytes, path: str, features: Features) -> errors.InputError:
    """The error of a record that lacks a feature: says which features it has."""
    found = {}
    for name, feature in example_proto.message().FromString(record).features.feature.items():
        found[name] = next((kind for field, kind in _KINDS.items() if feature.HasField(field)), "floats")
    names = ", ".join(f"{name} ({kind})" for name, kind in sorted(found.items()))
    has = f"with the features {names}" if names else "without a feature"
    return errors.InputError(
        f"{path} must hold records with an image in a feature `{features.image}` (bytes) and its label in a feature "
        f"`{features.label}` (integers). Received: a record {has}. "
        f"Name the right ones by --image-feature and --label-feature"
    )


def mask(checksum: int) -> int:
    """A CRC-32C as TFRecord files keep it: a checksum of data that holds checksums would be weak."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def unfit(path: str, number: int, offset: int, fault: str) -> errors.InputError:
    """The error of a record that cannot be used."""
    return _unfit(path, f"record {number} (counted from 0), which begins at byte {offset}: {fault}")


def _unfit(path: str, what: str) -> errors.InputError:
    return errors.InputError(
        f"{path} must hold whole records. Received: {what}. Fetch the shard again, or write the records again"
    )
