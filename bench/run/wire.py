"""Protocol buffers as bytes, a field at a time: TensorFlow brings the classes of a trace, JAX does not."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any


def field(number: int, value: int | bytes) -> bytes:
    """A field as protocol buffers encode it: a whole number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields: whole numbers, and bytes of whatever is not one."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _read_varint(message, place)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length, place = _read_varint(message, place)
        yield number, message[place : place + length]
        place += length


def by_number(message: bytes) -> defaultdict[int, list[Any]]:
    """The values of a message's fields by their number, each in the order of the message; none of what is absent."""
    values = defaultdict(list)
    for number, value in fields(message):
        values[number].append(value)
    return values


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def varints(packed: bytes) -> Iterator[int]:
    """Whole numbers of a packed field."""
    place = 0
    while place < len(packed):
        value, place = _read_varint(packed, place)
        yield value
