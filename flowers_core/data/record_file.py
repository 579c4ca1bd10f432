"""Writes a TFRecord file without TensorFlow: records one after another, each framed and with its checksums."""

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

import google_crc32c

from flowers_core.data import tfrecord_reader


class RecordFile:
    """Writes records to a file, which is made or emptied; see `tfrecord_reader` for the frame.

    Args:
        path: On this machine's disk.

    Raises:
        OSError: If it cannot be written, when it is opened, written to or closed.
    """

    def __init__(self, path: Path):
        self._file = path.open("wb")

    def write(self, record: bytes) -> None:
        """Adds a record."""
        length = struct.pack("<Q", len(record))
        self._file.write(length + _checksum(length) + record + _checksum(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _checksum(content: bytes) -> bytes:
    return struct.pack("<I", tfrecord_reader.mask(google_crc32c.value(content)))
