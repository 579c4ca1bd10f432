"""Records of shards on this machine's disk, read past TensorFlow: several shards in turn, each record checked."""

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from itertools import islice

import google_crc32c

from flowers_core import errors
from flowers_core.data import example_proto

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
        size, offset = os.fstat(file.fileno()).st_size, 0
        while offset < size:
            length = os.pread(file.fileno(), _LENGTH.size, offset)
            end = offset + _HEAD + _LENGTH.unpack(length)[0] + _FOOT if len(length) == _LENGTH.size else size + 1
            if end > size:
                raise errors.InputError(
                    f"{path} must hold whole records. Received: a record that begins at byte {offset} and is "
                    f"truncated. Fetch the shard again, or write the records again"
                )
            yield path, offset, end
            offset = end


def map_file(path: str) -> memoryview:
    """The content of a shard without a copy: the memory is that of the page cache."""
    with open(path, "rb") as file:  # noqa: PTH123 - paths are strings here
        if not file.seek(0, 2):
            return memoryview(b"")  # an empty file cannot be mapped, and holds no record
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def parse(content: memoryview, path: str) -> tuple[bytes, int]:
    """JPEG and label of a record.

    Args:
        content: The bytes between the two, see `locate`.
        path: The shard.

    Raises:
        InputError: If its checksum is wrong, or a feature is missing.
    """
    record = bytes(content[_HEAD:-_FOOT])  # the checksum's library takes nothing else
    if mask(google_crc32c.value(record)) != _CHECKSUM.unpack_from(content, len(content) - _FOOT)[0]:
        raise _unfit(path, "a corrupted record, whose checksum is another")
    feature = example_proto.message().FromString(record).features.feature
    try:
        return feature["image"].bytes_list.value[0], feature["class"].int64_list.value[0]
    except IndexError:
        raise _unfit(path, "a record without a feature `image` or `class`") from None


def mask(checksum: int) -> int:
    """A CRC-32C as TFRecord files keep it: a checksum of data that holds checksums would be weak."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _unfit(path: str, what: str) -> errors.InputError:
    return errors.InputError(
        f"{path} must hold whole records. Received: {what}. Fetch the shard again, or write the records again"
    )
